"""When an account's books are read, and reading them. A book that cannot be read says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import F, FilteredRelation, Q

from brokers.models import BrokerAccount
from brokers.types import BrokerOrder, BrokerPosition, BrokerTrade, ReadFailed
from execution.engine.desk import Desk
from execution.engine.wires import open_wire
from execution.models import AccountBook
from market.models import Timeline
from users.models import Notice
from users.prepared import Param, Prepared
from users.services import notify

CLAIM = timedelta(seconds=30)  # whoever reads has died when it is over
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
GOLDEN = 0.6180339887498949  # its multiples spread evenly, however many there are
NEVER = datetime.min.replace(tzinfo=UTC)
SOON = timedelta(seconds=5)  # after a reading that failed, or while orders may explain a difference


LOCKED = Prepared(
    lambda: AccountBook.objects.select_for_update(no_key=True).filter(
        broker_account=Param("account"), timeline=Param("timeline")
    )
)


@dataclass(frozen=True, slots=True)
class Read:
    """What a broker said of one account, all of it."""

    orders: list[BrokerOrder]
    trades: list[BrokerTrade]
    positions: list[BrokerPosition]


def accounts_in(timeline: Timeline) -> list[tuple[int, datetime | None]]:
    """(id, due) of every account with a pair that may trade in this world; one query.

    An account that was never read there has been due for ever.
    """
    rows = BrokerAccount.objects.filter(archived_at=None, allocations__isnull=False)
    if timeline.source != Timeline.Source.LIVE:
        rows = rows.filter(mode=BrokerAccount.Mode.PAPER)
    mine = FilteredRelation("books", condition=Q(books__timeline=timeline))
    rows = rows.annotate(book=mine).annotate(due=F("book__due_at"), known=F("book__pk"))
    found = rows.order_by("pk").values_list("pk", "due", "known").distinct()
    return [(pk, due if known else NEVER) for pk, due, known in found]


def ask(account_ids: list[int], timeline: Timeline, *, now: datetime) -> None:
    """Have these accounts' books read as soon as a worker is free."""
    rows = [
        AccountBook(broker_account_id=account, timeline=timeline, due_at=now)
        for account in account_ids
    ]
    AccountBook.objects.bulk_create(
        rows, update_conflicts=True, update_fields=["due_at"], unique_fields=["broker_account", "timeline"]
    )


@transaction.atomic
def claim(account_id: int, desk: Desk) -> bool:
    """Whether this worker reads the account's books now: they are due and nobody else does."""
    book = _locked(account_id, desk)
    if book.due_at is None or book.due_at > desk.wall:
        return False
    book.due_at = desk.wall + CLAIM
    book.save(update_fields=["due_at"])
    return True


def read(account: BrokerAccount, desk: Desk) -> Read:
    """The account's books; ReadFailed unless every one of them is whole.

    Positions come last: what the trades do not show yet, an order on its way explains.
    """
    wire = open_wire(desk, account)
    trades = wire.trades()
    orders = wire.orders()
    return Read(orders, trades, wire.positions())


@transaction.atomic
def note_failure(account: BrokerAccount, error: ReadFailed, desk: Desk) -> None:
    """Nothing is concluded; entries of the account wait until a reading is whole again."""
    book = locked(account, desk)
    if book.failing_since is None:
        book.failing_since = desk.wall
        _tell_unread(account, error, desk)
    book.why = str(error) or "The broker did not answer."
    book.due_at = desk.wall + SOON
    book.save()


def note_success(book: AccountBook, desk: Desk, *, unsettled: bool) -> None:
    """The locked book was read whole."""
    book.read_at, book.failing_since, book.why = desk.wall, None, ""
    if unsettled:
        book.due_at = desk.wall + SOON
    elif desk.reconcile_every is not None:
        book.due_at = next_look(book.broker_account_id, desk.wall, every=desk.reconcile_every)
    else:
        book.due_at = None
    book.save()


def next_look(account_id: int, now: datetime, *, every: timedelta) -> datetime:
    """The account's own moment of the round, at most one round away: all are read together when a worker
    starts, and would be due together ever after, with the orders of a second waiting behind them."""
    mine = every * (account_id * GOLDEN % 1)
    return now + ((mine - (now - EPOCH)) % every or every)


def locked(account: BrokerAccount, desk: Desk) -> AccountBook:
    """The account's book, locked: one comparison at a time. Needs a transaction."""
    return _locked(account.pk, desk)


def _locked(account_id: int, desk: Desk) -> AccountBook:
    wanted = {"account": account_id, "timeline": desk.timeline.pk}
    book = LOCKED.first(**wanted)
    if book is None:
        AccountBook.objects.get_or_create(
            broker_account_id=account_id, timeline=desk.timeline, defaults={"due_at": desk.wall}
        )
        (book,) = LOCKED.rows(**wanted)
    return book


def _tell_unread(account: BrokerAccount, error: ReadFailed, desk: Desk) -> None:
    notify(
        user=account.user,
        kind="books_unread",
        severity=Notice.Severity.CRITICAL,
        title=f"The books of {account.label} cannot be read",
        body=f"{error} Entries of its pairs wait until they can; exits go on. If the login has "
        "ended, renew it under Brokers.",
        dedupe_key=f"{desk.timeline.key}:books_unread:{account.pk}:{desk.wall.isoformat()}",
        link="/reconciliation",
        now=desk.wall,
    )
