"""The listed series of a simulated day, and their options in the order in which they are priced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime

from market.kernel import calendar
from market.kernel.clock import IST
from market.kernel.contracts import Contract, exchange_of, kind_of, strike_step
from market.sources.paths import NAMES, DayPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One expiry of one index: `nights` trading days away, it settles that second of its session."""

    underlying: str
    column: int
    expiry: date
    settles: datetime
    numbers: range
    monthly: bool
    nights: int
    last_second: int


def all_series(path: DayPath, underlyings: Set[str]) -> Iterator[Series]:
    """Every listed expiry of these indices, by index and day."""
    opens = path.session.open
    for (underlying, expiry), (low, high) in path.listed.items():
        if underlying not in underlyings:
            continue
        exchange = exchange_of(underlying)
        settles = calendar.settlement_time(exchange, expiry)
        today = settles.astimezone(IST).replace(year=opens.year, month=opens.month, day=opens.day)
        yield Series(
            underlying=underlying,
            column=NAMES.index(underlying),
            expiry=expiry,
            settles=settles,
            numbers=range(low, high + 1),
            monthly=kind_of(underlying, expiry) == "monthly",
            nights=calendar.trading_days_between(exchange, path.day, expiry),
            last_second=int((today - opens).total_seconds()),
        )


def options(series: Sequence[Series]) -> list[Contract]:
    """The options in the order of the blocks: calls by strike, then puts by strike."""
    return [
        Contract(each.underlying, each.expiry, option_type, number * strike_step(each.underlying))
        for each in series
        for option_type in ("CE", "PE")
        for number in each.numbers
    ]
