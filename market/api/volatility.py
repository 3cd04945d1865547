"""Implied volatility by strike and by expiry, and how the expiring series stands to the next."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from market.api import examples
from market.api.chain import EXPIRY, MOST, PAGE, UNDERLYING, WINDOW
from market.api.feeds import origin_of, page_of, running, series_asked
from market.catalogue import chain as catalogue
from market.catalogue import surface
from market.kernel.contracts import UNDERLYINGS
from market.kernel.pricing import DAY_COUNT
from users.api.serializers import StrictSerializer, query


class TermQuery(StrictSerializer):
    underlying = serializers.ChoiceField(choices=UNDERLYINGS)
    limit = serializers.IntegerField(min_value=1, max_value=MOST, default=MOST)
    cursor = serializers.CharField(max_length=40, required=False)


class SmileQuery(TermQuery):
    expiry = serializers.DateField(required=False)
    window = serializers.IntegerField(min_value=0, max_value=MOST, required=False)


class Smile(APIView):
    """The volatility of every strike that implies one, from the side out of the money. `weak`: one
    tick of the price moves it by more than a quarter, or that side is not quoted both ways."""

    @extend_schema(
        summary="Volatility smile",
        parameters=[UNDERLYING, EXPIRY, WINDOW, *PAGE],
        responses=OpenApiTypes.OBJECT,
        examples=[examples.SMILE],
    )
    def get(self, request: Request) -> Response:
        asked = query(SmileQuery, request)
        timeline, frame = running()
        underlying = asked["underlying"]
        _, expiry = series_asked(frame, underlying, asked.get("expiry"))
        found = catalogue.chain(frame, underlying, expiry)
        near = {row.strike for row in found.window(asked.get("window"))}
        points = [_smile_point(each) for each in surface.smile(found) if each.strike in near]
        return Response(
            {
                **origin_of(timeline, frame),
                "underlying": underlying,
                "expiry": expiry.isoformat(),
                "forward": None if found.forward is None else f"{found.forward:.2f}",
                "day_count": DAY_COUNT,
                **_page(points, "strike", asked),
            }
        )


class TermStructure(APIView):
    """The volatility at the money of every expiry. On an expiry day `expiring` compares the forward
    of the expiring series with the next one's: `excess` is what interest does not explain."""

    @extend_schema(
        summary="Volatility term structure",
        parameters=[UNDERLYING, *PAGE],
        responses=OpenApiTypes.OBJECT,
        examples=[examples.TERM],
    )
    def get(self, request: Request) -> Response:
        asked = query(TermQuery, request)
        timeline, frame = running()
        underlying = asked["underlying"]
        series_asked(frame, underlying, None)
        points = [_term_point(each) for each in surface.term_structure(frame, underlying)]
        return Response(
            {
                **origin_of(timeline, frame),
                "underlying": underlying,
                "day_count": DAY_COUNT,
                "expiring": _divergence(surface.divergence(frame, underlying)),
                **_page(points, "expiry", asked),
            }
        )


def _page(rows: list[dict[str, Any]], key: str, asked: dict[str, Any]) -> dict[str, Any]:
    page, following = page_of(rows, [row[key] for row in rows], asked)
    return {"data": page, "next_cursor": following}


def _smile_point(point: surface.SmilePoint) -> dict[str, Any]:
    return {
        "strike": str(point.strike),
        "moneyness": round(point.moneyness, 6),
        "iv": round(point.iv, 6),
        "weak": point.weak,
    }


def _term_point(point: surface.TermPoint) -> dict[str, Any]:
    return {
        "expiry": point.expiry.isoformat(),
        "days": round(point.days, 4),
        "forward": f"{point.forward:.2f}",
        "forward_is_synthetic": point.synthetic,
        "strike": str(point.strike),
        "iv": None if point.iv is None else round(point.iv, 6),
        "iv_flag": point.iv_flag,
    }


def _divergence(found: surface.Divergence | None) -> dict[str, Any] | None:
    if found is None:
        return None
    following = found.following
    return {
        "expiry": found.expiring.isoformat(),
        "forward": f"{found.expiring_forward:.2f}",
        "next_expiry": None if following is None else following.isoformat(),
        "next_forward": _points(found.following_forward),
        "difference": _points(found.difference),
        "carry": _points(found.carry),
        "excess": _points(found.excess),
        "spot": _points(found.spot),
        "spot_is_live": found.spot_is_live,
    }


def _points(value: Any) -> str | None:
    return None if value is None else f"{value:.2f}"
