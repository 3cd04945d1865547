"""Opening: hedges first, shorts as far as hedges have filled, toward the plan of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from execution import gates
from execution.engine import orders as book
from execution.engine import siblings
from execution.engine.desk import Desk
from execution.engine.orders import Ticket
from execution.models import Order, StrategyExecution
from market.kernel import contracts
from market.models import Contract
from market.services import ensure_contracts
from strategies.rules import ResolvedLeg
from users.prepared import insert


def as_plan(legs: list[ResolvedLeg]) -> list[dict[str, Any]]:
    """The resolved legs as they are stored with the run."""
    return [
        {
            "leg": leg.number,
            "side": leg.side,
            "ratio": leg.ratio,
            "symbol": leg.contract.symbol,
            "reference": str(leg.reference),
        }
        for leg in legs
    ]


def planned(execution: StrategyExecution, part: str = "legs") -> list[ResolvedLeg]:
    """The run's resolved legs, read back; part "kept" are those that a roll leaves as they are."""
    return [
        ResolvedLeg(
            number=row["leg"],
            side=row["side"],
            ratio=row["ratio"],
            contract=contracts.parse(row["symbol"]),
            reference=Decimal(row["reference"]),
        )
        for row in (execution.plan or {}).get(part, [])
    ]


def release(execution: StrategyExecution, orders: list[Order], desk: Desk) -> list[Order]:
    """Write the opening orders that may go now: all of wave 1, wave 2 in proportion to its fills."""
    return insert(made(execution, orders, contracts_of([execution]), desk))


def contracts_of(executions: Iterable[StrategyExecution]) -> dict[str, Contract]:
    """The rows of all contracts that the runs may open, by symbol."""
    return ensure_contracts(leg.contract for execution in executions for leg in planned(execution))


def made(
    execution: StrategyExecution, orders: list[Order], rows: Mapping[str, Contract], desk: Desk
) -> list[Order]:
    """As `release`, for who writes the orders of several runs together."""
    legs, kept = planned(execution), planned(execution, "kept")
    version = execution.strategy_version
    kept_units = (execution.plan or {}).get("kept_units", {})
    goals = gates.openings(
        legs,
        execution.lots,
        orders,
        kept={leg: kept_units[str(leg.number)] for leg in kept},
        naked=(version.naked_calls, version.naked_puts),
        completion=version.completion,
    )
    tickets = [
        Ticket(
            contract=rows[goal.leg.contract.symbol],
            leg_number=goal.leg.number,
            action=Order.Action.OPEN,
            wave=goal.wave,
            side=goal.leg.side,
            lots=goal.lots,
        )
        for goal in goals
    ]
    return book.made(execution, tickets, orders, desk)


def is_complete(execution: StrategyExecution, orders: list[Order]) -> bool:
    return gates.is_complete(planned(execution), execution.lots, orders)


def excess_units(execution: StrategyExecution, orders: list[Order]) -> tuple[int, dict[int, int]]:
    """How many whole lots of the strategy the run holds, and by leg the units held beyond them."""
    whole, excess = gates.excess_units(planned(execution), orders)
    if (execution.plan or {}).get("code") != siblings.CODE:
        return whole, excess
    lots = {leg.number: whole * leg.quantity_per_lot for leg in planned(execution)}
    return 0, {number: units + lots[number] for number, units in excess.items()}
