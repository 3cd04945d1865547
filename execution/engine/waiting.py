"""Entries that wait for a price: armed at their time, gone when it is reached, missed at the cut-off.

What is waited for stands on the run's row, so a restart goes on waiting from the same reference.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal

from execution.engine import opens
from execution.engine.desk import Desk
from execution.models import REENTRY, StrategyExecution
from market.kernel.clock import IST, at
from strategies.rules import ResolvedLeg, Watch, mid_of, premium_of, restored, value_of, watch_of
from strategies.rules.watching import PREMIUM
from strategies.selectors import conditions


def must_arm(execution: StrategyExecution) -> bool:
    """Whether the entry has to wait for a price and has not begun to. A user's own entry never waits."""
    version = execution.strategy_version
    if execution.armed_at is not None:
        return False
    if execution.cause == REENTRY:
        return version.reentry == "cost"
    return execution.cause == "schedule" and version.wait_for != "nothing"


def begin(execution: StrategyExecution, legs: list[ResolvedLeg], desk: Desk) -> Watch:
    """What the entry waits for from now on; Unresolvable while its price is not known."""
    version = execution.strategy_version
    if execution.only_legs is not None:
        (leg,) = legs
        return Watch(
            of=leg.contract.symbol,
            reference=leg.reference,
            level=Decimal((execution.plan or {})["cost"]),
            until=_moment(execution, version.reentry_until),
        )
    if execution.cause == REENTRY:
        prices = {leg.number: mid_of(desk.frame, leg.contract) for leg in legs}
        return Watch(
            of=PREMIUM,
            reference=premium_of(legs, prices),
            level=Decimal((execution.plan or {})["cost"]),
            until=_moment(execution, version.reentry_until),
        )
    return watch_of(
        conditions(version), legs, frame=desk.frame, base=version.atm_base,  # type: ignore[arg-type]  # a choice of the column
        until=_moment(execution, version.wait_until),
    )  # fmt: skip


def legs_of(execution: StrategyExecution, desk: Desk) -> list[ResolvedLeg]:
    """The contracts that the run was armed with, at the mids of now; Unresolvable without them."""
    return [
        replace(leg, reference=mid_of(desk.frame, leg.contract)) for leg in opens.planned(execution)
    ]


def watch(execution: StrategyExecution) -> Watch:
    assert execution.watch is not None
    return restored(execution.watch)


def is_reached(execution: StrategyExecution, desk: Desk) -> bool:
    """Whether the price is there in this frame; Unresolvable while it is not known."""
    seen = watch(execution)
    base = execution.strategy_version.atm_base
    return seen.reached(value_of(seen, opens.planned(execution), frame=desk.frame, base=base))  # type: ignore[arg-type]  # a choice of the column


def words(seen: Watch) -> str:
    """What is waited for, said the same at every frame."""
    return f"Waits for {seen.words}; until {seen.until.astimezone(IST):%H:%M}."


def _moment(execution: StrategyExecution, clock: time | None) -> datetime:
    assert clock is not None  # a constraint of the version
    return at(execution.trading_day, clock)
