"""All or none: pairs of one strategy and owner that enter together, and are unwound when one does not
complete. Derived from how the runs ended, so a crash in between forgets nothing. Exits never ask.
"""

from __future__ import annotations

from collections.abc import Iterable

from allocations.models import StrategyBrokerAllocation
from execution.models import StrategyExecution
from market.models import Timeline

Status = StrategyExecution.Status
CODE = "SIBLING_FAILED"
WORDS = "Another pair of the strategy did not complete its entry, and all were wanted or none."
BROKEN = (Status.DENIED, Status.FAILED, Status.PARTIAL, Status.MISSED)


def has_failed(execution: StrategyExecution) -> bool:
    """Whether another pair's entry of the same strategy, owner, day and cycle ended incomplete."""
    if not execution.strategy_version.all_or_none:
        return False
    pair = execution.allocation
    return (
        StrategyExecution.objects.filter(
            timeline=execution.timeline_id,
            trading_day=execution.trading_day,
            cycle=execution.cycle,
            phase="entry",
            status__in=BROKEN,
            allocation__strategy=pair.strategy_id,
            allocation__broker_account__user=pair.broker_account.user_id,
        )
        .exclude(allocation=pair)
        .exists()
    )


def abandoned(pairs: Iterable[StrategyBrokerAllocation], timeline: Timeline) -> set[int]:
    """The pairs whose open trade must end because a sibling's entry ended incomplete; two queries."""
    wanted = {pair.pk: pair for pair in pairs if pair.strategy_version.all_or_none}
    if not wanted:
        return set()
    entries = StrategyExecution.objects.filter(timeline=timeline, phase="entry")
    began = entries.filter(allocation__in=wanted, started_at__isnull=False)
    newest = began.order_by("allocation_id", "-started_at").distinct("allocation_id")
    broken = entries.filter(
        status__in=BROKEN, allocation__strategy__in={pair.strategy_id for pair in wanted.values()}
    ).values_list(
        "allocation_id", "allocation__strategy_id", "allocation__broker_account__user_id",
        "trading_day", "cycle",
    )  # fmt: skip
    failed: dict[tuple[object, ...], set[int]] = {}
    for pk, *key in broken.filter(trading_day__in=newest.values("trading_day")):
        failed.setdefault(tuple(key), set()).add(pk)
    return {
        pk
        for pk, day, cycle in newest.values_list("allocation_id", "trading_day", "cycle")
        if failed.get(_key(wanted[pk], day, cycle), set()) - {pk}
    }


def _key(pair: StrategyBrokerAllocation, day: object, cycle: int) -> tuple[object, ...]:
    return (pair.strategy_id, pair.broker_account.user_id, day, cycle)
