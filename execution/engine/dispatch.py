"""Sending: READY -> SENDING is committed before the socket opens, and what has no answer is
UNKNOWN: looked up by its tag, never sent again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db import transaction

from allocations.selectors import effective_states
from brokers.types import OrderRequest, OrderType, Product, Side, Unknown
from execution import moves
from execution.engine import calls, queueing, tell
from execution.engine.answers import Answer, record
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.wires import NoWire, open_wire
from execution.models import Order
from execution.services import lock_account
from execution.states import OrderState
from users.prepared import Param, Prepared

LOST_AFTER = timedelta(seconds=15)  # without an answer: whoever sent it has died
MOST_TOGETHER = 4  # entries: a wave of a pair or two
LONGEST_TURN = timedelta(seconds=1)  # from the commit of several orders to the last one's leaving
READY = Prepared(
    lambda: Order.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
    .select_related("broker_account", "contract", "allocation__strategy")
    .filter(pk__among=Param("ids"), status=OrderState.READY)
    .annotate(is_unread=queueing.is_unread())
    .order_by("action", "pk")[:MOST_TOGETHER]
)
NOT_TRIED = moves.NotTried("An order before it had no answer, or took the broker too long.")


def dispatch(order_id: int, desk: Desk) -> list[Work]:
    """Send one READY order and record the answer; [] when another worker has it or it must wait."""
    return dispatch_all([order_id], desk)


def dispatch_all(order_ids: Collection[int], desk: Desk) -> list[Work]:
    """Send READY orders of one account, exits first; what must wait waits.

    A worker that dies leaves what it had committed without an answer, so exits are committed one by
    one, and entries few at a time.
    """
    left, works = set(order_ids), list[Work]()
    while left:
        looked_at, following = _send_together(left, desk.later())
        works += following
        left = left - looked_at if looked_at else set()
    return works


def _send_together(order_ids: Collection[int], desk: Desk) -> tuple[set[int], list[Work]]:
    """Committed as SENDING together, sent one after the other. When one has no answer, or the broker
    takes too long, the rest is not sent: its wave stands still, and nothing leaves long afterwards.
    """
    looked_at, sending, works = mark_sending(order_ids, desk)
    answers: list[tuple[Order, Answer]] = []
    try:
        for order in sending:
            lost = bool(answers) and isinstance(answers[-1][1], Unknown | moves.NotTried)
            if lost or desk.later().wall - desk.wall > LONGEST_TURN:
                answers.append((order, NOT_TRIED))
            else:
                answers.append((order, open_wire(desk, order.broker_account).place(_request(order))))
    except Exception:
        record(answers, desk.later())
        raise
    return looked_at, works + record(answers, desk.later())


@transaction.atomic
def mark_sending(order_ids: Collection[int], desk: Desk) -> tuple[set[int], list[Order], list[Work]]:
    """Commit which of the first of these orders this worker sends now, and why others may not be sent any
    more: an exit alone, entries a few at a time. The ids looked at, the orders to send, what follows."""
    rows = READY.rows(ids=list(order_ids))
    if not rows:
        return set(), [], []
    if rows[0].action == Order.Action.CLOSE:
        del rows[1:]
    account = rows[0].broker_account
    for order in rows:
        order.allocation.broker_account = order.broker_account = account
    lock_account(account.pk)  # a halt of the account commits before or after, not between
    works: list[Work] = []
    able: list[Order] = []
    for order, refusal in zip(rows, _refusals(rows, desk), strict=True):
        if refusal is None:
            able.append(order)
        else:
            _refuse(order, refusal, desk)
            works.append(Work(WorkKind.ADVANCE, order.execution_id))
    free = queueing.unhindered(able, is_unread=rows[0].is_unread)
    wanted = [(order.client_ref, calls.kind_of(order)) for order in free]
    allowed = calls.take_some(account, wanted, desk.later().wall)
    sending = _mark([order for order in able if order.client_ref in allowed], desk)
    return {order.pk for order in rows}, sending, works


def _mark(orders: list[Order], desk: Desk) -> list[Order]:
    now = desk.later().wall
    values = {
        "status": OrderState.SENDING, "sending_at": now, "next_lookup_at": now + LOST_AFTER,
    }  # fmt: skip
    if orders:
        Order.objects.filter(pk__in=[order.pk for order in orders]).update(**values)
    for order in orders:
        for name, value in values.items():
            setattr(order, name, value)
    return orders


def _refuse(order: Order, refusal: moves.Refusal, desk: Desk) -> None:
    order.status, order.code = refusal
    order.finished_at = desk.now
    order.save(update_fields=["status", "code", "finished_at"])
    tell.order_changed(desk, order)


def _refusals(orders: Sequence[Order], desk: Desk) -> list[moves.Refusal | None]:
    """Why each may not go out now: late, outside the session, or its pair is stopped."""
    states = effective_states({o.allocation for o in orders if o.action == Order.Action.OPEN})
    has_login = _has_login(orders[0], desk)
    return [
        moves.refusal(
            order.action,
            in_session=desk.is_open(order.contract.underlying),
            has_login=has_login,
            late=order.expires_at is not None and desk.wall >= order.expires_at,
            trading_state=str(states[order.allocation_id].state) if order.allocation_id in states else "",
        )
        for order in orders
    ]


def _has_login(order: Order, desk: Desk) -> bool:
    try:
        open_wire(desk, order.broker_account)
    except NoWire:
        return False
    return True


def _request(order: Order) -> OrderRequest:
    return OrderRequest(
        client_ref=order.client_ref,
        symbol=order.contract.symbol,
        side=Side(order.side),
        quantity=order.quantity,
        product=Product(order.product),
        order_type=OrderType(order.order_type),
        price=order.price,
        trigger_price=order.trigger_price,
    )
