"""The option chain and the listed contracts."""

from __future__ import annotations

from datetime import date
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from market.api import examples
from market.api.feeds import no_series, origin_of, page_of, running, series_asked
from market.catalogue import chain as catalogue
from market.catalogue.interest import Interest
from market.kernel import calendar, contracts
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import IST, ist_day
from market.kernel.contracts import UNDERLYINGS, Contract
from market.kernel.pricing import DAY_COUNT
from market.kernel.spot import spot_lives
from users.api.serializers import StrictSerializer, query

DIGITS = {"iv": 6, "delta": 4, "gamma": 6, "theta": 2, "vega": 2}
MOST = 100


class ChainQuery(StrictSerializer):
    underlying = serializers.ChoiceField(choices=UNDERLYINGS)
    expiry = serializers.DateField(required=False)
    window = serializers.IntegerField(min_value=0, max_value=MOST, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MOST, default=MOST)
    cursor = serializers.CharField(max_length=40, required=False)


class ContractsQuery(StrictSerializer):
    underlying = serializers.ChoiceField(choices=UNDERLYINGS)
    expiry = serializers.DateField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MOST, default=MOST)
    cursor = serializers.CharField(max_length=40, required=False)


UNDERLYING = OpenApiParameter(
    "underlying", {"type": "string", "enum": list(UNDERLYINGS)}, required=True
)
EXPIRY = OpenApiParameter("expiry", OpenApiTypes.DATE, description="Default: the nearest")


WINDOW = OpenApiParameter(
    "window", {"type": "integer", "minimum": 0, "maximum": MOST},
    description="Strikes on each side of the money; default: all",
)  # fmt: skip
PAGE = [
    OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST}),
    OpenApiParameter("cursor", OpenApiTypes.STR),
]


class Chain(APIView):
    """One expiry: both sides of every strike with IV and Greeks; theta is a calendar day, vega a
    point of volatility. Open interest and volume are units, null where the source does not tell
    them; the ratios and max pain are of the whole expiry, whatever part of it is asked for."""

    @extend_schema(
        summary="Option chain",
        parameters=[UNDERLYING, EXPIRY, WINDOW, *PAGE],
        responses=OpenApiTypes.OBJECT,
        examples=[examples.CHAIN],
    )
    def get(self, request: Request) -> Response:
        asked = query(ChainQuery, request)
        timeline, frame = running()
        underlying = asked["underlying"]
        known, expiry = series_asked(frame, underlying, asked.get("expiry"))
        found = catalogue.chain(frame, underlying, expiry)
        page, following = _strikes(found, asked)
        return Response(
            {
                **origin_of(timeline, frame),
                "underlying": underlying,
                "expiry": expiry.isoformat(),
                "expiries": [day.isoformat() for day in known],
                "lot_size": found.lot_size,
                "spot": _text(found.spot),
                "spot_is_live": spot_lives(contracts.exchange_of(underlying), frame.now),
                "forward": _text(found.forward),
                "forward_is_synthetic": (underlying, expiry) in frame.synthetic,
                "day_count": DAY_COUNT,
                "interest": _interest(found.interest),
                "notes": list(frame.notes),
                "data": [_strike(row) for row in page],
                "next_cursor": following,
            }
        )


class Contracts(APIView):
    """What the running market lists of an underlying, with the facts of the day."""

    @extend_schema(
        summary="Listed contracts",
        parameters=[
            UNDERLYING,
            OpenApiParameter("expiry", OpenApiTypes.DATE),
            *PAGE,
        ],
        responses=OpenApiTypes.OBJECT,
        examples=[examples.CONTRACTS],
    )
    def get(self, request: Request) -> Response:
        asked = query(ContractsQuery, request)
        timeline, frame = running()
        underlying, on = asked["underlying"], ist_day(frame.now)
        found = catalogue.listed(frame, underlying, asked.get("expiry"))
        page, following = page_of(found, [each.symbol for each in found], asked)
        return Response(
            {
                **origin_of(timeline, frame),
                "underlying": underlying,
                "exchange": contracts.exchange_of(underlying),
                "strike_step": str(contracts.strike_step(underlying)),
                "freeze_quantity": contracts.freeze_quantity(underlying, on),
                "expiries": [_expiry(underlying, each, on) for each in _expiries(underlying, on)],
                "data": [_contract(each) for each in page],
                "next_cursor": following,
            }
        )


def _strikes(
    found: catalogue.Chain, asked: dict[str, Any]
) -> tuple[list[catalogue.Strike], str | None]:
    """The page of the window, and the strike after which the next one begins."""
    rows = list(found.window(asked.get("window")))
    return page_of(rows, [str(row.strike) for row in rows], asked)


def _interest(found: Interest) -> dict[str, Any]:
    return {
        "call_oi": found.call_oi,
        "put_oi": found.put_oi,
        "pcr_oi": _ratio(found.pcr_oi),
        "call_volume": found.call_volume,
        "put_volume": found.put_volume,
        "pcr_volume": _ratio(found.pcr_volume),
        "max_pain": None if found.max_pain is None else str(found.max_pain),
        "oi_unknown": found.oi_unknown,
    }


def _ratio(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _strike(row: catalogue.Strike) -> dict[str, Any]:
    return {
        "strike": str(row.strike),
        "moneyness": None if row.moneyness is None else round(row.moneyness, 6),
        "at_the_money": row.at_the_money,
        "call": _side(row.call),
        "put": _side(row.put),
    }


def _side(side: catalogue.Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    quote = side.quote
    greeks = {name: getattr(side, name) for name in DIGITS}
    return {
        "symbol": side.symbol,
        "ltp": _text(quote.ltp),
        "bid": _text(quote.bid),
        "ask": _text(quote.ask),
        "bid_quantity": quote.bid_quantity,
        "ask_quantity": quote.ask_quantity,
        "oi": quote.oi,
        "volume": quote.volume,
        "in_the_money": side.in_the_money,
        "at": quote.at.astimezone(IST).isoformat(),
        "stale": side.stale,
        "iv_flag": side.iv_flag,
        **{n: None if v is None else round(v, DIGITS[n]) for n, v in greeks.items()},
    }


def _text(value: Any) -> str | None:
    return None if value is None else f"{value:.2f}"


def _expiries(underlying: str, on: date) -> list[contracts.Expiry]:
    try:
        return contracts.expiries(underlying, on)
    except OutsideCoverage as error:
        raise no_series(underlying, error, []) from error


def _expiry(underlying: str, expiry: contracts.Expiry, on: date) -> dict[str, Any]:
    lot = contracts.lot_size(underlying, expiry.day)
    settles = calendar.settlement_time(contracts.exchange_of(underlying), expiry.day)
    return {
        "day": expiry.day.isoformat(),
        "kind": expiry.kind,
        "lot_size": lot,
        "largest_order": contracts.max_order_quantity(underlying, on, lot),
        "settles_at": settles.isoformat(),
    }


def _contract(contract: Contract) -> dict[str, Any]:
    return {
        "symbol": contract.symbol,
        "expiry": contract.expiry.isoformat(),
        "option_type": contract.option_type,
        "strike": None if contract.strike is None else str(contract.strike),
        "lot_size": contract.lot_size,
        "tick_size": str(contract.tick_size),
    }
