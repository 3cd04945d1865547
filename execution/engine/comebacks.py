"""What left by a stop or target today and may come back: a whole trade, or a leg of one that goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import QuerySet

from allocations.models import StrategyBrokerAllocation
from execution import moves
from execution.engine.trades import (
    LEFT_BY,
    LEG_LEFT_BY,
    may_come_back,
    may_enter_again,
)
from execution.models import Order, StopWatch, StrategyExecution
from market.kernel.money import ZERO
from market.models import Timeline
from users.prepared import Param, Prepared

Status = StrategyExecution.Status
Runs = dict[int, list[StrategyExecution]]
Orders = dict[tuple[int, int], list[Order]]
MayEnter = Callable[[Collection[int]], list[StrategyBrokerAllocation]]


EXITS = Prepared(
    lambda: StrategyExecution.objects.filter(
        timeline=Param("timeline"), trading_day=Param("day"), phase="exit", status=Status.DONE
    ).exclude(strategy_version__reentry="none").select_related("strategy_version").order_by("cycle")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Again:
    """A pair that left by a stop or target and may enter again, under this cycle of its entries."""

    pair: StrategyBrokerAllocation
    exit: StrategyExecution
    cycle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAgain:
    """A leg that this exit closed by the leg's own stop or target: so many units of this contract, which
    it was opened with at this average price."""

    pair: StrategyBrokerAllocation
    exit: StrategyExecution
    leg: int
    side: str
    symbol: str
    units: int
    cost: Decimal
    cycle: int


@dataclass(frozen=True, slots=True)
class _Left:
    """A leg that was opened with this side, how much of it has gone, and its average price; `level` is
    stop where one at the broker closed it, whatever the frames here have seen."""

    symbol: str
    side: str
    units: int
    cost: Decimal
    level: str


def exits_of_day(timeline: Timeline, day: date) -> list[StrategyExecution]:
    """Exits of the day that a re-entry may follow, oldest first."""
    return EXITS.rows(timeline=timeline.pk, day=day)


def runs_by_pair(runs: QuerySet[StrategyExecution], day: date, pairs: Collection[int]) -> Runs:
    """All runs of the day of these pairs, oldest first."""
    found: Runs = defaultdict(list)
    for run in runs.filter(trading_day=day, allocation__in=pairs).order_by("cycle"):
        found[run.allocation_id].append(run)
    return found


def pairs_again(exits: Iterable[StrategyExecution], runs: Runs, may_enter: MayEnter) -> list[Again]:
    """Pairs whose last exit of everything allows a re-entry that has not been asked yet."""
    last = {
        run.allocation_id: run
        for run in exits
        if run.only_legs is None
        and run.cause in LEFT_BY["either"]
        and run.strategy_version.reentry_of == "trade"
    }
    free = {pair: left for pair, left in last.items() if may_enter_again(left, runs[pair])}
    return [
        Again(pair, free[pair.pk], sum(run.phase == "entry" for run in runs[pair.pk]) + 1)
        for pair in may_enter(free)
    ]


def legs_again(exits: Iterable[StrategyExecution], runs: Runs, may_enter: MayEnter) -> list[LegAgain]:
    """Legs that may come back and have not been asked since they left; longs before shorts."""
    last = {
        (run.allocation_id, leg): run
        for run in exits
        if run.strategy_version.reentry_of == "leg"
        for leg in run.only_legs or ()
    }
    free = {
        (pair, leg): left
        for (pair, leg), left in last.items()
        if may_come_back(leg, left, runs[pair])
    }
    if not free:
        return []
    by_own_level = _by_own_level(free)
    pairs = {pair.pk: pair for pair in may_enter({pair for pair, _ in by_own_level})}
    found, cycles = [], {pair: _last_adjustment(runs[pair]) for pair in pairs}
    for (pair, leg), went in sorted(by_own_level.items(), key=lambda row: (row[1].side == "SELL", row[0])):
        if pair in pairs:
            cycles[pair] += 1
            found.append(LegAgain(
                pair=pairs[pair], exit=free[pair, leg], leg=leg, side=went.side, symbol=went.symbol,
                units=went.units, cost=went.cost, cycle=cycles[pair],
            ))  # fmt: skip
    return found


def _last_adjustment(runs: Iterable[StrategyExecution]) -> int:
    return max((run.cycle for run in runs if run.phase == "adjust"), default=0)


def _by_own_level(
    free: dict[tuple[int, int], StrategyExecution],
) -> dict[tuple[int, int], _Left]:
    """What left of each of these legs, where its own stop or target did it."""
    timeline = next(iter(free.values())).timeline_id
    found = _left({pair for pair, _ in free}, {leg for _, leg in free}, timeline)
    watches = StopWatch.objects.filter(timeline=timeline, allocation__in={pair for pair, _ in free})
    crossed = {
        (pair, symbol): level
        for pair, symbol, level in watches.values_list("allocation_id", "symbol", "crossed")
    }
    return {
        key: found[key]
        for key, exit_ in free.items()
        if key in found
        and LEG_LEFT_BY[exit_.strategy_version.reentry_after].intersection(
            {found[key].level, crossed.get((key[0], found[key].symbol))}
        )
    }


def _left(pairs: set[int], legs: set[int], timeline: int) -> dict[tuple[int, int], _Left]:
    """By pair and leg, what it was opened with last, as far as that was closed since, whichever run closed
    it; three queries."""
    filled = Order.objects.filter(
        timeline=timeline, allocation__in=pairs, leg_number__in=legs, filled_quantity__gt=0
    )
    last = (
        filled.filter(action=Order.Action.OPEN)
        .select_related("contract")
        .order_by("allocation_id", "leg_number", "-pk")
        .distinct("allocation_id", "leg_number")
    )
    newest = {(order.allocation_id, order.leg_number): order for order in last}
    opened: Orders = defaultdict(list)
    for order in filled.filter(action=Order.Action.OPEN, execution__in={o.execution_id for o in newest.values()}):
        key = (order.allocation_id, order.leg_number)
        if (order.execution_id, order.contract_id) == (newest[key].execution_id, newest[key].contract_id):
            opened[key].append(order)
    since = {key: min(order.pk for order in orders) for key, orders in opened.items()}
    closed: Orders = defaultdict(list)
    for order in filled.filter(action=Order.Action.CLOSE, pk__gt=min(since.values(), default=0)):
        key = (order.allocation_id, order.leg_number)
        if key in since and order.pk > since[key] and order.contract_id == newest[key].contract_id:
            closed[key].append(order)
    return {key: _of(newest[key], opened[key], orders) for key, orders in closed.items()}


def _of(newest: Order, opened: list[Order], closed: list[Order]) -> _Left:
    units = sum(order.filled_quantity for order in opened)
    paid = sum((order.filled_quantity * (order.average_price or ZERO) for order in opened), ZERO)
    gone = sum(order.filled_quantity for order in closed)
    level = "stop" if any(order.order_type == moves.STOP for order in closed) else ""
    return _Left(newest.contract.symbol, newest.side, min(units, gone), paid / units, level)
