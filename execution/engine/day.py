"""The close of a trading day: runs that never came are missed, each pair's day is written down, and
the next day's P&L opens at this close's marks.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Count, F, Max, QuerySet, Sum

from execution.engine import margins, marks, runs
from execution.engine.desk import Desk
from execution.models import Fill, Order, PerformanceMetric, Position, StrategyExecution
from execution.states import OrderState
from market.facts.tables import EXCHANGES
from market.kernel import calendar
from market.kernel.contracts import Contract
from market.kernel.money import ZERO, rupees

log = structlog.get_logger(__name__)
Status = StrategyExecution.Status


def is_over(desk: Desk) -> bool:
    """Whether every exchange's session of the frame's day has closed."""
    return all(desk.has_closed(exchange, desk.day) for exchange in EXCHANGES)


def is_closed(desk: Desk) -> bool:
    """Whether the day has been written down: every position opens the next one, nothing is late."""
    today = Position.objects.filter(timeline=desk.timeline).exclude(day__gt=desk.day)
    return not (today.exists() or _late(desk).exists())


def close(desk: Desk) -> None:
    """Close the day once; a pair whose day is final is left alone, a late official settlement restates it."""
    miss_what_is_late(desk)
    write_metrics(desk)
    carry(desk)


def miss_what_is_late(desk: Desk) -> None:
    """Entries and rolls that are still due when the session is over are MISSED."""
    for pk in list(_late(desk).values_list("pk", flat=True)):
        with transaction.atomic():
            execution = runs.locked(pk, Status.DUE)
            if execution is not None:
                runs.finish(execution, Status.MISSED, desk, code="SESSION_OVER")


def write_metrics(desk: Desk, *, late: bool = False) -> list[PerformanceMetric]:
    """One row a pair for the day: P&L after charges, peak margin, counts; the rows that were not final yet.

    `late`: at marks of another day, so provisional.
    """
    by_pair: dict[int, list[Position]] = defaultdict(list)
    for position in _positions(desk):
        by_pair[position.allocation_id].append(position)
    activity = _activity(desk.timeline.pk, desk.day)
    closed = _already_final(desk)
    rows = [
        _metric(pair, positions, activity.get(pair, {}), desk, late=late)
        for pair, positions in by_pair.items()
        if pair not in closed and (activity.get(pair) or _held_today(positions, desk))
    ]
    return PerformanceMetric.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["allocation", "timeline", "trading_day"],
        update_fields=[
            "realised", "unrealised", "charges", "net", "peak_margin", "orders", "fills", "lots",
            "provisional", "final", "updated_at",
        ],  # fmt: skip
    )


def _held_today(positions: list[Position], desk: Desk) -> bool:
    """Whether anything is open, or was until it settled today."""
    return any(
        position.quantity or any(s.trading_day == desk.day for s in position.settlements.all())
        for position in positions
    )


def carry(desk: Desk) -> None:
    """Open the next day's P&L of every position at today's closing marks.

    After the last day of the facts no next day is known: positions wait, and each tick asks again,
    until an operator has imported the new year.
    """
    try:
        following = {ex: calendar.next_trading_day(ex, desk.day) for ex in EXCHANGES}
    except calendar.OutsideCoverage as gap:
        log.warning("next_trading_day_unknown", timeline=desk.timeline.key, day=desk.day, why=str(gap))
        return
    rows = Position.objects.filter(timeline=desk.timeline).exclude(day__gt=desk.day)
    _carry_flat(rows.filter(quantity=0), following)
    for pk in list(rows.exclude(quantity=0).order_by("pk").values_list("pk", flat=True)):
        _carry(pk, following, desk)


def _carry_flat(rows: QuerySet[Position], following: dict[str, date]) -> None:
    """What is flat is worth what it realised: one statement an exchange, however many a year leaves."""
    for exchange, day in following.items():
        rows.filter(contract__exchange=exchange).update(
            day=day, day_opening_pnl=F("realised"), day_charges_before=F("charges")
        )


@transaction.atomic
def _carry(position_id: int, following: dict[str, date], desk: Desk) -> None:
    position = (
        Position.objects.select_for_update(of=("self",), no_key=True)
        .select_related("contract")
        .get(pk=position_id)
    )
    position.day = following[position.contract.exchange]
    position.day_opening_pnl = marks.gross_pnl([position], desk.frame)
    position.day_charges_before = position.charges
    position.save(update_fields=["day", "day_opening_pnl", "day_charges_before"])


def _late(desk: Desk) -> QuerySet[StrategyExecution]:
    return StrategyExecution.objects.filter(
        timeline=desk.timeline, phase__in=["entry", "roll", "adjust"], status=Status.DUE, due_at__lt=desk.now
    )


def _positions(desk: Desk) -> list[Position]:
    rows = Position.objects.filter(timeline=desk.timeline)
    return list(rows.select_related("contract").prefetch_related("settlements").order_by("pk"))


def _already_final(desk: Desk) -> set[int]:
    rows = PerformanceMetric.objects.filter(
        timeline=desk.timeline, trading_day=desk.day, final=True
    )
    return set(rows.values_list("allocation_id", flat=True))


def _metric(
    pair: int, positions: list[Position], activity: dict[str, Any], desk: Desk, *, late: bool
) -> PerformanceMetric:
    realised = sum((p.realised for p in positions), ZERO)
    gross = marks.gross_pnl(positions, desk.frame)
    charges = sum((p.charges - p.day_charges_before for p in positions), ZERO)
    opening = sum((p.day_opening_pnl for p in positions), ZERO)
    held = [(p.contract.spec, p.quantity) for p in positions if p.quantity]
    provisional = late or any(
        settlement.provisional and settlement.trading_day == desk.day
        for p in positions
        for settlement in p.settlements.all()
    )
    return PerformanceMetric(
        allocation_id=pair,
        timeline=desk.timeline,
        trading_day=desk.day,
        realised=rupees(realised),
        unrealised=rupees(gross - realised),
        charges=charges,
        net=rupees(gross - opening - charges),
        peak_margin=max(activity.get("margin") or ZERO, _margin(held, desk)),
        orders=activity.get("orders", 0),
        fills=activity.get("fills", 0),
        lots=activity.get("lots", 0),
        provisional=provisional,
        final=True,
        updated_at=desk.now,
    )


def _margin(held: list[tuple[Contract, int]], desk: Desk) -> Decimal:
    try:
        return margins.requirement(held, desk.frame)
    except margins.NoMargin:
        return ZERO


def _activity(timeline_id: int, day: date) -> dict[int, dict[str, Any]]:
    """By pair: orders sent, fills, lots entered and the largest planned margin of the day."""
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    runs_today = StrategyExecution.objects.filter(timeline_id=timeline_id, trading_day=day)
    orders = Order.objects.filter(execution__in=runs_today).exclude(
        status__in=[OrderState.DENIED, OrderState.DRAFT, OrderState.READY]
    )
    for sent in orders.values("allocation_id").annotate(orders=Count("pk")):
        found[sent["allocation_id"]]["orders"] = sent["orders"]
    fills = Fill.objects.filter(timeline_id=timeline_id, trading_day=day)
    for dealt in fills.values(pair=F("order__allocation_id")).annotate(fills=Count("pk")):
        found[dealt["pair"]]["fills"] = dealt["fills"]
    entered = runs_today.filter(phase="entry", status__in=[Status.DONE, Status.PARTIAL])
    for row in entered.values("allocation_id").annotate(lots=Sum("lots"), margin=Max("margin")):
        found[row["allocation_id"]] |= {"lots": row["lots"], "margin": row["margin"]}
    return found

