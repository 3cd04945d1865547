"""One look at an account: read its books, apply what they say, compare what is left."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from brokers.models import BrokerAccount
from brokers.selectors import account_with_user
from brokers.types import ReadFailed
from execution import differences, rates
from execution.differences import Difference, Guess, Kind
from execution.engine import calls
from execution.engine.apply import apply_books
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.wires import open_wire
from execution.models import AccountBook, Mismatch, Order, OrderEvent, StrategyExecution
from execution.reconcile import books, holdings, mismatches, ours
from execution.reconcile.books import Read
from execution.services import lock_account
from execution.states import OrderState
from market.models import Timeline
from users.prepared import Param, Prepared

#: The numbers of orders that their owner said to cancel.
CHOSEN = Prepared(
    lambda: Mismatch.objects.filter(
        broker_account=Param("account"), timeline=Param("timeline"), resolved_at=None,
        chosen=differences.Fix.CANCEL,
    ).values_list("number", flat=True)
)  # fmt: skip
ACTIVE = Prepared(
    lambda: Timeline.objects.filter(pk=Param("timeline"), active=True).values_list("pk", flat=True)
)
MATCH_WINDOW = timedelta(minutes=2)  # from writing an order to its time in the book, at speed 1
FRESH = timedelta(seconds=5)
BELIEVED_TWICE = {Kind.UNITS_MISSING, Kind.UNITS_EXTRA}


def reconcile(account_id: int, desk: Desk) -> list[Work]:
    """Look at an account whose books are due; [] when somebody else does."""
    if not books.claim(account_id, desk):
        return []
    return look(account_with_user(account_id), desk)


def refresh(execution_id: int, desk: Desk) -> list[Work]:
    """Before a due exit begins: look at its account, unless that was done a moment ago."""
    account = BrokerAccount.objects.filter(
        allocations__executions__pk=execution_id,
        allocations__executions__status=StrategyExecution.Status.DUE,
    ).exclude(books__in=AccountBook.objects.filter(
        timeline=desk.timeline, read_at__gt=desk.wall - FRESH
    ))  # fmt: skip
    stale = account.select_related("user").first()
    return [] if stale is None else look(stale, desk)


def look(account: BrokerAccount, desk: Desk) -> list[Work]:
    """Apply and compare; a net that nothing explains is believed when a second look says the same."""
    try:
        moved, found = _once(account, desk, final=False)
        if any(difference.kind in BELIEVED_TWICE for difference in found):
            more, _ = _once(account, desk, final=True)
            moved |= more
    except ReadFailed as error:
        books.note_failure(account, error, desk)
        return []
    _cancel_chosen(account, desk)
    return [Work(WorkKind.ADVANCE, execution) for execution in sorted(moved)]


def _once(account: BrokerAccount, desk: Desk, *, final: bool) -> tuple[set[int], list[Difference]]:
    earlier = ours.before(account, desk)
    read = books.read(account, desk)
    guess = _matched(account, read, desk)
    moved = apply_books(account, read.orders, read.trades, desk, source="poll")
    return moved, _compared(account, read, guess, earlier, desk, final=final)


def _matched(account: BrokerAccount, read: Read, desk: Desk) -> Guess:
    """Give orders without an answer the number of the one untagged order that they can be."""
    waiting = ours.unanswered(account, desk)
    if not waiting:
        return Guess({}, {})
    numbered = set(
        Order.objects.filter(
            broker_account=account, timeline=desk.timeline, created_at__date=desk.day
        ).exclude(broker_order_id="").values_list("broker_order_id", flat=True)
    )  # fmt: skip
    free = [r for r in read.orders if not r.client_ref and r.broker_order_id not in numbered]
    guess = differences.guess(waiting, free, MATCH_WINDOW * desk.timeline.speed)
    for ref, number in guess.found.items():
        _number(ref, number, desk)
    return guess


@transaction.atomic
def _number(ref: str, number: str, desk: Desk) -> None:
    order = Order.objects.select_for_update(no_key=True).get(client_ref=ref)
    if order.status not in (OrderState.SENDING, OrderState.UNKNOWN) or order.broker_order_id:
        return
    order.broker_order_id = number
    order.save(update_fields=["broker_order_id"])
    OrderEvent.objects.bulk_create(
        [OrderEvent(order=order, kind="matched", source="engine", dedupe_key=f"matched:{number}",
                    payload={"number": number}, at=desk.now)],
        ignore_conflicts=True,
    )  # fmt: skip


@transaction.atomic
def _compared(
    account: BrokerAccount, read: Read, guess: Guess, earlier: ours.Before, desk: Desk, *, final: bool
) -> list[Difference]:
    """Write what is external and what does not agree; what needs a second look is only returned."""
    book = books.locked(account, desk)
    if not ACTIVE.rows(timeline=desk.timeline.pk):
        return []  # the broker's books may already be those of another world
    mine = ours.after(account, read.orders, earlier, desk)
    sheet = holdings.updated(account, read, mine, guess.pending, desk)
    found = [
        *sheet.differences,
        *differences.of_orders(mine.orders, read.orders, guess.several),
        *differences.of_fills(earlier.fills, (trade.trade_id for trade in read.trades)),
    ]
    if not final and any(difference.kind in BELIEVED_TWICE for difference in found):
        return found
    unsettled = mismatches.write(account, found, mine, sheet, desk)
    books.note_success(book, desk, unsettled=unsettled or bool(sheet.waiting))
    return found


def _cancel_chosen(account: BrokerAccount, desk: Desk) -> None:
    """Ask the broker to cancel what the owner said; the next look sees whether it is gone."""
    for number in CHOSEN.rows(account=account.pk, timeline=desk.timeline.pk):
        call = f"reconcile:{number}:{desk.wall.isoformat()}"
        if _may_call(account, call, desk):
            open_wire(desk, account).cancel(number)
            calls.land(account.pk, call, desk.later().wall)


@transaction.atomic
def _may_call(account: BrokerAccount, call: str, desk: Desk) -> bool:
    """Whether the account's rate has room; if not, the next look asks."""
    lock_account(account.pk)
    return calls.take(account, rates.Kind.CANCEL, call, desk.wall)
