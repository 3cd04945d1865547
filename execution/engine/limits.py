"""The limits that stand over an entry: its pair's, its basket's, its account's and its user's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from allocations.models import ScopeLimit, StrategyBrokerAllocation
from allocations.risk import Breach, Denial, RiskLimit, breach, tightest_breach
from allocations.selectors import limit_of
from execution import services
from execution.engine import exposures
from execution.engine.account_view import AccountView
from execution.engine.exposures import Book
from users.templatetags.money import grouped

Scope = ScopeLimit.Scope


def broken(
    pair: StrategyBrokerAllocation, then: Callable[[Book], Book], view: AccountView
) -> tuple[str, Breach] | None:
    """The most strained limit that would be broken if the pair's book became this one, with its
    scope's name; NoMargin without prices. What others hold and have begun is read each time."""
    rows, desk = view.limits_over(pair), view.desk
    books = {pair.pk: view.book_of(pair)}
    if rows:
        books |= exposures.books_of_user(pair.broker_account.user_id, desk)

    def judged(limit: RiskLimit, held: list[Book]) -> Breach | None:
        changed = [then(book) if book.pair == pair.pk else book for book in held]
        before, after = (
            exposures.exposure(side, desk, view.sheet, limit=limit) for side in (held, changed)
        )
        return breach(limit, before, after)

    wider = [(row.name, judged(limit_of(row), within(row, books.values()))) for row in rows]
    own = (f"pair {pair.name}", judged(limit_of(pair), [books[pair.pk]]))
    return tightest_breach([*wider, own])


def lock_shared(view: AccountView) -> bool:
    """Lock what the pairs share limits with, so that one entry at a time is judged; False when nothing.

    Needs a transaction, and no lock of a row yet.
    """
    scopes = {row.scope for rows in view.shared_limits.values() for row in rows}
    if scopes & {Scope.USER, Scope.BASKET}:
        services.lock_user(view.account.user_id)
    if Scope.ACCOUNT in scopes:
        services.lock_account(view.account.pk)
    return bool(scopes)


def words(found: Breach) -> str:
    """What would be used of the limit, with its unit."""
    if found.used is None:
        return "delta and vega are not known"
    used, most = _shown(found.used), _shown(found.limit)
    return {
        Denial.DAY_LOSS_REACHED: loss_words(found.used, found.limit),
        Denial.LOTS_ABOVE_LIMIT: f"{used} lots of at most {most}",
        Denial.TOO_MANY_POSITIONS: f"{used} open positions of at most {most}",
        Denial.MARGIN_ABOVE_LIMIT: f"margin {used} rupees of at most {most}",
        Denial.DELTA_ABOVE_LIMIT: f"delta {used} rupees a point of at most {most}",
        Denial.VEGA_ABOVE_LIMIT: f"vega {used} rupees a vol point of at most {most}",
    }[found.denial]


def loss_words(loss: Decimal, most: Decimal) -> str:
    return f"day loss {_shown(loss)} of {_shown(most)} reached"


def _shown(value: Decimal) -> str:
    """Without paise where there are none."""
    return grouped(value, places=0 if value == value.to_integral_value() else 2)


def within(row: ScopeLimit, books: Iterable[Book]) -> list[Book]:
    """The books that a limit above the pair is over."""
    return [
        book
        for book in books
        if row.scope == Scope.USER
        or (row.scope == Scope.ACCOUNT and book.account == row.broker_account_id)
        or (row.scope == Scope.BASKET and book.basket == row.basket_id)
    ]
