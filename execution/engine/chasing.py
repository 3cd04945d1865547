"""Whether the market has left a resting order: asked of every order each tick, and again before it is moved."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from execution.engine.desk import Desk
from execution.models import Order
from execution.moves import STOP
from execution.states import RESTING


class OpenOrder(NamedTuple):
    """What the next step of an open order is chosen by; `patience` in seconds of market time."""

    pk: int
    status: str
    pending_op: str
    action: str
    order_type: str
    allocation_id: int
    next_lookup_at: datetime | None
    asked_at: datetime | None
    sending_at: datetime | None
    side: str
    price: Decimal | None
    symbol: str
    patience: int


#: Its columns.
COLUMNS = (*OpenOrder._fields[:-2], "contract__symbol", "execution__strategy_version__chase_after_seconds")


def open_order(order: Order) -> OpenOrder:
    """Of a row with its contract and the version of its run."""
    own = [getattr(order, name) for name in OpenOrder._fields[:-2]]
    patience = order.execution.strategy_version.chase_after_seconds
    return OpenOrder._make([*own, order.contract.symbol, patience])


def is_left(order: OpenOrder, desk: Desk) -> bool:
    """Whether the market has left the resting order, and it has rested as long as its strategy says."""
    quote = desk.frame.quote(order.symbol)
    if order.status not in RESTING or order.pending_op or order.price is None or quote is None:
        return False
    if order.order_type == STOP:
        return False
    touch = quote.ask if order.side == "BUY" else quote.bid
    left = touch is not None and not _reaches(order.side, order.price, touch)
    return left and _has_rested(order, desk)


def _has_rested(order: OpenOrder, desk: Desk) -> bool:
    """In market time, since it was sent or last moved."""
    since = order.asked_at or order.sending_at
    return since is None or desk.wall - since >= timedelta(seconds=order.patience) / desk.timeline.speed


def _reaches(side: str, price: Decimal, touch: Decimal) -> bool:
    return price >= touch if side == "BUY" else price <= touch
