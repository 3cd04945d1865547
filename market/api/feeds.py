"""The running market behind every view here, or the problem that says why there is none."""

from __future__ import annotations

from datetime import date
from typing import Any, TypeVar

from market import quotes, selectors
from market.catalogue import chain
from market.kernel.clock import IST
from market.kernel.frame import Frame
from market.models import Timeline
from users.api.problems import Problem

Row = TypeVar("Row")


def running() -> tuple[Timeline, Frame]:
    """The active timeline and its last frame; a 503 problem when either is missing."""
    timeline = timeline_or_problem()
    frame = quotes.latest(timeline.key)
    if frame is None:
        raise Problem(
            503,
            "market_silent",
            "The market process is silent",
            detail=f"No frame of timeline {timeline.key!r} was published lately.",
            fix="Wait for the market process, or start it.",
            retryable=True,
            headers={"Retry-After": "5"},
        )
    return timeline, frame


def timeline_or_problem() -> Timeline:
    """The active timeline; a 503 problem when none is."""
    try:
        return selectors.active_timeline()
    except Timeline.DoesNotExist as error:
        raise Problem(
            503,
            "no_timeline",
            "No timeline is active",
            detail=str(error),
            fix="An operator activates a timeline.",
            retryable=True,
        ) from error


def origin_of(timeline: Timeline, frame: Frame) -> dict[str, Any]:
    """What every answer says of where its numbers are from."""
    return {
        "timeline": timeline.key,
        "source": timeline.source,
        "asof": frame.now.astimezone(IST).isoformat(),
        "frame": frame.n,
    }


def series_asked(frame: Frame, underlying: str, expiry: date | None) -> tuple[list[date], date]:
    """The expiries quoted of the underlying and the one asked for, by default the nearest; a 422
    problem when the frame does not quote it."""
    known = chain.expiries_in(frame, underlying)
    wanted = expiry or (known[0] if known else None)
    if wanted is None or wanted not in known:
        raise no_series(underlying, wanted, known)
    return known, wanted


def no_series(underlying: str, expiry: object, known: list[Any]) -> Problem:
    """422: the frame does not quote that series."""
    listed = ", ".join(str(day) for day in known) or "none"
    return Problem(
        422,
        "unknown_expiry" if known else "underlying_not_played",
        "Not in this market",
        detail=f"The running timeline quotes no {underlying} options of {expiry}; it has: {listed}.",
        fix="Use one of the expiries listed.",
        pointer="/expiry" if known else "/underlying",
    )


def page_of(
    rows: list[Row], names: list[str], asked: dict[str, Any]
) -> tuple[list[Row], str | None]:
    """(the rows after the cursor, up to the limit; the cursor of the next page). `names` are the
    rows' cursors; one that is not among them is past the end."""
    cursor, start = asked.get("cursor"), 0
    if cursor is not None:
        start = names.index(cursor) + 1 if cursor in names else len(rows)
    end = start + asked["limit"]
    return rows[start:end], names[end - 1] if end < len(rows) else None
