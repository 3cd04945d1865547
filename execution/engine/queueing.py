"""Which READY orders wait: for an unanswered one of their pair, one the other way or what reduces risk
in their account, or until its books can be read again.
"""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q

from execution import moves
from execution.models import AccountBook, Order
from execution.states import AT_BROKER, RESTING, OrderState
from users.prepared import Param, Prepared

OPEN, CLOSE = Order.Action.OPEN, Order.Action.CLOSE
#: An account's orders at the broker, and its exits that are to be sent.
GOING = Prepared(
    lambda: Order.objects.filter(
        Q(status__in=AT_BROKER) | Q(status=OrderState.READY, action=CLOSE),
        broker_account=Param("account"), timeline=Param("timeline"),
    )
)  # fmt: skip


def unhindered(orders: list[Order], *, is_unread: bool) -> list[Order]:
    """Those of one account's orders, its exits first, that need not wait. Needs the account's lock."""
    if not any(order.action == OPEN for order in orders):
        return orders
    going = {order.pk for order in orders}
    there = GOING.rows(account=orders[0].broker_account_id, timeline=orders[0].timeline_id)
    others = [other for other in there if other.pk not in going]
    closed = is_unread or any(_is_unasked_cancel(other) for other in others)
    free: list[Order] = []
    for order in orders:
        opens = order.action == OPEN
        hindered = opens and (closed or any(_meets(order, other) for other in free))
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
    meets = at_broker.exclude(side=OuterRef("side")).exclude(order_type=moves.STOP)
    exits = account.filter(action=CLOSE, status=OrderState.READY)
    cancels = account.filter(unasked_cancels())
    hindered = Q(Exists(unknown)) | Q(Exists(meets)) | Q(Exists(exits)) | Q(is_unread())
    return Q(action=OPEN) & (hindered | Q(Exists(cancels)))


def is_unread() -> Exists:
    """Whether the books of the order's account cannot be read."""
    failing = AccountBook.objects.filter(
        broker_account=OuterRef("broker_account"), timeline=OuterRef("timeline"),
        failing_since__isnull=False,
    )  # fmt: skip
    return Exists(failing)


def unasked_cancels() -> Q:
    """Orders to be cancelled whose broker has not been asked yet."""
    return Q(pending_op=Order.PendingOp.CANCEL, asked_at=None, status__in=RESTING)


def _is_unasked_cancel(order: Order) -> bool:
    return order.pending_op == Order.PendingOp.CANCEL and order.asked_at is None and order.status in RESTING


def _meets(order: Order, other: Order) -> bool:
    in_market = other.order_type != moves.STOP
    return in_market and order.contract_id == other.contract_id and order.side != other.side
