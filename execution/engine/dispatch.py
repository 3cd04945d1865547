"""Sending: READY -> SENDING is committed before the socket opens, and what has no answer is
UNKNOWN: looked up by its tag, never sent again.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from allocations.models import TradingState
from allocations.selectors import effective_states
from brokers.types import (
    Ack,
    NeverSent,
    OrderRequest,
    OrderType,
    PlaceAnswer,
    Product,
    Rejected,
    Side,
)
from execution.engine import calls, tell
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.refs import client_ref
from execution.engine.wires import NoWire, open_wire
from execution.models import Order, OrderEvent
from execution.services import lock_account
from execution.states import AT_BROKER, RESTING, OrderState

FIRST_LOOKUP = timedelta(seconds=1)
ATTEMPTS = 3  # of a slice whose connection was refused; after them its run decides anew


def dispatch(order_id: int, desk: Desk) -> list[Work]:
    """Send one READY order and record the answer; [] when another worker has it or it must wait."""
    order = mark_sending(order_id, desk)
    if order is None:
        return []
    if order.status != OrderState.SENDING:
        return [Work(WorkKind.ADVANCE, order.execution_id)]
    answer = open_wire(desk, order.broker_account).place(_request(order))
    return record_answer(order_id, answer, desk.later())


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
    kind = calls.kind_of(order)
    if must_wait(order) or not calls.take(order.broker_account, kind, order.client_ref, desk.wall):
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
    if order.status in (OrderState.SENDING, OrderState.UNKNOWN):  # a look-up may have come first
        _take(order, answer, desk)
    order.save()
    calls.land(order.broker_account_id, order.client_ref, desk.wall)
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


def _take(order: Order, answer: PlaceAnswer, desk: Desk) -> None:
    order.next_lookup_at = None
    if isinstance(answer, Ack):
        order.status = OrderState.ACKED
    elif isinstance(answer, Rejected):
        order.status, order.code, order.finished_at = OrderState.REJECTED, answer.code, desk.now
        _tell_rejected(order, desk)
    elif isinstance(answer, NeverSent):
        order.status, order.finished_at = OrderState.NEVER_SENT, desk.now
        if order.attempt < ATTEMPTS:
            next_attempt(order, desk)
        else:
            order.code = "BROKER_UNREACHABLE"
            _tell_unreachable(order, desk)
    else:
        order.status = OrderState.UNKNOWN
        order.next_lookup_at = desk.wall + FIRST_LOOKUP
        tell_unknown(order, desk)


def _refusal(order: Order, desk: Desk) -> tuple[OrderState, str] | None:
    """Why the order may not go out now: late, outside the session, or its pair is stopped."""
    if not desk.is_open(order.contract.underlying):
        return OrderState.EXPIRED, "OUTSIDE_SESSION"
    try:
        open_wire(desk, order.broker_account)
    except NoWire:
        return OrderState.DENIED, "NO_LOGIN"
    if order.action == Order.Action.CLOSE:
        return None
    if order.expires_at is not None and desk.wall >= order.expires_at:
        return OrderState.EXPIRED, "TOO_LATE"
    state = effective_states([order.allocation])[order.allocation_id].state
    if state != TradingState.State.ACTIVE:
        return OrderState.DENIED, str(state).upper()
    return None


def must_wait(order: Order) -> bool:
    """Whether an opening order waits; a closing one never does. Needs the account's lock.

    While an order of the pair has no answer its wave stands still; while the account has an order
    the other way in the same contract at the broker it would trade with itself; and what reduces
    risk, a cancel or a closing order of the account, goes first.
    """
    return Order.objects.filter(pk=order.pk).filter(waits()).exists()


def waits() -> Q:
    """READY orders that must wait for others, as `must_wait` says."""
    account = Order.objects.filter(
        broker_account=OuterRef("broker_account"), timeline=OuterRef("timeline")
    )
    unknown = Order.objects.filter(
        allocation=OuterRef("allocation"), timeline=OuterRef("timeline"), status=OrderState.UNKNOWN
    )
    at_broker = account.filter(contract=OuterRef("contract"), status__in=AT_BROKER)
    meets = at_broker.exclude(side=OuterRef("side"))
    exits = account.filter(action=Order.Action.CLOSE, status=OrderState.READY)
    return Q(action=Order.Action.OPEN) & (
        Exists(unknown) | Exists(meets) | Exists(exits) | Exists(account.filter(unasked_cancels()))
    )


def unasked_cancels() -> Q:
    """Orders to be cancelled whose broker has not been asked yet."""
    return Q(pending_op=Order.PendingOp.CANCEL, asked_at=None, status__in=RESTING)


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

