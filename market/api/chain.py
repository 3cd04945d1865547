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
from market.api.feeds import no_series, origin_of, running
from market.catalogue import chain as catalogue
from market.kernel import calendar, contracts
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import IST, ist_day
from market.kernel.contracts import UNDERLYINGS, Contract
from users.api.serializers import StrictSerializer, query

DIGITS = {"iv": 6, "delta": 4, "gamma": 6, "theta": 2, "vega": 2}
MOST = 100


class ChainQuery(StrictSerializer):
    underlying = serializers.ChoiceField(choices=UNDERLYINGS)
    expiry = serializers.DateField(required=False)


class ContractsQuery(StrictSerializer):
    underlying = serializers.ChoiceField(choices=UNDERLYINGS)
    expiry = serializers.DateField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MOST, default=MOST)
    cursor = serializers.CharField(max_length=40, required=False)


UNDERLYING = OpenApiParameter(
    "underlying", {"type": "string", "enum": list(UNDERLYINGS)}, required=True
)
EXPIRY = OpenApiParameter("expiry", OpenApiTypes.DATE, description="Default: the nearest")


class Chain(APIView):
    """One expiry: both sides of every strike with IV and Greeks. Volume and open interest are not
    in our sources, so nothing is derived from them. Theta is a calendar day, vega a vol point."""

    @extend_schema(
        summary="Option chain",
        parameters=[UNDERLYING, EXPIRY],
        responses=OpenApiTypes.OBJECT,
        examples=[examples.CHAIN],
    )
    def get(self, request: Request) -> Response:
        asked = query(ChainQuery, request)
        timeline, frame = running()
        underlying = asked["underlying"]
        known = catalogue.expiries_in(frame, underlying)
        expiry = asked.get("expiry") or (known[0] if known else None)
        if expiry not in known:
            raise no_series(underlying, expiry, known)
        found = catalogue.chain(frame, underlying, expiry)
        return Response(
            {
                **origin_of(timeline, frame),
                "underlying": underlying,
                "expiry": expiry.isoformat(),
                "expiries": [day.isoformat() for day in known],
                "lot_size": found.lot_size,
                "spot": _text(found.spot),
                "forward": _text(found.forward),
                "forward_by_parity": (underlying, expiry) in frame.synthetic,
                "notes": list(frame.notes),
                "data": [_strike(row) for row in found.strikes],
            }
        )


class Contracts(APIView):
    """What the running market lists of an underlying, with the facts of the day."""

    @extend_schema(
        summary="Listed contracts",
        parameters=[
            UNDERLYING,
            OpenApiParameter("expiry", OpenApiTypes.DATE),
            OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST}),
            OpenApiParameter("cursor", OpenApiTypes.STR),
        ],
        responses=OpenApiTypes.OBJECT,
        examples=[examples.CONTRACTS],
    )
    def get(self, request: Request) -> Response:
        asked = query(ContractsQuery, request)
        timeline, frame = running()
        underlying, on = asked["underlying"], ist_day(frame.now)
        found = catalogue.listed(frame, underlying, asked.get("expiry"))
        page, following = _page(found, asked["limit"], asked.get("cursor"))
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
        "at": quote.at.astimezone(IST).isoformat(),
        "stale": side.stale,
        "iv_flag": side.iv_flag,
        **{n: None if v is None else round(v, DIGITS[n]) for n, v in greeks.items()},
    }


def _text(value: Any) -> str | None:
    return None if value is None else f"{value:.2f}"


def _page(
    found: list[Contract], limit: int, cursor: str | None
) -> tuple[list[Contract], str | None]:
    start = 0
    if cursor is not None:
        symbols = [each.symbol for each in found]
        start = symbols.index(cursor) + 1 if cursor in symbols else len(symbols)
    page = found[start : start + limit]
    return page, page[-1].symbol if start + limit < len(found) else None


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
