"""How time to expiry is counted; every result names its convention.

calendar/365: seconds to the settlement time over 365 days of 86,400 seconds, nights and holidays
included. trading/252: open seconds to the settlement time over 252 days of that exchange's own
session, so that no time passes while the market is closed. Brokers' tools use either.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from market.facts.values import Facts
from market.kernel import calendar
from market.kernel.clock import ist_day

DAY_COUNT = "calendar/365"
"""The convention of every result here that does not name another."""

TRADING_TIME = "trading/252"
CONVENTIONS = (DAY_COUNT, TRADING_TIME)
SECONDS_A_YEAR = 365 * 86400
TRADING_DAYS_A_YEAR = 252


def year_fraction(
    now: datetime,
    expiry_time: datetime,
    convention: str = DAY_COUNT,
    *,
    exchange: str | None = None,
    facts: Facts | None = None,
) -> float:
    """Years from now to the settlement time, to the second; 0 once it passed.

    trading/252 needs the `exchange` whose sessions count and raises calendar.OutsideCoverage on a
    day that the facts do not know. ValueError for a convention that is not in CONVENTIONS.
    """
    if convention == DAY_COUNT:
        return max(0.0, (expiry_time - now).total_seconds() / SECONDS_A_YEAR)
    if convention != TRADING_TIME:
        raise ValueError(f"day count {convention!r} is not known; use one of {CONVENTIONS}")
    if exchange is None:
        raise ValueError(f"{TRADING_TIME} counts the sessions of an exchange; pass exchange=")
    return _trading_years(now, expiry_time, exchange, facts)


def _trading_years(now: datetime, until: datetime, exchange: str, facts: Facts | None) -> float:
    """Each day counts as the open part of its session that lies between, up to 1/252."""
    days, day = 0.0, ist_day(now)
    while day <= ist_day(until):
        session = calendar.session(exchange, day, facts=facts)
        if session is not None:
            whole = sum((end - start).total_seconds() for start, end in session.parts)
            left = sum(_overlap(start, end, now, until) for start, end in session.parts)
            days += left / whole
        day += timedelta(days=1)
    return days / TRADING_DAYS_A_YEAR


def _overlap(start: datetime, end: datetime, now: datetime, until: datetime) -> float:
    return max(0.0, (min(end, until) - max(start, now)).total_seconds())
