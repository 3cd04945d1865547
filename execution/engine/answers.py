"""What a broker answered to orders that were sent: written together where it took them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pgbulk
from django.db import transaction

from brokers.types import Ack, NeverSent, ReadFailed, Rejected, Unknown
from execution import moves
from execution.engine import calls, tell
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.refs import ref_of
from execution.models import Order, OrderEvent
from execution.reconcile import books
from execution.states import TERMINAL, OrderState
from users.prepared import Param, Prepared, insert

FIRST_LOOKUP = timedelta(seconds=1)
STATUS = Prepared(
    lambda: Order.objects.select_for_update(no_key=True)
    .filter(pk__among=Param("ids"))
    .order_by("pk")
    .values_list("pk", "status")
)
LOGIN_REFUSED = "TOKEN_REFUSED"
NotTaken = Rejected | NeverSent | Unknown | moves.NotTried
Answer = Ack | NotTaken


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
    now = dict(STATUS.rows(ids=[order.pk for order in orders]))
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
    insert(
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
