"""The payoff of legs that need not exist yet: nothing is saved or sent."""

from __future__ import annotations

from collections.abc import Sequence
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
from market.catalogue.legs import Priced, Wanted
from market.catalogue.payoff import Payoff as Result
from market.catalogue.payoff import Target, payoff_of
from market.catalogue.scenarios import scenarios
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import IST, ist_day
from market.kernel.contracts import UNDERLYINGS, Contract, expiries
from market.kernel.frame import Frame
from market.kernel.money import rupees
from market.kernel.outlook import DEFINITION, Band
from market.kernel.pricing import DAY_COUNT
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
        "target_date": "2026-08-07",
        "scenarios": {"percents": ["-2", "0", "2"], "days": [0, 3], "points": ["0", "5"]},
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


class Move(serializers.DecimalField):
    """A move in per cent or points, finite and within bounds that no market has passed in a day."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=5, decimal_places=2, min_value=-50, max_value=50, **options)


class ScenariosBody(StrictSerializer):
    """Moves of the index in per cent, calendar days from now, shifts of volatility in points."""

    percents = serializers.ListField(child=Move(), allow_empty=False, max_length=41)
    days = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=366), allow_empty=False, max_length=12
    )
    points = serializers.ListField(child=Move(), allow_empty=False, max_length=9)


class PayoffBody(StrictSerializer):
    """`target_date` is a trading day up to the first expiry; left out, the day halfway. With
    `scenarios` the answer has the profit at every combination of the moves."""

    underlying = serializers.ChoiceField(choices=UNDERLYINGS)
    legs = PayoffLegBody(many=True, allow_empty=False, max_length=MOST_LEGS)  # type: ignore[call-arg] # many=True takes it
    target_date = serializers.DateField(required=False, allow_null=True, default=None)
    scenarios = ScenariosBody(required=False, allow_null=True, default=None)


class Payoff(APIView):
    """Breakevens, bounds, bands, odds, and profit by spot: at the first expiry, on a target date
    (at its settlement time) and now, each leg at the volatility it has now.

    A bound of null has no end. `exact` is false when legs outlive the first expiry: then breakevens
    and bounds are those found for spots from 0 to `searched_to`. `target` is null when no trading
    day lies in between, bands and probability when the at-the-money strike implies no volatility.
    Everything is before charges."""

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
        found = payoff_of(frame, wanted, asked["target_date"])
        grid = None if asked["scenarios"] is None else _grid(found, asked["scenarios"])
        return Response({**origin_of(timeline, frame), **_document(found), "scenarios": grid})


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
        "expiry": found.expiry.isoformat(),
        "exact": found.exact,
        "searched_to": _money(found.searched_to),
        "premium": _money(found.premium),
        "breakevens": [_money(each) for each in found.breakevens],
        "max_profit": _money(found.max_profit),
        "max_loss": _money(found.max_loss),
        "probability_of_profit": _share(found.probability_of_profit),
        "probability_definition": DEFINITION,
        "day_count": DAY_COUNT,
        "atm_iv": None if found.atm_vol is None else round(found.atm_vol, 6),
        "bands": _bands(found.bands),
        "target": _target(found.target),
        "legs": [_leg(each) for each in found.legs],
        "curve": _curve(found),
    }


def _grid(found: Result, asked: dict[str, Any]) -> dict[str, Any]:
    """`profit` by [per cent][day][points], in the order in which they were asked for."""
    percents, points = ([float(move) for move in asked[name]] for name in ("percents", "points"))
    grid = scenarios(found.legs, found.spot, percents=percents, days=asked["days"], points=points)
    return {
        "spots": [_money(spot) for spot in grid.spots.tolist()],
        "days": asked["days"],
        "points": points,
        "profit": [[[_money(v) for v in row] for row in day] for day in grid.profit.tolist()],
    }


def _target(target: Target | None) -> dict[str, Any] | None:
    if target is None:
        return None
    at = target.at.astimezone(IST).isoformat()
    return {"day": target.day.isoformat(), "at": at, "bands": _bands(target.bands)}


def _bands(bands: Sequence[Band]) -> list[dict[str, Any]]:
    return [
        {"sigma": band.sigma, "low": _money(band.low), "high": _money(band.high),
         "probability": _share(band.probability)}
        for band in bands
    ]  # fmt: skip


def _curve(found: Result) -> list[dict[str, str | None]]:
    targets = found.target.profit if found.target else [None] * len(found.spots)
    rows = zip(found.spots, found.at_expiry, targets, found.today, strict=True)
    return [
        {
            "spot": _money(spot),
            "expiry": _money(end),
            "target": _money(target),
            "today": _money(now),
        }
        for spot, end, target, now in rows
    ]


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


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
