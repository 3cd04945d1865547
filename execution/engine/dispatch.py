"""Sending: READY -> SENDING is committed before the socket opens, and what has no answer is
UNKNOWN: looked up by its tag, never sent again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

import pgbulk
from django.db import transaction

from allocations.selectors import effective_states
from brokers.types import (
    Ack,
    NeverSent,
    OrderRequest,
    OrderType,
    Product,
    ReadFailed,
    Rejected,
    Side,
    Unknown,
)
from execution import moves
from execution.engine import calls, queueing, tell
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.refs import client_ref
from execution.engine.wires import NoWire, open_wire
from execution.models import Order, OrderEvent
from execution.reconcile import books
from execution.services import lock_account
from execution.states import TERMINAL, OrderState

FIRST_LOOKUP = timedelta(seconds=1)
LOST_AFTER = timedelta(seconds=15)  # without an answer: whoever sent it has died
MOST_TOGETHER = 4  # entries: a wave of a pair or two
LONGEST_TURN = timedelta(seconds=1)  # from the commit of several orders to the last one's leaving
NOT_TRIED = moves.NotTried("An order before it had no answer, or took the broker too long.")
NotTaken = Rejected | NeverSent | Unknown | moves.NotTried
Answer = Ack | NotTaken
LOGIN_REFUSED = "TOKEN_REFUSED"


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
    rows = list(
        Order.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
        .select_related("broker_account", "contract", "allocation__strategy")
        .filter(pk__in=order_ids, status=OrderState.READY)
        .annotate(is_unread=queueing.is_unread())
        .order_by("action", "pk")[:MOST_TOGETHER]
    )
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


def record(answers: list[tuple[Order, Answer]], desk: Desk) -> list[Work]:
    """Write the answers; an order that the broker took waits for its fills, nothing follows from it."""
    works = _acknowledge([(order, answer) for order, answer in answers if isinstance(answer, Ack)], desk)
    rest = [(order, answer) for order, answer in answers if not isinstance(answer, Ack)]
    return works + [work for order, answer in rest for work in record_answer(order.pk, answer, desk)]


@transaction.atomic
def _acknowledge(answers: list[tuple[Order, Ack]], desk: Desk) -> list[Work]:
    """The usual answers, a statement for all; where a fill or report came first it says more, and stays."""
    if not answers:
        return []
    orders = [order for order, _ in answers]
    rows = Order.objects.select_for_update(no_key=True).filter(pk__in=[order.pk for order in orders])
    now = dict(rows.order_by("pk").values_list("pk", "status"))
    taken = []
    for order, answer in answers:
        state = moves.answered(now[order.pk], order.attempt, answer)
        if state is not None:
            order.status, order.broker_order_id, order.next_lookup_at = state.status, answer.broker_order_id, None
            tell.order_changed(desk, order)
            taken.append(order)
    pgbulk.update(Order, taken, ["status", "broker_order_id", "next_lookup_at"])
    _note_answers(answers, desk)
    calls.land_all(orders, desk.wall)
    # one that had been given up as unanswered held its run back
    return [Work(WorkKind.ADVANCE, o.execution_id) for o in taken if now[o.pk] == OrderState.UNKNOWN]


def _note_answers(answers: Sequence[tuple[Order, Answer]], desk: Desk) -> None:
    OrderEvent.objects.bulk_create(
        [OrderEvent(order=order, kind=type(answer).__name__, source="answer", dedupe_key="answer",
                    payload={"upstream": "" if isinstance(answer, Ack) else answer.upstream}, at=desk.now)
         for order, answer in answers],
        ignore_conflicts=True,
    )  # fmt: skip


@transaction.atomic
def record_answer(order_id: int, answer: NotTaken, desk: Desk) -> list[Work]:
    """Write why the broker has not taken a sent order; fills that came first are kept."""
    order = (
        Order.objects.select_for_update(of=("self",), no_key=True)
        .select_related("allocation__broker_account__user", "broker_account__user")
        .get(pk=order_id)
    )
    _note_answers([(order, answer)], desk)
    order.upstream = answer.upstream or order.upstream
    tries = _tries(order) if isinstance(answer, NeverSent) else order.attempt
    taken = moves.answered(order.status, tries, answer)
    if taken is not None:
        _take(order, taken, tries, desk)
    order.save()
    calls.land(order.broker_account_id, order.client_ref, desk.wall)
    tell.order_changed(desk, order)
    return [Work(WorkKind.ADVANCE, order.execution_id)]


def _tries(order: Order) -> int:
    """How often this slice has reached for the broker, this time included."""
    idle = Order.objects.filter(
        execution=order.execution_id, leg_number=order.leg_number, action=order.action,
        slice=order.slice, code=moves.NOT_TRIED,
    )  # fmt: skip
    return order.attempt - idle.count()


def next_attempt(order: Order, desk: Desk) -> Order:
    """The same slice again, as a new order with a tag of its own; only when nothing was sent."""
    return Order.objects.create(
        execution_id=order.execution_id,
        allocation=order.allocation,
        broker_account=order.broker_account,
        timeline=desk.timeline,
        contract_id=order.contract_id,
        leg_number=order.leg_number,
        action=order.action,
        slice=order.slice,
        attempt=order.attempt + 1,
        wave=order.wave,
        side=order.side,
        product=order.product,
        quantity=order.quantity,
        order_type=order.order_type,
        price=order.price,
        trigger_price=order.trigger_price,
        worst_price=order.worst_price,
        status=OrderState.READY,
        client_ref=ref_of(order, desk, attempt=order.attempt + 1),
        arrival_mid=order.arrival_mid,
        created_at=desk.now,
        written_at=desk.wall,
        expires_at=order.expires_at,
    )


def ref_of(order: Order, desk: Desk, *, attempt: int) -> str:
    """The order's tag, from what it is: its pair, run, leg, action, slice and attempt."""
    run = order.execution
    return client_ref(
        desk.tag_key,
        desk.timeline.nonce,
        order.allocation.public_id,
        run.trading_day,
        run.phase,
        run.cycle,
        order.leg_number,
        order.action,
        order.slice,
        attempt,
    )


def _take(order: Order, taken: moves.Answered, tries: int, desk: Desk) -> None:
    order.next_lookup_at = None
    order.status, order.code = taken.status, taken.code or order.code
    if taken.status in TERMINAL:
        order.finished_at = desk.now
    if taken.again:
        next_attempt(order, desk)
    elif taken.status == OrderState.REJECTED and taken.code == LOGIN_REFUSED:
        _login_refused(order, desk)
    elif taken.status == OrderState.REJECTED and order.order_type == moves.STOP:
        tell.stop_lost(desk, order)
    elif taken.status == OrderState.REJECTED:
        tell.order_rejected(desk, order)
    elif taken.status == OrderState.NEVER_SENT:
        tell.broker_unreachable(desk, order, tries)
    elif taken.status == OrderState.UNKNOWN:
        order.next_lookup_at = desk.wall + FIRST_LOOKUP
        tell.order_unknown(desk, order)


def _login_refused(order: Order, desk: Desk) -> None:
    """The login has ended: an opening slice goes again when it is renewed and the books were compared.

    A close is ordered anew by its run, after waits that double.
    """
    books.note_failure(order.broker_account, ReadFailed(order.upstream), desk)
    if order.action == Order.Action.OPEN:
        next_attempt(order, desk)


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
