"""The trade that a pair is in as its stops need it, and whether another may follow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Case, DecimalField, F, Sum, When

from allocations.models import StrategyBrokerAllocation
from execution.models import REENTRY, Order, Position, StrategyExecution
from market.kernel.money import ZERO
from market.models import Timeline
from strategies.models import StrategyVersion

Status = StrategyExecution.Status
#: Causes of the exits that a re-entry may follow.
STOPPED = ("stop", "lock", "leg_stop")
LEFT_BY = {"stop": STOPPED, "target": ("target",), "either": (*STOPPED, "target")}
#: Levels of a leg's own after which it may come back.
LEG_LEFT_BY = {
    "stop": frozenset({"stop"}), "target": frozenset({"target"}), "either": frozenset({"stop", "target"}),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trade:
    """The trade that a pair is in: the lots it was entered with, what was realised before it, when
    it began, and its net premium (received when above zero) where a stop or target is a share of it.
    """

    lots: int
    realised_before: Decimal
    since: datetime | None = None
    premium: Decimal | None = None


def has_bounds(pair: StrategyBrokerAllocation) -> bool:
    """Whether a stop, target or lock of the strategy or the pair watches the whole trade."""
    version = pair.strategy_version
    limits = (version.take_profit, version.stop_loss, version.lock_at, pair.take_profit, pair.stop_loss)
    return any(limit is not None for limit in limits)


def is_share_of_premium(version: StrategyVersion) -> bool:
    """Whether a stop or target of the whole trade is a share of its premium."""
    percent = StrategyVersion.StopUnit.PERCENT
    return (version.stop_loss is not None and version.stop_loss_unit == percent) or (
        version.take_profit is not None and version.take_profit_unit == percent
    )


def open_trades(timeline: Timeline, pairs: set[int], shares: set[int]) -> dict[int, Trade]:
    """By pair, its open trade; what its flat rows have realised since is taken off `realised_before`."""
    entries = (
        StrategyExecution.objects.filter(
            timeline=timeline, allocation__in=pairs, phase="entry", started_at__isnull=False
        )
        .order_by("allocation_id", "-started_at")
        .distinct("allocation_id")
        .values_list("allocation_id", "pk", "lots", "realised_before", "started_at")
    )
    found = {pair: (pk, lots, before, since) for pair, pk, lots, before, since in entries}
    flat: dict[int, Decimal] = defaultdict(Decimal)
    rows = Position.objects.filter(timeline=timeline, allocation__in=pairs, quantity=0)
    for pair, realised in rows.values_list("allocation_id", "realised"):
        flat[pair] += realised
    premiums = _premiums({pk for pair, (pk, *_) in found.items() if pair in shares})
    trades = {}
    for pair in pairs:
        pk, lots, before, since = found.get(pair, (0, 1, ZERO, None))
        trades[pair] = Trade(lots, before - flat[pair], since, premiums.get(pk))
    return trades


def _premiums(entries: set[int]) -> dict[int, Decimal]:
    """By entry, the premium that its options took in (negative: cost), in rupees."""
    if not entries:
        return {}
    paid = Case(
        When(side="SELL", then=F("average_price") * F("filled_quantity")),
        default=-F("average_price") * F("filled_quantity"),
        output_field=DecimalField(max_digits=20, decimal_places=4),
    )
    orders = Order.objects.filter(
        execution__in=entries, action=Order.Action.OPEN, filled_quantity__gt=0
    ).exclude(contract__strike=None)
    sums = orders.order_by().values("execution_id").annotate(premium=Sum(paid))
    return {row["execution_id"]: row["premium"] for row in sums}


def may_enter_again(left: StrategyExecution, runs: list[StrategyExecution]) -> bool:
    """Nothing of the pair is under way, no entry was asked since it left, and the count allows one."""
    version, entries = left.strategy_version, [run for run in runs if run.phase == "entry"]
    asked = sum(run.cause == REENTRY for run in entries)
    return (
        left.cause in LEFT_BY[version.reentry_after]
        and asked < version.reentry_count
        and not any(run.status in (Status.DUE, Status.RUNNING) for run in runs)
        and not any(run.due_at >= left.finished_at for run in entries if left.finished_at)
        and not any(run.phase == "exit" and run.cycle > left.cycle for run in runs)
    )


def may_come_back(leg: int, left: StrategyExecution, runs: list[StrategyExecution]) -> bool:
    """The leg was not asked back since it left, its count allows one more, and its trade goes on."""
    asked = [run for run in runs if run.cause == REENTRY and run.only_legs == [leg]]
    assert left.finished_at is not None  # only a finished exit has closed the leg
    return (
        len(asked) < left.strategy_version.reentry_count
        and not any(run.due_at >= left.finished_at for run in asked)
        and not is_over(left.finished_at, runs)
    )


def is_over(left_at: datetime, runs: Iterable[StrategyExecution]) -> bool:
    """Whether the trade that a leg left at that time has since left as a whole, or leaves now, has
    rolled, or another has been entered. Legs that went one by one do not end it."""
    for run in runs:
        if run.phase == "exit" and run.only_legs is None:
            if run.finished_at is None or run.finished_at >= left_at:
                return True
        elif run.phase in ("entry", "roll") and run.started_at and run.started_at >= left_at:
            return True
    return False
