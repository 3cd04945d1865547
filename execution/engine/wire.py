"""The other calls to a broker: cancel, move a resting order, look up an unanswered one, read books."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction

from brokers.models import BrokerAccount
from brokers.types import Ack, BrokerOrder, ReadFailed
from execution import moves
from execution.engine import tell
from execution.engine.apply import apply_books
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.dispatch import tell_unknown
from execution.engine.marks import ENTRY_CROSS, EXIT_CROSS, limit_price
from execution.engine.wires import NoWire, open_wire
from execution.models import Order, OrderEvent
from execution.states import OrderState
from market.kernel import calendar
from market.kernel.clock import ist_day

MODIFICATIONS = 20  # a broker allows 25
RESTING = (OrderState.ACKED, OrderState.WORKING, OrderState.PARTIAL)


def cancel(order_id: int, desk: Desk) -> list[Work]:
    """Ask the broker to cancel; the order ends when the book says so."""
    order = _order(order_id)
    if order.pending_op != Order.PendingOp.CANCEL or order.status not in RESTING:
        return []
    try:
        answer = str(open_wire(desk, order.broker_account).cancel(order.broker_order_id))
    except NoWire as error:
        answer = str(error)
    _note(order, desk, kind="cancel", key=f"cancel:{desk.wall.isoformat()}", answer=answer)
    return []


def chase(order_id: int, desk: Desk) -> list[Work]:
    """Move a resting order through the touch again when the market has left its price."""
    order = _order(order_id)
    quote = desk.frame.quote(order.contract.symbol)
    if order.status not in RESTING or order.pending_op or order.price is None or quote is None:
        return []
    touch = quote.ask if order.side == "BUY" else quote.bid
    if touch is None or _reaches(order.side, order.price, touch):
        return []
    if order.events.filter(kind="modify").count() >= MODIFICATIONS:
        return _give_up_chasing(order)
    price = limit_price(
        quote,
        side=order.side,
        tick=order.contract.tick_size,
        cross=EXIT_CROSS if order.action == Order.Action.CLOSE else ENTRY_CROSS,
        is_option=order.contract.strike is not None,
        worst=order.worst_price,
    )
    if price == order.price:  # it stands where it may stand at the furthest
        return []
    try:
        wire = open_wire(desk, order.broker_account)
    except NoWire:
        return []
    answer = wire.modify(order.broker_order_id, price=price)
    _note(order, desk, kind="modify", key=f"modify:{desk.frame.n}", answer=str(answer))
    if isinstance(answer, Ack):
        Order.objects.filter(pk=order.pk).update(price=price)
    return []


def lookup(order_id: int, desk: Desk) -> list[Work]:
    """Find an order without an answer by its tag. Absence proves nothing until the day is over."""
    order = _order(order_id)
    if order.status not in moves.NO_ANSWER:
        return []
    try:
        found = open_wire(desk, order.broker_account).find(order.client_ref)
    except ReadFailed as error:
        _not_found(order_id, desk, words=str(error), absent=False)
        return []
    if found is None:
        _not_found(order_id, desk, words="not in the order book", absent=True)
        return []
    return _adopt(order, found, desk)


def sync(account_id: int, desk: Desk) -> list[Work]:
    """Read an account's books and apply them; a book that cannot be read says nothing."""
    account = BrokerAccount.objects.select_related("user").get(pk=account_id)
    try:
        adapter = open_wire(desk, account)
        trades, orders = adapter.trades(), adapter.orders()
    except ReadFailed:
        return []
    moved = apply_books(account, orders, trades, desk, source="poll")
    return [Work(WorkKind.ADVANCE, execution) for execution in sorted(moved)]


def _adopt(order: Order, found: BrokerOrder, desk: Desk) -> list[Work]:
    try:
        trades = open_wire(desk, order.broker_account).trades()
    except ReadFailed:
        trades = []
    mine = [trade for trade in trades if trade.broker_order_id == found.broker_order_id]
    moved = apply_books(order.broker_account, [found], mine, desk, source="poll")
    return [Work(WorkKind.ADVANCE, execution) for execution in sorted(moved)]


@transaction.atomic
def _not_found(order_id: int, desk: Desk, *, words: str, absent: bool) -> None:
    order = (
        Order.objects.select_for_update(of=("self",), no_key=True)
        .select_related("contract", "broker_account__user", "allocation__broker_account__user")
        .get(pk=order_id)
    )
    if order.status not in moves.NO_ANSWER:
        return
    order.next_lookup_at = desk.wall + moves.lookup_wait(order.lookups)
    order.lookups += 1
    day_is_over = _its_day_is_over(order, desk)
    order.status = moves.after_absence(order.lookups, absent=absent, day_is_over=day_is_over)
    if order.status == OrderState.NEVER_SENT:
        order.finished_at, order.next_lookup_at = desk.now, None
    order.save()
    _note(order, desk, kind="lookup", key=f"lookup:{order.lookups}", answer=words)
    tell.order_changed(desk, order)
    if order.status == OrderState.UNKNOWN:
        tell_unknown(order, desk)


def _its_day_is_over(order: Order, desk: Desk) -> bool:
    """Whether the session in which the order was written has closed, today or on an earlier day."""
    session = calendar.session(order.contract.exchange, ist_day(order.created_at))
    return session is None or desk.now >= session.close


def _give_up_chasing(order: Order) -> list[Work]:
    """A close that may not be moved any more is cancelled; its run orders the rest anew."""
    if order.action != Order.Action.CLOSE:
        return []  # an entry has its own time-out
    asked = Order.objects.filter(pk=order.pk, status__in=RESTING, pending_op="")
    asked.update(pending_op=Order.PendingOp.CANCEL)
    return [Work(WorkKind.CANCEL, order.pk)]


def _order(order_id: int) -> Order:
    return Order.objects.select_related(
        "contract", "broker_account__user", "allocation__broker_account__user"
    ).get(pk=order_id)


def _note(order: Order, desk: Desk, *, kind: str, key: str, answer: str) -> None:
    event = OrderEvent(
        order=order, kind=kind, source="engine", dedupe_key=key, payload={"answer": answer}, at=desk.now
    )
    OrderEvent.objects.bulk_create([event], ignore_conflicts=True)


def _reaches(side: str, price: Decimal, touch: Decimal) -> bool:
    return price >= touch if side == "BUY" else price <= touch
