"""What left by a stop or target today and may come back: a whole trade, or a leg of one that goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet, Sum

from allocations.models import StrategyBrokerAllocation
from execution.engine.trades import (
    LEFT_BY,
    LEG_LEFT_BY,
    may_come_back,
    may_enter_again,
)
from execution.models import Order, StopWatch, StrategyExecution

Status = StrategyExecution.Status
Runs = dict[int, list[StrategyExecution]]
MayEnter = Callable[[Collection[int]], list[StrategyBrokerAllocation]]


@dataclass(frozen=True, slots=True)
class Again:
    """A pair that left by a stop or target and may enter again, under this cycle of its entries."""

    pair: StrategyBrokerAllocation
    exit: StrategyExecution
    cycle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAgain:
    """A leg that this exit closed by the leg's own stop or target, so many units of this contract."""

    pair: StrategyBrokerAllocation
    exit: StrategyExecution
    leg: int
    side: str
    symbol: str
    units: int
    cycle: int


@dataclass(frozen=True, slots=True)
class _Closed:
    symbol: str
    side: str
    units: int


def exits_of_day(runs: QuerySet[StrategyExecution], day: date) -> list[StrategyExecution]:
    """Exits of the day that a re-entry may follow, oldest first."""
    done = runs.filter(trading_day=day, phase="exit", status=Status.DONE)
    asked = done.exclude(strategy_version__reentry="none")
    return list(asked.select_related("strategy_version").order_by("cycle"))


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
    for (pair, leg), closed in sorted(by_own_level.items(), key=lambda row: (row[1].side == "BUY", row[0])):
        if pair in pairs:
            cycles[pair] += 1
            found.append(_leg(pairs[pair], free[pair, leg], leg, closed, cycles[pair]))
    return found


def _last_adjustment(runs: Iterable[StrategyExecution]) -> int:
    return max((run.cycle for run in runs if run.phase == "adjust"), default=0)


def _leg(
    pair: StrategyBrokerAllocation, left: StrategyExecution, leg: int, closed: _Closed, cycle: int
) -> LegAgain:
    side = "SELL" if closed.side == "BUY" else "BUY"
    return LegAgain(
        pair=pair, exit=left, leg=leg, side=side, symbol=closed.symbol, units=closed.units, cycle=cycle
    )


def _by_own_level(
    free: dict[tuple[int, int], StrategyExecution],
) -> dict[tuple[int, int], _Closed]:
    """What was closed of each of these legs, where its own stop or target did it; two queries."""
    closed = _closed({left.pk for left in free.values()})
    timeline = next(iter(free.values())).timeline_id
    watches = StopWatch.objects.filter(timeline=timeline, allocation__in={pair for pair, _ in free})
    crossed = {
        (pair, symbol): level
        for pair, symbol, level in watches.values_list("allocation_id", "symbol", "crossed")
    }
    return {
        (pair, leg): mine
        for (pair, leg), left in free.items()
        if (mine := closed.get((left.pk, leg))) is not None
        and crossed.get((pair, mine.symbol)) in LEG_LEFT_BY[left.strategy_version.reentry_after]
    }


def _closed(exits: set[int]) -> dict[tuple[int, int], _Closed]:
    """By exit and leg, what its orders closed."""
    rows = Order.objects.filter(
        execution__in=exits, action=Order.Action.CLOSE, filled_quantity__gt=0
    ).order_by()
    sums = rows.values_list("execution_id", "leg_number", "contract__symbol", "side")
    return {
        (run, leg): _Closed(symbol, side, units)
        for run, leg, symbol, side, units in sums.annotate(units=Sum("filled_quantity"))
    }
