"""Sending: READY -> SENDING is committed before the socket opens, and what has no answer is
UNKNOWN: looked up by its tag, never sent again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from allocations.selectors import effective_states
from brokers.types import Ack, OrderRequest, OrderType, PlaceAnswer, Product, ReadFailed, Side
from execution import moves
from execution.engine import tell
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.refs import client_ref
from execution.engine.wires import NoWire, open_wire
from execution.models import AccountBook, Order, OrderEvent
from execution.reconcile import books
from execution.services import lock_account
from execution.states import AT_BROKER, TERMINAL, OrderState

PER_SECOND, PER_SECOND_FOR_ENTRIES = 9, 7
PER_MINUTE, PER_MINUTE_FOR_ENTRIES = 180, 160
FIRST_LOOKUP = timedelta(seconds=1)
LOGIN_REFUSED = "TOKEN_REFUSED"


def dispatch(order_id: int, desk: Desk) -> list[Work]:
    """Send one READY order and record the answer; [] when another worker has it or it must wait."""
    order = mark_sending(order_id, desk)
    if order is None:
        return []
    if order.status != OrderState.SENDING:
        return [Work(WorkKind.ADVANCE, order.execution_id)]
    answer = open_wire(desk, order.broker_account).place(_request(order))
    return record_answer(order_id, answer, desk)


@transaction.atomic
def mark_sending(order_id: int, desk: Desk) -> Order | None:
    """Commit that this worker sends the order now, or why it may not be sent any more."""
    order = (
        Order.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
        .select_related("broker_account__user", "contract", "allocation__strategy__basket",
                        "allocation__broker_account__user")  # fmt: skip
        .filter(pk=order_id, status=OrderState.READY)
        .first()
    )
    if order is None:
        return None
    lock_account(order.broker_account_id)  # a halt of the account commits before or after, not between
    refusal = _refusal(order, desk)
    if refusal:
        order.status, order.code = refusal
        order.finished_at = desk.now
        order.save(update_fields=["status", "code", "finished_at"])
        tell.order_changed(desk, order)
        return order
    if not _within_rate(order, desk.wall) or must_wait(order):
        return None
    order.status = OrderState.SENDING
    order.sending_at = desk.wall
    order.next_lookup_at = desk.wall + timedelta(seconds=15)
    order.save(update_fields=["status", "sending_at", "next_lookup_at"])
    return order


@transaction.atomic
def record_answer(order_id: int, answer: PlaceAnswer, desk: Desk) -> list[Work]:
    """Write the broker's answer to a sent order; fills that came first are kept."""
    order = (
        Order.objects.select_for_update(of=("self",), no_key=True)
        .select_related("allocation__broker_account__user", "broker_account__user")
        .get(pk=order_id)
    )
    upstream = "" if isinstance(answer, Ack) else answer.upstream
    OrderEvent.objects.bulk_create(
        [OrderEvent(order=order, kind=type(answer).__name__, source="answer",
                    dedupe_key="answer", payload={"upstream": upstream}, at=desk.now)],
        ignore_conflicts=True,
    )  # fmt: skip
    order.upstream = upstream or order.upstream
    if isinstance(answer, Ack):
        order.broker_order_id = answer.broker_order_id
    taken = moves.answered(order.status, order.attempt, answer)
    if taken is not None:
        _take(order, taken, desk)
    order.save()
    tell.order_changed(desk, order)
    return [Work(WorkKind.ADVANCE, order.execution_id)]


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
        status=OrderState.READY,
        client_ref=ref_of(order, desk, attempt=order.attempt + 1),
        arrival_mid=order.arrival_mid,
        created_at=desk.now,
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


def _take(order: Order, taken: moves.Answered, desk: Desk) -> None:
    order.next_lookup_at = None
    order.status, order.code = taken.status, taken.code or order.code
    if taken.status in TERMINAL:
        order.finished_at = desk.now
    if taken.again:
        next_attempt(order, desk)
    elif taken.status == OrderState.REJECTED and taken.code == LOGIN_REFUSED:
        _login_refused(order, desk)
    elif taken.status == OrderState.REJECTED:
        _tell_rejected(order, desk)
    elif taken.status == OrderState.NEVER_SENT:
        _tell_unreachable(order, desk)
    elif taken.status == OrderState.UNKNOWN:
        order.next_lookup_at = desk.wall + FIRST_LOOKUP
        tell_unknown(order, desk)


def _login_refused(order: Order, desk: Desk) -> None:
    """The login has ended: an opening slice goes again when it is renewed and the books were compared.

    A close is ordered anew by its run, after waits that double.
    """
    books.note_failure(order.broker_account, ReadFailed(order.upstream), desk)
    if order.action == Order.Action.OPEN:
        next_attempt(order, desk)


def _refusal(order: Order, desk: Desk) -> moves.Refusal | None:
    """Why the order may not go out now: late, outside the session, or its pair is stopped."""
    opening = order.action == Order.Action.OPEN
    state = effective_states([order.allocation])[order.allocation_id].state if opening else ""
    return moves.refusal(
        order.action,
        in_session=desk.is_open(order.contract.underlying),
        has_login=_has_login(order, desk),
        late=order.expires_at is not None and desk.wall >= order.expires_at,
        trading_state=str(state),
    )


def _has_login(order: Order, desk: Desk) -> bool:
    try:
        open_wire(desk, order.broker_account)
    except NoWire:
        return False
    return True


def must_wait(order: Order) -> bool:
    """Whether an opening order waits for others, or for its account's books. Needs the account's lock."""
    if order.action != Order.Action.OPEN:
        return False
    others = Order.objects.filter(
        broker_account=order.broker_account_id, timeline=order.timeline_id, status__in=AT_BROKER
    )
    unread = AccountBook.objects.filter(
        broker_account=order.broker_account_id, timeline=order.timeline_id, failing_since__isnull=False
    )
    return moves.must_wait(order, others) or unread.exists()


def waits() -> Q:
    """READY orders that must wait for others, as `moves.must_wait` says."""
    unknown = Order.objects.filter(
        allocation=OuterRef("allocation"), timeline=OuterRef("timeline"), status=OrderState.UNKNOWN
    )
    meets = Order.objects.filter(
        broker_account=OuterRef("broker_account"), timeline=OuterRef("timeline"),
        contract=OuterRef("contract"), status__in=AT_BROKER,
    ).exclude(side=OuterRef("side"))  # fmt: skip
    unread = AccountBook.objects.filter(
        broker_account=OuterRef("broker_account"), timeline=OuterRef("timeline"),
        failing_since__isnull=False,
    )  # fmt: skip
    return Q(action=Order.Action.OPEN) & (Exists(unknown) | Exists(meets) | Exists(unread))


def _within_rate(order: Order, wall: datetime) -> bool:
    """With the account locked: a token is left in the second and the minute, exits keep a reserve."""
    sent = Order.objects.filter(broker_account=order.broker_account)
    second = sent.filter(sending_at__gt=wall - timedelta(seconds=1)).count()
    minute = sent.filter(sending_at__gt=wall - timedelta(minutes=1)).count()
    if order.action == Order.Action.CLOSE:
        return second < PER_SECOND and minute < PER_MINUTE
    return second < PER_SECOND_FOR_ENTRIES and minute < PER_MINUTE_FOR_ENTRIES


def _request(order: Order) -> OrderRequest:
    return OrderRequest(
        client_ref=order.client_ref,
        symbol=order.contract.symbol,
        side=Side(order.side),
        quantity=order.quantity,
        product=Product(order.product),
        order_type=OrderType(order.order_type),
        price=order.price,
    )


def _tell_rejected(order: Order, desk: Desk) -> None:
    tell.tell(
        desk,
        order.allocation,
        kind="rejected",
        severity=tell.Severity.WARNING,
        title=f"{order.broker_account.get_broker_display()} rejected an order",
        body=f"{order.side} {order.quantity}: {order.code} ({order.upstream}). Nothing was placed.",
        dedupe_key=f"rejected:{order.execution_id}:{order.leg_number}:{order.code}",
    )


def _tell_unreachable(order: Order, desk: Desk) -> None:
    tell.tell(
        desk,
        order.allocation,
        kind="broker_unreachable",
        severity=tell.Severity.CRITICAL,
        title=f"{order.broker_account.get_broker_display()} cannot be reached",
        body=f"{order.side} {order.quantity}: the connection was refused {order.attempt} times "
        f"({order.upstream}). Nothing was sent. An exit keeps trying; an entry ends by its policy.",
        dedupe_key=f"unreachable:{order.execution_id}:{order.leg_number}:{order.action}",
    )


def tell_unknown(order: Order, desk: Desk) -> None:
    tell.tell(
        desk,
        order.allocation,
        kind="unknown_order",
        severity=tell.Severity.CRITICAL,
        title="An order has no answer from the broker",
        body=f"{order.side} {order.quantity}, tag {order.client_ref}: it may or may not be at "
        f"{order.broker_account.get_broker_display()}. It is being looked up by its tag and is "
        "not sent again. Entries of this pair wait; exits of what is filled stay armed.",
        dedupe_key=f"unknown:{order.client_ref}",
    )

