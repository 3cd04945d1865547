"""The payoff of legs that need not exist yet: nothing is saved or sent."""

from __future__ import annotations

from datetime import date
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from market.api import examples
from market.api.feeds import origin_of, running
from market.catalogue.payoff import Payoff as Result
from market.catalogue.payoff import Priced, Wanted, payoff_of
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import ist_day
from market.kernel.contracts import UNDERLYINGS, Contract, expiries
from market.kernel.frame import Frame
from market.kernel.money import rupees
from users.api.fields import Lots, Price
from users.api.serializers import StrictSerializer
from users.errors import Refused

MOST_LEGS = 20
EXAMPLE = OpenApiExample(
    "A short strangle",
    value={
        "underlying": "NIFTY",
        "legs": [
            {"side": "SELL", "lots": 1, "option_type": "CE", "expiry": "2026-08-11", "strike": "24900"},
            {"side": "SELL", "lots": 1, "option_type": "PE", "expiry": "2026-08-11", "strike": "24300"},
        ],
    },
    request_only=True,
)  # fmt: skip


class PayoffLegBody(StrictSerializer):
    """`price` is what was paid or received a unit; left out, the middle of the market."""

    side = serializers.ChoiceField(choices=["BUY", "SELL"])
    lots = Lots(min_value=1, max_value=10_000)
    option_type = serializers.ChoiceField(choices=["CE", "PE", "FUT"])
    expiry = serializers.DateField()
    strike = Price(required=False, allow_null=True, default=None)
    price = Price(required=False, allow_null=True, default=None)


class PayoffBody(StrictSerializer):
    underlying = serializers.ChoiceField(choices=UNDERLYINGS)
    legs = PayoffLegBody(many=True, allow_empty=False, max_length=MOST_LEGS)  # type: ignore[call-arg] # many=True takes it


class Payoff(APIView):
    """Breakevens, bounds and two curves: at the first expiry, and today at the market's volatility.
    A bound of null has no end, unless `exact` is false: then it is not known."""

    moves_money = False

    @extend_schema(
        summary="Payoff of legs",
        request=PayoffBody,
        responses=OpenApiTypes.OBJECT,
        examples=[EXAMPLE, examples.PAYOFF],
    )
    def post(self, request: Request) -> Response:
        body = PayoffBody(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        timeline, frame = running()
        wanted = [
            _wanted(frame, asked["underlying"], leg, index)
            for index, leg in enumerate(asked["legs"])
        ]
        return Response({**origin_of(timeline, frame), **_document(payoff_of(frame, wanted))})


def _wanted(frame: Frame, underlying: str, leg: dict[str, Any], index: int) -> Wanted:
    try:
        contract = Contract(underlying, leg["expiry"], leg["option_type"], leg["strike"])
    except ValueError as error:
        raise Refused(
            "bad_strike",
            str(error),
            fix="Options have a strike above 0; futures have none.",
            field=f"legs/{index}/strike",
        ) from error
    if contract.expiry < ist_day(frame.now):
        raise _bad_expiry(index, f"{contract.symbol} has expired.")
    if contract.expiry not in _listed(frame, underlying):
        raise _bad_expiry(index, f"No {underlying} contract expires on {contract.expiry}.")
    quantity = leg["lots"] * contract.lot_size
    price = None if leg["price"] is None else float(leg["price"])
    return Wanted(contract, 1 if leg["side"] == "BUY" else -1, quantity, price)


def _listed(frame: Frame, underlying: str) -> set[date]:
    """The expiries of the running market, and those that the dated facts list."""
    played = {expiry for name, expiry in frame.forwards if name == underlying}
    try:
        return played | {each.day for each in expiries(underlying, ist_day(frame.now))}
    except OutsideCoverage:
        return played


def _bad_expiry(index: int, words: str) -> Refused:
    return Refused(
        "bad_expiry", words, fix="Use a listed expiry.", field=f"legs/{index}/expiry"
    )  # fmt: skip


def _document(found: Result) -> dict[str, Any]:
    return {
        "spot": _money(found.spot),
        "exact": found.exact,
        "premium": _money(found.premium),
        "breakevens": [_money(each) for each in found.breakevens],
        "max_profit": _money(found.max_profit),
        "max_loss": _money(found.max_loss),
        "legs": [_leg(each) for each in found.legs],
        "curve": [
            {"spot": _money(spot), "expiry": _money(end), "today": _money(now)}
            for spot, end, now in zip(found.spots, found.at_expiry, found.today, strict=True)
        ],
    }


def _leg(priced: Priced) -> dict[str, Any]:
    return {
        "symbol": priced.wanted.contract.symbol,
        "quantity": priced.leg.units,
        "price": _money(priced.leg.price),
        "price_given": priced.wanted.price is not None,
        "iv": None if priced.iv is None else round(priced.iv, 6),
    }


def _money(value: float | None) -> str | None:
    return None if value is None else str(rupees(value))
