"""Exits as rows: one under way a pair at the most, a wider one takes the place of a leg's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Count

from allocations.models import StrategyBrokerAllocation
from execution.models import Order, Position, StrategyExecution
from execution.states import OPEN_STATES
from market.kernel.clock import ist_day
from market.models import Timeline
from users.prepared import insert

Status = StrategyExecution.Status
UNFINISHED = [Status.DUE, Status.RUNNING]
WIDENED = ["only_legs", "cause", "detail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueExit:
    """An exit of a pair that has come due, with the most lots that a leg holds: of everything, or of the
    legs named."""

    allocation: StrategyBrokerAllocation
    due_at: datetime
    cause: str
    lots: int
    detail: str = ""
    legs: Sequence[int] | None = None


@transaction.atomic
def open_due(exits: Collection[DueExit], *, timeline: Timeline, day: date) -> None:
    """`open_exit` of each, one a pair; as many queries for many as for one, unless some of its legs leave
    already."""
    pairs = [due.allocation for due in exits]
    cycles = _cycles(pairs, timeline, day)
    unfinished = StrategyExecution.objects.filter(
        timeline=timeline, allocation__in=pairs, phase="exit", status__in=UNFINISHED
    )
    under_way = set(unfinished.values_list("allocation_id", flat=True))
    fresh = [
        StrategyExecution(
            allocation=due.allocation, timeline=timeline, trading_day=day, phase="exit",
            cycle=cycles.get(due.allocation.pk, 0) + 1, **_values(due),
        )
        for due in exits
        if due.allocation.pk not in under_way
    ]  # fmt: skip
    insert(fresh, ignore_conflicts=True)
    for due in exits:
        if due.allocation.pk in under_way:
            open_exit(due, timeline=timeline, day=day)


@transaction.atomic
def open_exit(due: DueExit, *, timeline: Timeline, day: date) -> StrategyExecution | None:
    """A due exit of the pair, or of some of its legs, unless one that closes these is under way.

    Counted before it is asked whether one is under way: one that another worker opens meanwhile has
    taken this number.
    """
    exits = StrategyExecution.objects.filter(allocation=due.allocation, timeline=timeline, phase="exit")
    cycle = exits.filter(trading_day=day).count() + 1
    under_way = exits.filter(status__in=UNFINISHED)
    if under_way.filter(only_legs__isnull=True).exists():
        return None
    partial = under_way.select_for_update(of=("self",), no_key=True).first()
    if partial is not None:
        if not _is_widened(partial, cause=due.cause, detail=due.detail, legs=due.legs):
            return None
        partial.save(update_fields=WIDENED)
        return partial
    row, fresh = StrategyExecution.objects.get_or_create(
        allocation=due.allocation, timeline=timeline, trading_day=day, phase="exit", cycle=cycle,
        defaults=_values(due),
    )  # fmt: skip
    return row if fresh else None


def _values(due: DueExit) -> dict[str, Any]:
    return {
        "strategy_version_id": due.allocation.strategy_version_id,
        "lots": due.lots,
        "cause": due.cause,
        "due_at": due.due_at,
        "detail": due.detail,
        "only_legs": None if due.legs is None else sorted(due.legs),
    }


def _is_widened(
    row: StrategyExecution, *, cause: str, detail: str, legs: Sequence[int] | None
) -> bool:
    """An exit of some legs goes on as one of more legs, or of everything; False when it closes these.

    The caller saves what is WIDENED.
    """
    if row.only_legs is None or (legs is not None and set(legs) <= set(row.only_legs)):
        return False
    row.only_legs = None if legs is None else sorted({*row.only_legs, *legs})
    more = detail if legs is not None else f"Then everything: {detail or cause}."
    row.cause = row.cause if legs is not None else cause
    row.detail = f"{row.detail} {more}".strip()
    return True


@transaction.atomic
def open_exits(pairs: list[StrategyBrokerAllocation], *, cause: str) -> list[StrategyExecution]:
    """Due exits of those pairs that hold something or have orders or something to open under way; as
    many queries for many as for one.
    """
    timeline = Timeline.objects.filter(active=True).first()
    if timeline is None or timeline.market_now is None:  # a halt stands without a market too
        return []
    day = ist_day(timeline.market_now)
    cycles = _cycles(pairs, timeline, day)  # before the look, as in open_exit
    busy = _busy(pairs, timeline)
    under_way = _under_way(busy, timeline)
    fresh = [
        StrategyExecution(
            allocation=pair, timeline=timeline, trading_day=day, phase="exit",
            cycle=cycles.get(pair.pk, 0) + 1, strategy_version_id=pair.strategy_version_id,
            lots=pair.lots, cause=cause, due_at=timeline.market_now,
        )
        for pair in pairs
        if pair.pk in busy - under_way.keys()
    ]  # fmt: skip
    insert(fresh, ignore_conflicts=True)
    begun = _under_way({row.allocation_id for row in fresh}, timeline)  # some by another just now
    rows = {**under_way, **begun}.values()
    widened = [row for row in rows if _is_widened(row, cause=cause, detail="", legs=None)]
    StrategyExecution.objects.bulk_update(widened, WIDENED)
    new = {row.pk for row in [*begun.values(), *widened]}
    return [row for row in rows if row.pk in new]


def _busy(pairs: list[StrategyBrokerAllocation], timeline: Timeline) -> set[int]:
    held = Position.objects.filter(timeline=timeline, allocation__in=pairs).exclude(quantity=0)
    working = Order.objects.filter(timeline=timeline, allocation__in=pairs, status__in=OPEN_STATES)
    opening = StrategyExecution.objects.filter(
        timeline=timeline, allocation__in=pairs, status__in=UNFINISHED, phase__in=["entry", "roll", "adjust"]
    )
    return {
        pk for rows in (held, working, opening) for pk in rows.values_list("allocation_id", flat=True)
    }


def _under_way(pairs: set[int], timeline: Timeline) -> dict[int, StrategyExecution]:
    """By pair, its exit under way, locked."""
    rows = StrategyExecution.objects.select_for_update(of=("self",), no_key=True).filter(
        timeline=timeline, allocation__in=pairs, phase="exit", status__in=UNFINISHED
    )
    return {row.allocation_id: row for row in rows.order_by("pk")}


def _cycles(
    pairs: list[StrategyBrokerAllocation], timeline: Timeline, day: date
) -> dict[int, int]:
    """By pair, how many exits it has had that day."""
    done = StrategyExecution.objects.filter(
        timeline=timeline, allocation__in=pairs, phase="exit", trading_day=day
    )
    return dict(done.order_by().values_list("allocation_id").annotate(Count("pk")))
