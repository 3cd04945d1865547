"""How many calls a broker takes of one account: orders placed, changed and cancelled. Pure.

Rows are as the brokers' documentation and staff stated them by `as_of`. Confidence as in market/facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

#: Fewer than 10 orders a second and client need no registration of the algorithm (SEBI, from 2026-04-01).
PER_SECOND = 9
MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class CallWindow:
    """At most `most` calls in any `seconds`; a day is any 24 hours."""

    seconds: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """A broker's windows, the shortest first, and how often it lets one order be changed."""

    windows: tuple[CallWindow, ...]
    modifications: int
    as_of: date
    source: str
    confidence: str


_SECOND = CallWindow(1, PER_SECOND)

CALL_LIMITS = {
    "zerodha": CallLimits(
        windows=(_SECOND, CallWindow(MINUTE, 400), CallWindow(DAY, 5000)),
        modifications=25,
        as_of=date(2026, 4, 1),
        source="Kite Connect v3: 10 a second, 400 a minute, 5000 a day, 25 changes an order",
        confidence="B",
    ),
    "angelone": CallLimits(
        windows=(_SECOND, CallWindow(MINUTE, 500), CallWindow(HOUR, 1000)),
        modifications=25,
        as_of=date(2026, 4, 1),
        source="SmartAPI: 20 a second (9 by the rule), 500 a minute, 1000 an hour; changes not stated",
        confidence="B",
    ),
    "finvasia": CallLimits(
        windows=(_SECOND, CallWindow(MINUTE, 200)),
        modifications=25,
        as_of=date(2026, 4, 1),
        source="Noren: about 20 a second (9 by the rule), 200 a minute; changes not stated",
        confidence="C",
    ),
}


def limits_of(broker: str) -> CallLimits:
    """The broker's limits; KeyError for one that is not known."""
    return CALL_LIMITS[broker]
