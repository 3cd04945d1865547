"""Entries and adjustments that a user asks for: never on top of another trade or run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Unpack

from django.db import IntegrityError, transaction
from django.db.models import Max

from allocations.models import StrategyBrokerAllocation
from execution.models import COMING_BACK, Position, StrategyExecution
from execution.services.acts import Act, record
from execution.services.exits import UNFINISHED
from market.kernel.clock import ist_day
from market.models import Timeline
from market.selectors import active_timeline
from strategies.models import StrategyVersion
from users.errors import Refused
from users.models import User

Status = StrategyExecution.Status


@transaction.atomic
def enter_now(
    *,
    user: User,
    entries: Sequence[tuple[StrategyBrokerAllocation, StrategyVersion]],
    at: datetime,
    **act: Unpack[Act],
) -> list[StrategyExecution]:
    """Due entries of these pairs at market time `at`, each under its next free cycle of that day.

    All or none: Refused when one of them holds a trade or has a run under way.
    """
    timeline = active_timeline()
    ids = [pair.pk for pair, _ in entries]
    list(StrategyBrokerAllocation.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
    _require_free(timeline, entries)
    day = ist_day(at)
    entered = StrategyExecution.objects.filter(
        timeline=timeline, trading_day=day, phase="entry", allocation__in=ids
    )
    cycles = dict(entered.order_by().values_list("allocation_id").annotate(Max("cycle")))
    rows = [
        StrategyExecution(
            allocation=pair, timeline=timeline, trading_day=day, phase="entry",
            cycle=cycles.get(pair.pk, 0) + 1, strategy_version=version, lots=pair.lots, cause="user",
            due_at=at,
        )
        for pair, version in entries
    ]  # fmt: skip
    try:
        with transaction.atomic():
            StrategyExecution.objects.bulk_create(rows)
    except IntegrityError as error:
        if "one_execution_per_key" not in str(error):
            raise
        raise Refused("already_in", "The schedule has just entered one of these pairs.",
                      fix="Look at the executions, then preview again.") from error  # fmt: skip
    record("enter", user, {"executions": [row.pk for row in rows]}, act)
    return rows


@transaction.atomic
def adjust(
    *,
    user: User,
    allocation: StrategyBrokerAllocation,
    plan: dict[str, Any],
    lots: int,
    at: datetime,
    **act: Unpack[Act],
) -> StrategyExecution:
    """A due change of the pair's open trade by hand at market time `at`; Refused while a run is under way.

    A leg that waits to come back is none.
    """
    timeline, day = active_timeline(), ist_day(at)
    StrategyBrokerAllocation.objects.select_for_update().get(pk=allocation.pk)
    mine = StrategyExecution.objects.filter(allocation=allocation, timeline=timeline)
    if mine.filter(status__in=UNFINISHED).exclude(COMING_BACK).exists():
        raise Refused("run_under_way", "The pair is being entered, exited, rolled or adjusted.",
                      fix="Wait until that run has ended, then look again.")  # fmt: skip
    row = StrategyExecution.objects.create(
        allocation=allocation, timeline=timeline, trading_day=day, phase="adjust",
        cycle=mine.filter(trading_day=day, phase="adjust").count() + 1, lots=lots, cause="user",
        strategy_version_id=allocation.strategy_version_id, due_at=at, plan=plan,
    )  # fmt: skip
    record("adjust", user, {"execution": row.pk, **plan}, act)
    return row


def _require_free(
    timeline: Timeline, entries: Sequence[tuple[StrategyBrokerAllocation, StrategyVersion]]
) -> None:
    """Refused when a pair is in a trade: an entry never comes on top of another."""
    pairs = {pair.pk: pair for pair, _ in entries}
    mine = {"timeline": timeline, "allocation__in": pairs.keys()}
    held = Position.objects.filter(**mine).exclude(quantity=0)
    runs = StrategyExecution.objects.filter(**mine, status__in=UNFINISHED)
    busy = {pk for rows in (held, runs) for pk in rows.values_list("allocation_id", flat=True)}
    if busy:
        names = ", ".join(str(pairs[pk]) for pk in sorted(busy))
        raise Refused("already_in", f"These pairs are in a trade: {names}.",
                      fix="Exit it first, then preview again.")  # fmt: skip
