"""Which official value settles a day's expiring contracts, and when it is known: by the dated hours.

The value itself is an input (a file, a feed, an operator), never computed from a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from market.kernel import calendar

HALF_HOUR_AVERAGE = "average of the index over the last half hour"
CLOSING_AUCTION = "index by the closing auction of its constituents"
HALF_HOUR = timedelta(minutes=30)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """How the value comes about between `begins` and `known_at`; options trade until `last_trade`."""

    basis: str
    begins: datetime
    known_at: datetime
    last_trade: datetime


def rule(exchange: str, expiry: date) -> Rule:
    """The rule of that day: the auction where the index stands still before its value is struck.

    OutsideCoverage when the day is outside the facts; ValueError when nothing trades on it.
    """
    session = calendar.session(exchange, expiry)
    if session is None:
        raise ValueError(f"{exchange} does not trade on {expiry}; nothing settles.")
    known_at = calendar.settlement_time(exchange, expiry)
    if calendar.spot_is_live(exchange, known_at - SECOND):
        return Rule(HALF_HOUR_AVERAGE, known_at - HALF_HOUR, known_at, session.close)
    return Rule(CLOSING_AUCTION, _stands_still(exchange, known_at), known_at, session.close)


def _stands_still(exchange: str, known_at: datetime) -> datetime:
    """The minute at which the index stopped being continuous."""
    moment = known_at
    while not calendar.spot_is_live(exchange, moment - SECOND):
        moment -= timedelta(minutes=1)
    return moment
