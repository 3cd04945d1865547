"""The margin of every account, a few at a time so that no frame waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from execution.engine import margins
from execution.live.lines import Book
from market.kernel.contracts import Contract
from market.kernel.frame import Frame

Holdings = list[tuple[Contract, int]]


@dataclass(slots=True)
class AccountMargins:
    """`known` by account; None where a price or forward is missing. Changed accounts come first."""

    known: dict[int, Decimal | None] = field(default_factory=dict)
    held: dict[int, Holdings] = field(default_factory=dict)
    turns: deque[int] = field(default_factory=deque)
    book: Book | None = None

    def refresh(self, book: Book, frame: Frame, *, clock: Callable[[], float], budget: float) -> None:
        """Go on with the accounts whose turn it is until the budget of seconds is used."""
        if book is not self.book:
            self._take(book)
        until = clock() + budget
        for _ in range(len(self.turns)):
            account = self.turns.popleft()
            self.turns.append(account)
            self.known[account] = _margin(self.held[account], frame)
            if clock() >= until:
                return

    def _take(self, book: Book) -> None:
        before, self.book, self.held = self.held, book, {}
        for line in book.lines:
            holdings = self.held.setdefault(line.scope.account, [])
            if line.quantity:
                holdings.append((line.contract, line.quantity))
        rest = [account for account in self.turns if account in self.held]
        first = [account for account, held in self.held.items() if before.get(account) != held]
        self.turns = deque(dict.fromkeys([*first, *rest]))
        self.known = {account: self.known[account] for account in rest if account in self.known}


def _margin(holdings: Holdings, frame: Frame) -> Decimal | None:
    try:
        return margins.requirement(holdings, frame)
    except margins.NoMargin:
        return None
