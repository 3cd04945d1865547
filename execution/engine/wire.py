"""The other calls to a broker: cancel, move a resting order, look up an unanswered one, read books."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from django.db import transaction

from brokers.limits import limits_of
from brokers.selectors import account_with_user
from brokers.types import Ack, BrokerOrder, ReadFailed
from execution import gates, moves
from execution.engine import calls, chasing, tell
from execution.engine.apply import apply_books
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.marks import ENTRY_CROSS, EXIT_CROSS, limit_price
from execution.engine.wires import NoWire, open_wire
from execution.models import Order, OrderEvent
from execution.rates import Kind
from execution.services import lock_account
from execution.states import RESTING, OrderState
from market.kernel.clock import ist_day
from users.prepared import Param, Prepared

CHANGES_KEPT = 5  # of the price changes that a broker allows, for a person at its own screen
ASK_AGAIN = timedelta(seconds=5)  # for a cancel that the book does not show yet
RELATED = (
    "contract", "broker_account__user", "allocation__broker_account__user",
    "execution__strategy_version",
)  # fmt: skip
ONE = Prepared(lambda: Order.objects.filter(pk=Param("id")).select_related(*RELATED))
CLAIMED = Prepared(
    lambda: Order.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
    .filter(pk=Param("id"))
    .select_related(*RELATED)
)


def cancel(order_id: int, desk: Desk) -> list[Work]:
    """Ask the broker to cancel; the order ends when the book says so."""
    order = claim(order_id, desk, Kind.CANCEL, _wants_cancel)
    if order is None:
        return []
    try:
        answer = str(open_wire(desk, order.broker_account).cancel(order.broker_order_id))
    except NoWire as error:
        answer = str(error)
    answered(order, desk, kind="cancel", answer=answer)
    return []


def chase(order_id: int, desk: Desk) -> list[Work]:
    """Move a resting order through the touch again when the market has left its price long enough."""
    order = _order(order_id)
    if not _wants_chase(order, desk):
        return []
    if order.modifications >= limits_of(order.broker_account.broker).modifications - CHANGES_KEPT:
        return give_up_moving(order, gates.REPRICED)
    if _through_the_touch(order, desk) == order.price:
        return []  # it stands where it may stand at the furthest
    try:
        wire = open_wire(desk, order.broker_account)
    except NoWire:
        return []
    claimed = claim(order_id, desk, calls.kind_of(order), _wants_chase)
    if claimed is None:
        return []
    price = _through_the_touch(claimed, desk)
    answer = wire.modify(claimed.broker_order_id, price=price)
    answered(claimed, desk, kind="modify", answer=str(answer))
    if isinstance(answer, Ack):
        Order.objects.filter(pk=order.pk).update(price=price)
    return []


@transaction.atomic
def claim(
    order_id: int, desk: Desk, kind: Kind, wanted: Callable[[Order, Desk], bool]
) -> Order | None:
    """Commit that this worker asks the broker now; None when it is not wanted or must wait for its rate."""
    order = CLAIMED.first(id=order_id)
    if order is None or not wanted(order, desk):
        return None
    lock_account(order.broker_account_id)
    if not calls.take(order.broker_account, kind, _call(order, desk), desk.wall):
        return None
    order.asked_at = desk.wall
    order.modifications += kind is not Kind.CANCEL
    order.save(update_fields=["asked_at", "modifications"])
    return order


def _wants_cancel(order: Order, desk: Desk) -> bool:
    if order.pending_op != Order.PendingOp.CANCEL or order.status not in RESTING:
        return False
    return order.asked_at is None or desk.wall - order.asked_at >= ASK_AGAIN


def _wants_chase(order: Order, desk: Desk) -> bool:
    return chasing.is_left(chasing.open_order(order), desk)


def _through_the_touch(order: Order, desk: Desk) -> Decimal:
    return limit_price(
        desk.frame.quotes[order.contract.symbol],
        side=order.side,
        tick=order.contract.tick_size,
        cross=EXIT_CROSS if order.action == Order.Action.CLOSE else ENTRY_CROSS,
        is_option=order.contract.strike is not None,
        worst=order.worst_price,
    )


def _call(order: Order, desk: Desk) -> str:
    return f"{order.client_ref}:{desk.wall.isoformat()}"


@transaction.atomic
def answered(order: Order, desk: Desk, *, kind: str, answer: str) -> None:
    """Note the broker's answer to a call claimed at this desk, which is over now."""
    call, later = _call(order, desk), desk.later()
    _note(order, later, kind=kind, key=f"{kind}:{call.partition(':')[2]}", answer=answer)
    calls.land(order.broker_account_id, call, later.wall)


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
    account = account_with_user(account_id)
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
        tell.order_unknown(desk, order)


def _its_day_is_over(order: Order, desk: Desk) -> bool:
    """Whether the session in which the order was written has closed, today or on an earlier day."""
    return desk.has_closed(order.contract.exchange, ist_day(order.created_at))


def give_up_moving(order: Order, code: str) -> list[Work]:
    """What may not be moved any more is cancelled; once its end is known the rest is ordered anew.

    An entry's own time-out ends that.
    """
    asked = Order.objects.filter(pk=order.pk, status__in=RESTING, pending_op="")
    asked.update(pending_op=Order.PendingOp.CANCEL, asked_at=None, code=code)
    return [Work(WorkKind.CANCEL, order.pk)]


def _order(order_id: int) -> Order:
    (order,) = ONE.rows(id=order_id)
    return order


def _note(order: Order, desk: Desk, *, kind: str, key: str, answer: str) -> None:
    event = OrderEvent(
        order=order, kind=kind, source="engine", dedupe_key=key, payload={"answer": answer}, at=desk.now
    )
    OrderEvent.objects.bulk_create([event], ignore_conflicts=True)
