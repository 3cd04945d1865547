"""Exits as rows: one under way a pair at the most, a wider one takes the place of a leg's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from django.db import transaction
from django.db.models import Q

from allocations.models import StrategyBrokerAllocation
from execution.models import Order, Position, StrategyExecution
from execution.states import OPEN_STATES
from market.kernel.clock import ist_day
from market.models import Timeline

Status = StrategyExecution.Status
UNFINISHED = [Status.DUE, Status.RUNNING]


@transaction.atomic
def open_exit(  # noqa: PLR0913 - keyword only
    *,
    allocation: StrategyBrokerAllocation,
    timeline: Timeline,
    day: date,
    due_at: datetime,
    cause: str,
    lots: int,
    detail: str = "",
    legs: Sequence[int] | None = None,
) -> StrategyExecution | None:
    """A due exit of the pair, or of some of its legs, unless one that closes these is under way."""
    exits = StrategyExecution.objects.filter(allocation=allocation, timeline=timeline, phase="exit")
    under_way = exits.filter(status__in=UNFINISHED)
    if under_way.filter(only_legs__isnull=True).exists():
        return None
    partial = under_way.select_for_update(of=("self",), no_key=True).first()
    if partial is not None:
        return _widen(partial, cause=cause, detail=detail, legs=legs)
    row, fresh = StrategyExecution.objects.get_or_create(
        allocation=allocation,
        timeline=timeline,
        trading_day=day,
        phase="exit",
        cycle=exits.filter(trading_day=day).count() + 1,
        defaults={
            "strategy_version_id": allocation.strategy_version_id,
            "lots": lots,
            "cause": cause,
            "due_at": due_at,
            "detail": detail,
            "only_legs": None if legs is None else sorted(legs),
        },
    )
    return row if fresh else None


def _widen(
    row: StrategyExecution, *, cause: str, detail: str, legs: Sequence[int] | None
) -> StrategyExecution | None:
    """An exit of some legs goes on as one of more legs, or of everything; None when it closes these."""
    if row.only_legs is None or (legs is not None and set(legs) <= set(row.only_legs)):
        return None
    row.only_legs = None if legs is None else sorted({*row.only_legs, *legs})
    more = detail if legs is not None else f"Then everything: {detail or cause}."
    row.cause = row.cause if legs is not None else cause
    row.detail = f"{row.detail} {more}".strip()
    row.save(update_fields=["only_legs", "cause", "detail"])
    return row


def open_exits(pairs: list[StrategyBrokerAllocation], *, cause: str) -> list[StrategyExecution]:
    """Due exits of those pairs that hold something or have orders or an entry under way."""
    timeline = Timeline.objects.filter(active=True).first()
    if timeline is None or timeline.market_now is None:  # a halt stands without a market too
        return []
    held = Position.objects.filter(timeline=timeline, allocation__in=pairs).exclude(quantity=0)
    working = Order.objects.filter(timeline=timeline, allocation__in=pairs, status__in=OPEN_STATES)
    entering = StrategyExecution.objects.filter(
        Q(status__in=UNFINISHED), timeline=timeline, allocation__in=pairs, phase="entry"
    )
    busy = {
        pk for rows in (held, working, entering) for pk in rows.values_list("allocation_id", flat=True)
    }
    exits = [
        open_exit(
            allocation=pair,
            timeline=timeline,
            day=ist_day(timeline.market_now),
            due_at=timeline.market_now,
            cause=cause,
            lots=pair.lots,
        )
        for pair in pairs
        if pair.pk in busy
    ]
    return [row for row in exits if row is not None]
