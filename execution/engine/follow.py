"""Moving a stop at the broker to where the leg's stop is now: trigger and limit, a while apart."""

from __future__ import annotations

from datetime import timedelta

from brokers.limits import limits_of
from brokers.types import Ack
from execution import resting
from execution.engine import broker_stops, wire
from execution.engine.desk import Desk, Work
from execution.engine.wires import NoWire, open_wire
from execution.models import Order, Position, StopWatch
from execution.moves import STOP, STOP_REPLACED
from execution.rates import Kind
from execution.states import RESTING

APART = timedelta(seconds=5)  # of market time, between two changes of one stop


def follow(order_id: int, desk: Desk) -> list[Work]:
    """Ask the broker once to move it; one that may not be moved any more is cancelled, and the next
    tick places another when its end is known."""
    order = Order.objects.select_related(*wire.RELATED).get(pk=order_id)
    wanted = _wanted(order, desk)
    if wanted is None or not _may_move(order, desk) or order.trigger_price == wanted.trigger:
        return []
    if order.modifications >= limits_of(order.broker_account.broker).modifications - wire.CHANGES_KEPT:
        return wire.give_up_moving(order, STOP_REPLACED)
    try:
        adapter = open_wire(desk, order.broker_account)
    except NoWire:
        return []
    claimed = wire.claim(order_id, desk, Kind.ENTRY, _may_move)
    if claimed is None:
        return []
    answer = adapter.modify(claimed.broker_order_id, price=wanted.limit, trigger_price=wanted.trigger)
    wire.answered(claimed, desk, kind="follow", answer=str(answer))
    if isinstance(answer, Ack):
        Order.objects.filter(pk=order.pk).update(price=wanted.limit, trigger_price=wanted.trigger)
    return []


def _may_move(order: Order, desk: Desk) -> bool:
    if order.order_type != STOP or order.status not in RESTING or order.pending_op:
        return False
    return order.asked_at is None or desk.wall - order.asked_at >= APART / desk.timeline.speed


def _wanted(order: Order, desk: Desk) -> resting.Prices | None:
    """Where the leg's stop is; None when its trade is over."""
    mine = {"allocation": order.allocation, "timeline": desk.timeline}
    short = Position.objects.select_related("contract").filter(
        **mine, contract=order.contract, quantity__lt=0
    ).first()  # fmt: skip
    watch = StopWatch.objects.filter(**mine, symbol=order.contract.symbol).first()
    return None if short is None else broker_stops.wanted_prices(short, watch)
