"""Opening: hedges first, shorts as far as hedges have filled, toward the plan of a run."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from execution.engine import orders as book
from execution.engine import siblings
from execution.engine.desk import Desk
from execution.engine.orders import Ticket
from execution.models import Order, StrategyExecution
from execution.states import OPEN_STATES, OrderState
from market.kernel import contracts
from market.services import ensure_contracts
from strategies.rules import ResolvedLeg, released_lots, waves

RETRIES = 3
REPRICED = "REPRICED"  # cancelled to be ordered anew at the market: its rest was not given up


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
    legs, kept = planned(execution), planned(execution, "kept")
    version = execution.strategy_version
    filled = filled_units(orders)
    kept_units = (execution.plan or {}).get("kept_units", {})
    filled |= {leg.number: kept_units[str(leg.number)] for leg in kept}
    gate = released_lots(
        [*legs, *kept], execution.lots, filled, version.naked_calls, version.naked_puts
    )
    rows = ensure_contracts([leg.contract for leg in legs])
    first, _ = waves([*legs, *kept])
    tickets = []
    for leg in legs:
        goal = execution.lots * leg.ratio if leg in first else gate[leg.number]
        tickets.append(
            Ticket(
                contract=rows[leg.contract.symbol],
                leg_number=leg.number,
                action=Order.Action.OPEN,
                wave=1 if leg in first else 2,
                side=leg.side,
                lots=goal - _ordered_lots(execution, leg, orders),
            )
        )
    return book.write(execution, tickets, orders, desk)


def is_complete(execution: StrategyExecution, orders: list[Order]) -> bool:
    filled = filled_units(orders)
    return all(
        filled.get(leg.number, 0) >= execution.lots * leg.quantity_per_lot
        for leg in planned(execution)
    )


def excess_units(execution: StrategyExecution, orders: list[Order]) -> tuple[int, dict[int, int]]:
    """How many whole lots of the strategy the run holds, and by leg the units held beyond them."""
    held = filled_units(orders)
    for order in orders:
        if order.action == Order.Action.CLOSE:
            held[order.leg_number] = held.get(order.leg_number, 0) - order.filled_quantity
    legs = planned(execution)
    whole = max(0, min(held.get(leg.number, 0) // leg.quantity_per_lot for leg in legs))
    if (execution.plan or {}).get("code") == siblings.CODE:
        whole = 0
    return whole, {leg.number: held.get(leg.number, 0) - whole * leg.quantity_per_lot for leg in legs}


def filled_units(orders: list[Order]) -> dict[int, int]:
    """Units filled by leg number of a run's opening orders."""
    units: dict[int, int] = {}
    for order in orders:
        if order.action == Order.Action.OPEN:
            units[order.leg_number] = units.get(order.leg_number, 0) + order.filled_quantity
    return units


def _ordered_lots(execution: StrategyExecution, leg: ResolvedLeg, orders: list[Order]) -> int:
    """Lots of the leg already ordered. What ended unfilled counts too, unless the policy retries."""
    slices: dict[int, Order] = {}  # by slice, its last attempt: an earlier one was never sent
    for order in sorted(orders, key=lambda order: order.attempt):
        if order.leg_number == leg.number and order.action == Order.Action.OPEN:
            slices[order.slice] = order
    unfilled = [o for o in slices.values() if o.status not in OPEN_STATES | {OrderState.FILLED}]
    refused = [o for o in unfilled if o.code != REPRICED]
    may_retry = execution.strategy_version.completion == "retry" and len(refused) <= RETRIES
    again = [o for o in unfilled if may_retry or o.code == REPRICED]
    given_up = sum(o.quantity - o.filled_quantity for o in again)
    return (sum(o.quantity for o in slices.values()) - given_up) // leg.contract.lot_size
