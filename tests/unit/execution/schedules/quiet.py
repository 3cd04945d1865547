"""I17: once all that was under way has arrived, a stop at the broker covers exactly what is open and
naked, where the leg's stop is; and none is left for what is flat, hedged or leaving.
"""

from __future__ import annotations

from brokers.types import BrokerStatus
from execution import resting
from execution.moves import NO_ANSWER, STOP
from market.kernel.contracts import Contract
from tests.unit.execution.schedules.broker import Broker, Violation
from tests.unit.execution.schedules.desk import Desk
from tests.unit.execution.schedules.rows import Order, Position
from tests.unit.execution.schedules.stops import APART


def check_stops(desk: Desk) -> None:
    """Both ledgers, when nothing is under way in an open session."""
    stops = [order for order in desk.rows.open_orders() if order.order_type == STOP]
    for contract, units in desk.broker.net.items():
        left = _resting(contract, desk.broker)
        if not units and left:
            raise Violation(f"I17 {left} units of stops at the broker, {contract.symbol} is flat")
    busy = desk.busy()
    if busy is None:
        return
    held = desk.rows.held()
    naked = [p for p in held if resting.is_naked(p, held) and p.leg.number not in busy]
    guarded = {short.contract: short for short in naked}
    for stop in stops:
        if stop.contract not in guarded and stop.leg_number not in busy and stop.status not in NO_ANSWER:
            raise Violation(f"I17 a stop rests for {stop.contract.symbol}, which is flat or hedged")
    for short in guarded.values():
        _check_covered(short, [stop for stop in stops if stop.contract == short.contract], desk)


def _check_covered(short: Position, stops: list[Order], desk: Desk) -> None:
    """Where the market lets one be placed or moved, and the broker has not refused it."""
    covered = sum(stop.quantity - stop.filled_quantity for stop in stops)
    if covered > -short.quantity:
        raise Violation(f"I17 stops for {covered} of {-short.quantity} {short.contract.symbol}")
    if not desk.may_place(short.contract):
        return
    if covered < -short.quantity and not desk.is_refused(short.contract):
        raise Violation(f"I17 stops for {covered} of {-short.quantity} {short.contract.symbol}")
    wanted = desk.wanted(short.contract).trigger
    for stop in stops:
        placed = desk.broker.by_ref.get(stop.client_ref)
        answered = placed is not None and stop.status not in NO_ANSWER
        asked = stop.asked_at is not None and desk.now - stop.asked_at < APART
        if answered and not asked and placed.status is BrokerStatus.TRIGGER_PENDING and placed.trigger != wanted:
            raise Violation(f"I17 a stop at {placed.trigger}, the leg's is at {wanted}")


def _resting(contract: Contract, broker: Broker) -> int:
    mine = [o for o in broker.placed if o.request.contract == contract and o.request.trigger is not None]
    return sum(order.rest for order in mine)
