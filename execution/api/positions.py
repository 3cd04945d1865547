"""What the user holds in the running world, valued at its last frame."""

from __future__ import annotations

from typing import Any

import orjson
import structlog
from drf_spectacular.utils import extend_schema
from redis.exceptions import ConnectionError as ValkeyDown
from redis.exceptions import TimeoutError as ValkeySlow
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from execution.api import bodies, examples
from execution.api.runs import COLUMNS, PairFilter, list_of, narrowed, parameters
from execution.engine import marks
from execution.live.feed import state_key
from execution.models import Position
from execution.selectors import positions_of
from market import quotes
from market.api.feeds import timeline_or_problem
from market.kernel.clock import IST, ist_day
from market.kernel.frame import Frame
from market.models import Timeline
from users.api.authentication import caller
from users.api.lists import CursorPages
from users.api.serializers import query

log = structlog.get_logger(__name__)

GREEKS = ("delta", "gamma", "theta", "vega", "iv")
Values = dict[str, Any]


class PositionFilter(PairFilter):
    open = serializers.BooleanField(required=False, help_text="true: only what is held now")


class Positions(APIView):
    """Your positions in the running world, closed ones of it too."""

    @extend_schema(
        summary="Positions with mark, P&L and Greeks", parameters=parameters(PositionFilter),
        responses=list_of(bodies.PositionBody),
        examples=[examples.listed("A short call", examples.POSITION)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        user, timeline = caller(request), timeline_or_problem()
        rows = positions_of(user, timeline).select_related("timeline")
        rows = narrowed(rows, PositionFilter, COLUMNS, request)
        wanted = query(PositionFilter, request).get("open")
        if wanted is not None:
            rows = rows.exclude(quantity=0) if wanted else rows.filter(quantity=0)
        pages = CursorPages()
        found = pages.paginate_queryset(rows, request)
        context = {"values": valued(found, last_frame(timeline), live_rows(user.pk, found))}
        return pages.get_paginated_response(bodies.PositionBody(found, many=True, context=context).data)


def last_frame(timeline: Timeline) -> Frame | None:
    """The last frame, or None while the market or Valkey is silent: then there are no prices."""
    try:
        return quotes.latest(timeline.key)
    except (ValkeyDown, ValkeySlow) as error:
        log.warning("no_frame_read", error=str(error))
        return None


def live_rows(owner: int, positions: list[Position]) -> dict[int, Values]:
    """The live feed's rows of these positions, as far as it has them."""
    if not positions:
        return {}
    keys = [f"p{position.pk}" for position in positions]
    try:
        found: Any = quotes.connection().hmget(state_key(str(owner), "positions"), keys)
    except (ValkeyDown, ValkeySlow) as error:
        log.warning("no_live_rows_read", error=str(error))
        return {}
    pairs = zip(positions, found, strict=True)
    return {position.pk: orjson.loads(row) for position, row in pairs if row is not None}


def valued(
    positions: list[Position], frame: Frame | None, live: dict[int, Values]
) -> dict[int, Values]:
    """By position, its mark and P&L at the frame and its Greeks of the live feed; null: not known."""
    return {
        position.pk: {
            **_prices(position, frame),
            **{name: live.get(position.pk, {}).get(name) for name in GREEKS},
        }
        for position in positions
    }


def _prices(position: Position, frame: Frame | None) -> Values:
    quote = frame.quote(position.contract.symbol) if frame else None
    if frame is None or (quote is None and position.quantity):
        return {"mark": None, "stale": bool(position.quantity), "pnl": None, "day_pnl": None, "asof": None}
    today = position.day == ist_day(frame.now)
    mark = marks.exit_mark(quote, position.quantity) if quote and position.quantity else None
    return {
        "mark": None if mark is None else str(mark),
        "stale": bool(quote and position.quantity and quote.stale(frame.now, frame.cadence)),
        "pnl": str(marks.gross_pnl([position], frame)),
        "day_pnl": str(marks.day_pnl([position], frame)) if today else None,
        "asof": frame.now.astimezone(IST).isoformat(),
    }
