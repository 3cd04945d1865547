"""An account's book beside its broker's, as a page and the API show it. Four queries for a user."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from brokers.models import BrokerAccount
from brokers.selectors import open_accounts_of
from execution.differences import Fix
from execution.models import AccountBook, AccountPosition, Mismatch
from execution.reconcile.words import SAID, about, choices
from execution.selectors import account_positions_of, books_of, mismatches_of
from market.models import Timeline
from users.models import User


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision that the owner may take; the first of a mismatch is the proposed one."""

    fix: Fix
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Shown:
    """An open mismatch in words."""

    row: Mismatch
    title: str
    body: str
    choices: list[Choice]


@dataclass(slots=True)
class AccountView:
    account: BrokerAccount
    book: AccountBook | None
    positions: list[AccountPosition] = field(default_factory=list)
    mismatches: list[Shown] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Read whole, and nothing is open."""
        book = self.book
        return book is not None and book.read_at is not None and book.failing_since is None and not self.mismatches

    def is_behind(self, asked: datetime) -> bool:
        """Whether the reading that was asked for then has not been made yet."""
        return self.book is not None and (self.book.read_at is None or self.book.read_at < asked)


def overview(user: User, timeline: Timeline | None) -> list[AccountView]:
    """Every open account of the user with what its last reading said."""
    accounts = list(open_accounts_of(user).order_by("pk"))
    if timeline is None:
        return [AccountView(account, None) for account in accounts]
    books = {book.broker_account_id: book for book in books_of(user, timeline)}
    positions: dict[int, list[AccountPosition]] = defaultdict(list)
    for row in account_positions_of(user, timeline):
        positions[row.broker_account_id].append(row)
    mismatches: dict[int, list[Shown]] = defaultdict(list)
    for mismatch in mismatches_of(user, timeline).filter(resolved_at=None).order_by("pk"):
        mismatches[mismatch.broker_account_id].append(shown(mismatch))
    return [
        AccountView(a, books.get(a.pk), positions[a.pk], mismatches[a.pk]) for a in accounts
    ]


def shown(mismatch: Mismatch) -> Shown:
    title, body = about(mismatch)
    offered = [Choice(fix, SAID[fix].title, SAID[fix].body) for fix in choices(mismatch)]
    return Shown(mismatch, title, body, offered)
