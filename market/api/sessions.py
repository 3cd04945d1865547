"""Trading days from the dated facts, and the running market's clock."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from market import feed, quotes
from market.api import examples
from market.api.feeds import timeline_or_problem
from market.kernel import calendar
from market.kernel.calendar import OutsideCoverage, Session
from market.kernel.clock import IST, ist_day
from users.api.problems import Problem
from users.api.serializers import StrictSerializer, query

EXCHANGES = ("NSE", "BSE")
LONGEST = 400
CalendarQuery = type(
    "CalendarQuery",
    (StrictSerializer,),
    {  # `from` is a word of Python
        "exchange": serializers.ChoiceField(choices=EXCHANGES),
        "from": serializers.DateField(),
        "to": serializers.DateField(),
    },
)


class Calendar(APIView):
    """Sessions with their hours, and the weekdays without one. Days that the facts do not cover
    are a 422: nothing is guessed."""

    @extend_schema(
        summary="Sessions and holidays",
        parameters=[
            OpenApiParameter(
                "exchange", {"type": "string", "enum": list(EXCHANGES)}, required=True
            ),
            OpenApiParameter("from", OpenApiTypes.DATE, required=True),
            OpenApiParameter("to", OpenApiTypes.DATE, required=True),
        ],
        responses=OpenApiTypes.OBJECT,
        examples=[examples.CALENDAR],
    )
    def get(self, request: Request) -> Response:
        asked = query(CalendarQuery, request)
        exchange, first, last = asked["exchange"], asked["from"], asked["to"]
        _check(exchange, first, last)
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        trading = [day for day in days if calendar.is_trading_day(exchange, day)]
        closed = [day for day in days if day not in trading and day.weekday() < 5]
        return Response(
            {
                "exchange": exchange,
                "from": first.isoformat(),
                "to": last.isoformat(),
                "sessions": [_session(exchange, day) for day in trading],
                "holidays": [day.isoformat() for day in closed],
            }
        )


class Clock(APIView):
    """Market time: the last frame's, which is wall time only when live."""

    @extend_schema(
        summary="The market's clock", responses=OpenApiTypes.OBJECT, examples=[examples.CLOCK]
    )
    def get(self, request: Request) -> Response:
        timeline = timeline_or_problem()
        frame = quotes.latest(timeline.key)
        now = frame.now if frame else timeline.market_now
        wall = timezone.now()
        return Response(
            {
                "timeline": timeline.key,
                "source": timeline.source,
                "speed": timeline.speed,
                "market_now": None if now is None else now.astimezone(IST).isoformat(),
                "wall_now": wall.astimezone(IST).isoformat(),
                "frame": timeline.frame if frame is None else frame.n,
                "cadence_seconds": None if frame is None else frame.cadence,
                "feed": _feed(timeline.key, wall),
                "session": None if now is None else _state("NSE", now),
            }
        )


def _check(exchange: str, first: date, last: date) -> None:
    for name, day in (("from", first), ("to", last)):
        try:
            calendar.is_trading_day(exchange, day)
        except OutsideCoverage as error:
            raise Problem(
                422,
                "outside_coverage",
                "Outside the calendar",
                detail=str(error),
                fix="Ask for days that the calendar covers.",
                pointer=f"/{name}",
            ) from error
    if not 0 <= (last - first).days < LONGEST:
        raise Problem(
            422,
            "bad_range",
            "Bad range",
            detail=f"{first} to {last} is not a range of 1 to {LONGEST} days.",
            fix="Give from on or before to, and a shorter range.",
            pointer="/to",
        )


def _session(exchange: str, day: date) -> dict[str, Any]:
    try:
        session = calendar.session(exchange, day)
    except OutsideCoverage:  # a special session whose hours were never published here
        session = None
    if session is None:
        return {"day": day.isoformat(), "kind": "hours unknown", "open": None, "close": None}
    return {
        "day": day.isoformat(),
        "kind": session.kind,
        "open": session.open.isoformat(),
        "close": session.close.isoformat(),
        "parts": [[start.isoformat(), end.isoformat()] for start, end in session.parts],
    }


def _feed(timeline_key: str, wall: datetime) -> dict[str, Any]:
    """What the market process says of itself; silent when it has not spoken for ten seconds."""
    said = feed.health(quotes.connection())
    if said is None or said.get("timeline", timeline_key) != timeline_key:
        return {"state": "silent", "age_seconds": None}
    age = (wall - datetime.fromisoformat(said["at"])).total_seconds()
    return {"state": said["state"], "age_seconds": round(max(age, 0.0), 1)}


def _state(exchange: str, now: datetime) -> dict[str, Any]:
    today = _known_session(exchange, ist_day(now))
    state = {"exchange": exchange, "open": today is not None and today.is_open(now)}
    ends = None if today is None or now >= today.close else today.close
    opens = today.open if today is not None and now < today.open else _next_open(exchange, now)
    return {
        **state,
        "next_open": None if opens is None else opens.isoformat(),
        "next_close": None if ends is None else ends.isoformat(),
        "spot_is_live": today is not None and calendar.spot_is_live(exchange, now),
    }


def _known_session(exchange: str, day: date) -> Session | None:
    try:
        return calendar.session(exchange, day)
    except OutsideCoverage:
        return None


def _next_open(exchange: str, now: datetime) -> datetime | None:
    """The next session's open; None where the calendar does not reach or know its hours."""
    try:
        session = calendar.session(exchange, calendar.next_trading_day(exchange, ist_day(now)))
    except OutsideCoverage:
        return None
    return None if session is None else session.open
