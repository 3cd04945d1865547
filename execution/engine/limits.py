"""The limits that stand over an entry: its pair's, its basket's, its account's and its user's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from allocations.models import ScopeLimit, StrategyBrokerAllocation
from allocations.risk import Breach, Denial, RiskLimit, breach, tightest_breach
from allocations.selectors import limit_of, limits_over
from execution import services
from execution.engine import exposures
from execution.engine.desk import Desk
from execution.engine.exposures import Book
from execution.engine.margins import Sheet
from users.templatetags.money import grouped

Scope = ScopeLimit.Scope


def broken(
    pair: StrategyBrokerAllocation, then: Callable[[Book], Book], desk: Desk
) -> tuple[str, Breach] | None:
    """The most strained limit that would be broken if the pair's book became this one, with its
    scope's name; NoMargin without prices."""
    rows = list(limits_over(pair))
    books = exposures.books_of(pair, desk)
    if rows:
        books |= exposures.books_of_user(pair.broker_account.user_id, desk)
    sheet = Sheet(desk.frame)

    def judged(limit: RiskLimit, held: list[Book]) -> Breach | None:
        changed = [then(book) if book.pair == pair.pk else book for book in held]
        before, after = (
            exposures.exposure(side, desk, sheet, limit=limit) for side in (held, changed)
        )
        return breach(limit, before, after)

    wider = [(row.name, judged(limit_of(row), within(row, books.values()))) for row in rows]
    own = (f"pair {pair.name}", judged(limit_of(pair), [books[pair.pk]]))
    return tightest_breach([*wider, own])


def lock_shared(pair: StrategyBrokerAllocation) -> bool:
    """Lock what the pair shares limits with, so that one entry at a time is judged; False when nothing.

    Needs a transaction, and no lock of a row yet.
    """
    scopes = {row.scope for row in limits_over(pair)}
    if scopes & {Scope.USER, Scope.BASKET}:
        services.lock_user(pair.broker_account.user_id)
    if Scope.ACCOUNT in scopes:
        services.lock_account(pair.broker_account_id)
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
