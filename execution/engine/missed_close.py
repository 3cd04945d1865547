"""A day that no tick saw the end of, because nothing ran at its close, is written down the next day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time

from allocations.models import StrategyBrokerAllocation
from execution.engine import day, tell
from execution.engine.desk import Desk
from execution.engine.snapshot import Snapshot
from market.facts.tables import EXCHANGES
from market.kernel import calendar
from market.kernel.clock import at


def close_missed(desk: Desk, seen: Snapshot) -> None:
    """Close every earlier day that is still open, the earliest first."""
    while seen.unclosed is not None:
        _close(desk, seen.unclosed)
        seen.forget()


def _close(desk: Desk, missed: date) -> None:
    """At the marks of the first frame after it: the move over night counts for the day that was open.

    Its figures are provisional for that reason, and the owners are told.
    """
    then = replace(desk, frame=replace(desk.frame, now=_end_of(missed)))
    day.miss_what_is_late(then)
    written = day.write_metrics(then, late=True)
    pairs = StrategyBrokerAllocation.objects.filter(pk__in=[row.allocation_id for row in written])
    owners = pairs.order_by("broker_account__user", "pk").distinct("broker_account__user")
    for pair in owners.select_related("broker_account__user"):
        _tell(pair, missed, desk)
    day.carry(then)  # last: until then the day is open, and the next tick does what is left


def _end_of(missed: date) -> datetime:
    """Its last close; a special session whose hours are not in the facts is over by midnight."""
    try:
        sessions = [calendar.session(exchange, missed) for exchange in EXCHANGES]
    except calendar.OutsideCoverage:
        return at(missed, time.max)
    return max(session.close for session in sessions if session is not None)


def _tell(pair: StrategyBrokerAllocation, missed: date, desk: Desk) -> None:
    tell.tell(
        desk, pair, kind="late_close", severity=tell.Severity.WARNING,
        title=f"{missed:%d %b %Y} was closed late",
        body="The desk was not running when the market closed. The day is written down at the first "
        f"prices after it, of {desk.now:%d %b %H:%M}, and stays provisional.",
        dedupe_key=f"late_close:{missed}",
    )  # fmt: skip
