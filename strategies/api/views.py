"""One basket with its strategies, and strategies with their legs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from baskets import services as baskets
from baskets.api import BasketBody
from baskets.models import Basket
from baskets.selectors import readable_baskets
from strategies import selectors, services
from strategies.api import bodies
from strategies.models import Strategy
from strategies.presets import PRESETS
from users.api.authentication import caller, origin
from users.api.lists import CursorPages
from users.api.schema import list_of
from users.api.serializers import StrictSerializer

FROM_PRESET = OpenApiExample(
    "From a preset",
    value={"preset": "iron_condor", "underlying": "NIFTY", "name": "Iron Condor", "width": 4},
    request_only=True,
)
TERMS = OpenApiExample(
    "A bull put spread",
    value={
        "name": "Bull Put Spread",
        "entry_time": "09:20",
        "exit_time": "15:10",
        "legs": [
            {"side": "BUY", "option_type": "PE", "strike_rule": "atm", "strike_value": "-4", "expiry_rule": "this_week"},
            {"side": "SELL", "option_type": "PE", "strike_rule": "atm", "strike_value": "0", "expiry_rule": "this_week"},
        ],
    },
    request_only=True,
)  # fmt: skip
CHANGE = OpenApiExample("Exit earlier", value={"exit_time": "15:00"}, request_only=True)
STOPS = OpenApiExample(
    "Stops and a lock",
    value={
        "stop_loss": "3000.00", "trail": "stepped", "trail_every": "500.00", "trail_by": "250.00",
        "lock_at": "2000.00", "lock_profit": "800.00", "break_even": True,
        "legs": [
            {"side": "SELL", "option_type": "CE", "strike_value": "4", "expiry_rule": "this_week",
             "stop": "30", "stop_unit": "percent"},
            {"side": "SELL", "option_type": "PE", "strike_value": "-4", "expiry_rule": "this_week",
             "stop": "30", "stop_unit": "percent", "trail": "continuous"},
        ],
        "naked_calls": 1, "naked_puts": 1,
    },
    request_only=True,
)  # fmt: skip
GUARDED = OpenApiExample(
    "Entry guards, and one re-entry after a stop",
    value={
        "min_credit": "1500.00", "max_spread_percent": "5.00", "vix_max": "22.00",
        "skip_days": ["2027-02-01"], "reentry": "asap", "reentry_count": 1, "reentry_until": "13:00",
    },
    request_only=True,
)  # fmt: skip
RENAME = OpenApiExample("A new name", value={"name": "Weekly income"}, request_only=True)
BASKET: dict[str, Any] = {"responses": bodies.BasketShape}
STRATEGY: dict[str, Any] = {"responses": bodies.StrategyShape}


class BasketDetail(APIView):
    """One basket with its strategies; a published one may be read by everyone signed in."""

    @extend_schema(summary="One basket with its strategies", **BASKET)
    def get(self, request: Request, basket_id: int) -> Response:
        return self._answer(request, _basket(request, basket_id))

    @extend_schema(
        summary="Replace name and description", request=bodies.BasketReplacement,
        examples=[RENAME], **BASKET,
    )  # fmt: skip
    def put(self, request: Request, basket_id: int) -> Response:
        return self._edit(request, basket_id, bodies.BasketReplacement)

    @extend_schema(
        summary="Change name or description", request=bodies.BasketChange, examples=[RENAME], **BASKET
    )
    def patch(self, request: Request, basket_id: int) -> Response:
        return self._edit(request, basket_id, bodies.BasketChange)

    @extend_schema(
        summary="Archive a basket",
        description="Entries end; exits of open positions go on. Its rows are kept.",
        responses={204: None},
    )
    def delete(self, request: Request, basket_id: int) -> Response:
        baskets.archive_basket(
            by=caller(request), basket=_basket(request, basket_id), now=timezone.now(), **origin(request)
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _edit(self, request: Request, basket_id: int, body: type[StrictSerializer]) -> Response:
        basket = _basket(request, basket_id)
        changed = baskets.edit_basket(
            by=caller(request), basket=basket, now=timezone.now(), **origin(request),
            **_valid(body, request),
        )  # fmt: skip
        return self._answer(request, changed)

    def _answer(self, request: Request, basket: Basket) -> Response:
        shown = list(selectors.strategies_in(basket, caller(request)).order_by("pk"))
        data = BasketBody(basket, context={"request": request}).data
        return Response({**data, "strategies": _strategies(request, shown)})


class BasketStrategies(APIView):
    """Strategies of one basket."""

    @extend_schema(
        summary="Add a strategy to a basket",
        request=bodies.NewStrategy,
        responses={201: bodies.StrategyShape},
        examples=[FROM_PRESET],
    )
    def post(self, request: Request, basket_id: int) -> Response:
        basket = _basket(request, basket_id)
        data = _valid(bodies.NewStrategy, request)
        now = timezone.now()
        strategy = services.create_strategy(
            by=caller(request),
            basket=basket,
            name=data.get("name") or _preset_name(data),
            underlying=data["underlying"],
            terms=_new_terms(data, now),
            preset=data.get("preset", ""),
            now=now,
            **origin(request),
        )
        return _one(request, strategy, status=status.HTTP_201_CREATED)


@extend_schema(summary="Your strategies and those you subscribe to", responses=bodies.StrategyShape)
class Strategies(ListAPIView):
    """Strategies across all your baskets, newest first."""

    serializer_class = bodies.StrategyBody
    pagination_class = CursorPages

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        rows = self.paginate_queryset(selectors.strategies_of(caller(request))) or []
        return self.get_paginated_response(_strategies(request, rows))


class StrategyDetail(APIView):
    """One strategy. Every change of its terms is a new version; pairs enter it next time."""

    @extend_schema(summary="One strategy with its legs", **STRATEGY)
    def get(self, request: Request, strategy_id: int) -> Response:
        return _one(request, _strategy(request, strategy_id))

    @extend_schema(
        summary="Replace a strategy's terms", request=bodies.Replacement, examples=[TERMS], **STRATEGY
    )
    def put(self, request: Request, strategy_id: int) -> Response:
        strategy = _strategy(request, strategy_id)
        data = _valid(bodies.Replacement, request)
        return self._revise(request, strategy, data["name"], bodies.as_terms(data))

    @extend_schema(
        summary="Change some of a strategy's terms", request=bodies.Change, examples=[CHANGE, STOPS, GUARDED],
        **STRATEGY,
    )  # fmt: skip
    def patch(self, request: Request, strategy_id: int) -> Response:
        strategy = _strategy(request, strategy_id)
        data = _valid(bodies.Change, request)
        base = selectors.terms(selectors.newest_version(strategy))
        return self._revise(request, strategy, data.get("name"), bodies.as_terms(data, base))

    @extend_schema(
        summary="Archive a strategy",
        description="Entries end; exits of open positions go on. Its rows are kept.",
        responses={204: None},
    )
    def delete(self, request: Request, strategy_id: int) -> Response:
        services.archive_strategy(
            by=caller(request), strategy=_strategy(request, strategy_id), now=timezone.now(),
            **origin(request),
        )  # fmt: skip
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _revise(self, request: Request, strategy: Strategy, name: str | None, terms: Any) -> Response:
        changed = services.revise_strategy(
            by=caller(request), strategy=strategy, name=name, terms=terms, now=timezone.now(),
            **origin(request),
        )  # fmt: skip
        return _one(request, changed)


class Presets(APIView):
    """Ready-made strategies."""

    @extend_schema(summary="Presets", responses=list_of(bodies.PresetBody))
    def get(self, request: Request) -> Response:
        return Response({"data": bodies.PresetBody(PRESETS.values(), many=True).data, "next_cursor": None})


def _basket(request: Request, basket_id: int) -> Basket:
    return get_object_or_404(readable_baskets(caller(request)), pk=basket_id)


def _strategy(request: Request, strategy_id: int) -> Strategy:
    return get_object_or_404(selectors.strategies_of(caller(request)), pk=strategy_id)


def _valid(body: type[StrictSerializer], request: Request) -> dict[str, Any]:
    serializer = body(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _preset_name(data: dict[str, Any]) -> str:
    preset = data.get("preset")
    return PRESETS[preset].name if preset else ""


def _new_terms(data: dict[str, Any], now: Any) -> Any:
    if "preset" in data:
        base = services.preset_terms(
            preset=data["preset"], underlying=data["underlying"], offset=data.get("offset"),
            width=data.get("width"), now=now,
        )  # fmt: skip
        return bodies.as_terms(data, base)
    missing = {name: "Send it, or a preset." for name in ("legs", "entry_time") if name not in data}
    if missing:
        raise serializers.ValidationError(missing, code="required")
    return bodies.as_terms(data)


def _strategies(request: Request, rows: Iterable[Strategy]) -> list[dict[str, Any]]:
    shown = list(rows)
    context = {"request": request, "versions": selectors.versions_for(caller(request), shown)}
    return bodies.StrategyBody(shown, many=True, context=context).data  # type: ignore[return-value]  # many=True gives a list


def _one(request: Request, strategy: Strategy, status: int = 200) -> Response:
    return Response(_strategies(request, [strategy])[0], status=status)
