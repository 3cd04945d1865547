"""Which READY orders wait for others of their account: an unanswered one, one the other way, and what
reduces risk, which goes first.
"""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q

from execution import moves
from execution.models import Order
from execution.states import AT_BROKER, RESTING, OrderState

OPEN, CLOSE = Order.Action.OPEN, Order.Action.CLOSE


def unhindered(orders: list[Order]) -> list[Order]:
    """Those of one account's orders, its exits first, that need not wait. Needs the account's lock."""
    if not any(order.action == OPEN for order in orders):
        return orders
    going = {order.pk for order in orders}
    account = Order.objects.filter(
        broker_account=orders[0].broker_account_id, timeline=orders[0].timeline_id
    )
    exits = Q(status=OrderState.READY, action=CLOSE)
    others = [o for o in account.filter(Q(status__in=AT_BROKER) | exits) if o.pk not in going]
    cancels = any(_is_unasked_cancel(other) for other in others)
    free: list[Order] = []
    for order in orders:
        opens = order.action == OPEN
        hindered = opens and (cancels or any(_meets(order, other) for other in free))
        if not hindered and not moves.must_wait(order, others):
            free.append(order)
    return free


def waits() -> Q:
    """READY orders that must wait, as `unhindered` says."""
    account = Order.objects.filter(
        broker_account=OuterRef("broker_account"), timeline=OuterRef("timeline")
    )
    unknown = Order.objects.filter(
        allocation=OuterRef("allocation"), timeline=OuterRef("timeline"), status=OrderState.UNKNOWN
    )
    at_broker = account.filter(contract=OuterRef("contract"), status__in=AT_BROKER)
    meets = at_broker.exclude(side=OuterRef("side"))
    exits = account.filter(action=CLOSE, status=OrderState.READY)
    return Q(action=OPEN) & (
        Exists(unknown) | Exists(meets) | Exists(exits) | Exists(account.filter(unasked_cancels()))
    )


def unasked_cancels() -> Q:
    """Orders to be cancelled whose broker has not been asked yet."""
    return Q(pending_op=Order.PendingOp.CANCEL, asked_at=None, status__in=RESTING)


def _is_unasked_cancel(order: Order) -> bool:
    return order.pending_op == Order.PendingOp.CANCEL and order.asked_at is None and order.status in RESTING


def _meets(order: Order, other: Order) -> bool:
    return order.contract_id == other.contract_id and order.side != other.side
