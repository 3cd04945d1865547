"""Trading days and sessions by exchange and date, from the dated facts.

Nothing is assumed: a day outside the facts, or a session whose hours were never published here,
raises OutsideCoverage. `facts=None` means the facts in force: those that ship with the product,
unless the operator's tables or a profile were installed.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from market.facts import tables
from market.facts.values import Facts, Hours, SpecialSession
from market.kernel.clock import at, ist_day

ONE_DAY = timedelta(days=1)


class OutsideCoverage(LookupError):
    """The dated facts do not answer this question."""


@dataclass(frozen=True, slots=True)
class Session:
    """A day's trading from its first open to its last close; `parts` are the open stretches."""

    open: datetime
    close: datetime
    parts: tuple[tuple[datetime, datetime], ...]
    kind: str = "normal"

    def is_open(self, now: datetime) -> bool:
        """Whether orders can trade at this instant: from an open up to, not at, its close."""
        return any(start <= now < end for start, end in self.parts)


def is_trading_day(exchange: str, day: date, *, facts: Facts | None = None) -> bool:
    """Whether there is any session on that day, special sessions included."""
    known = facts or tables.in_force()
    _require_covered(exchange, day, known)
    if (exchange, day) in known.specials:
        return True
    return day.weekday() < 5 and day not in known.holidays[exchange]


def can_expire(exchange: str, day: date, *, facts: Facts | None = None) -> bool:
    """Whether contracts may expire on that day: a normal or full-hours session, not a muhurat."""
    known = facts or tables.in_force()
    if not is_trading_day(exchange, day, facts=known):
        return False
    special = known.specials.get((exchange, day))
    return special is None or special.kind == "full"


def session(exchange: str, day: date, *, facts: Facts | None = None) -> Session | None:
    """The day's session, or None on a closed day."""
    known = facts or tables.in_force()
    if not is_trading_day(exchange, day, facts=known):
        return None
    special = known.specials.get((exchange, day))
    if special is not None:
        return _special_session(exchange, day, special)
    hours = _hours(exchange, day, known)
    opened, closed = at(day, hours.open), at(day, hours.close)
    return Session(opened, closed, ((opened, closed),))


def unknown_hours(exchange: str, day: date, *, facts: Facts | None = None) -> str:
    """Why the hours of that day are not known; empty when they are, and on a closed day."""
    try:
        session(exchange, day, facts=facts)
    except OutsideCoverage as gap:
        return str(gap)
    return ""


def next_trading_day(exchange: str, day: date, *, facts: Facts | None = None) -> date:
    """The first trading day strictly after."""
    return _step(exchange, day, ONE_DAY, facts)


def previous_trading_day(exchange: str, day: date, *, facts: Facts | None = None) -> date:
    """The last trading day strictly before."""
    return _step(exchange, day, -ONE_DAY, facts)


def trading_days_between(
    exchange: str, first: date, last: date, *, facts: Facts | None = None
) -> int:
    """How many trading days lie in (first, last]; negative when last is before first."""
    known = facts or tables.in_force()
    _require_covered(exchange, first, known)
    _require_covered(exchange, last, known)
    days = _trading_days(exchange, known)
    return bisect_right(days, last) - bisect_right(days, first)


def settlement_time(exchange: str, day: date, *, facts: Facts | None = None) -> datetime:
    """When the settlement value of contracts that expire on that day is struck."""
    known = facts or tables.in_force()
    return at(day, _hours(exchange, day, known).settlement)


def spot_is_live(exchange: str, now: datetime, *, facts: Facts | None = None) -> bool:
    """Whether the index itself is still continuous: from 2026-08-03 it stops at 15:15."""
    known = facts or tables.in_force()
    day = ist_day(now)
    today = session(exchange, day, facts=known)
    if today is None or not today.is_open(now):
        return False
    return today.kind != "normal" or now < at(day, _hours(exchange, day, known).spot_until)


@lru_cache(maxsize=16)
def _trading_days(exchange: str, facts: Facts) -> list[date]:
    first, last = facts.reach[exchange]
    span = (last - first).days + 1
    days = (first + timedelta(days=n) for n in range(span))
    return [day for day in days if is_trading_day(exchange, day, facts=facts)]


def _step(exchange: str, day: date, step: timedelta, facts: Facts | None) -> date:
    day += step
    while not is_trading_day(exchange, day, facts=facts):
        day += step
    return day


def _special_session(exchange: str, day: date, special: SpecialSession) -> Session:
    if not special.parts:
        raise OutsideCoverage(
            f"{exchange} trades on {day} ({special.kind}), but its hours are not in the facts; "
            "they are missing in the table special_sessions."
        )
    parts = tuple((at(day, start), at(day, end)) for start, end in special.parts)
    return Session(parts[0][0], parts[-1][1], parts, special.kind)


def _hours(exchange: str, day: date, facts: Facts) -> Hours:
    _require_covered(exchange, day, facts)
    for row in facts.hours:
        if row.exchange == exchange and row.first <= day <= row.last:
            return row
    raise OutsideCoverage(f"No session hours for {exchange} on {day}.")


def _require_covered(exchange: str, day: date, facts: Facts) -> None:
    if exchange not in tables.EXCHANGES:
        raise OutsideCoverage(f"Unknown exchange {exchange!r}; known: {tables.EXCHANGES}.")
    first, last = facts.reach[exchange]
    if not first <= day <= last:
        raise OutsideCoverage(
            f"{day} is outside the calendar's coverage {first} to {last}: "
            f"the {exchange} session hours and holidays of {day.year} are missing."
        )
