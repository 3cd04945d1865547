"""When an index itself may be used: while it is continuous, and at a close up to which it was.

Since 2026-08-03 the constituents close by auction and the index stands still from 15:15 while its
options trade on to 15:40: a frozen spot is not a price. The dated hours are `calendar`'s.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from market.kernel import calendar
from market.kernel.clock import ist_day


def spot_lives(exchange: str, now: datetime) -> bool:
    """As the calendar says, and at the closing instant of a day whose index was live to the end.

    Never on a day whose hours the calendar does not know.
    """
    try:
        session = calendar.session(exchange, ist_day(now))
    except calendar.OutsideCoverage:
        return False
    if calendar.spot_is_live(exchange, now):
        return True
    if session is None or now != session.close:
        return False
    return calendar.spot_is_live(exchange, now - timedelta(seconds=1))
