"""Pairs of a strategy, and the allocation matrix of a basket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from allocations import selectors, services
from allocations.api import bodies
from allocations.models import StrategyBrokerAllocation
from baskets.models import Basket
from baskets.selectors import readable_baskets
from brokers.models import BrokerAccount
from brokers.selectors import open_accounts_of
from strategies.models import Strategy
from strategies.selectors import strategies_of
from users.api.authentication import caller, origin, paper_only
from users.api.idempotency import idempotent
from users.api.lists import CursorPages, Page
from users.api.schema import list_of
from users.api.serializers import StrictSerializer
from users.errors import Conflict, Forbidden, Refused

LIMITS = {
    "lots": 2,
    "product": "NRML",
    "max_lots": 4,
    "max_day_loss": "25000.00",
    "max_margin": "400000.00",
    "max_open_positions": 8,
}
NEW = OpenApiExample("Two lots", value={"broker_account_id": 1, **LIMITS}, request_only=True)
REPLACE = OpenApiExample("Two lots", value=LIMITS, request_only=True)
CHANGE = OpenApiExample("Three lots", value={"lots": 3}, request_only=True)
MATRIX = OpenApiExample(
    "One pair", value={"rows": [{"strategy_id": 1, "broker_account_id": 1, **LIMITS}]},
    request_only=True,
)  # fmt: skip
IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string"},
    OpenApiParameter.HEADER,
    required=False,
    description="The ETag you read; 412 when the object has changed since.",
)
PAIR: dict[str, Any] = {"responses": bodies.AllocationBody, "parameters": [IF_MATCH]}


class StrategyBrokers(APIView):
    """Your pairs of one strategy: one a broker account."""

    @extend_schema(summary="Allocations of a strategy", responses=list_of(bodies.AllocationBody), parameters=[Page])
    def get(self, request: Request, strategy_id: int) -> Response:
        strategy = _strategy(request, strategy_id)
        pages = CursorPages()
        pairs = selectors.allocations_of(caller(request)).filter(strategy=strategy)
        rows = pages.paginate_queryset(pairs, request)
        return pages.get_paginated_response(_rows(rows))

    @extend_schema(
        summary="Allocate lots of a strategy to a broker account",
        request=bodies.NewPair,
        responses={201: bodies.AllocationBody},
        examples=[NEW],
    )
    @idempotent(required=False)
    def post(self, request: Request, strategy_id: int) -> Response:
        strategy = _strategy(request, strategy_id)
        data = _valid(bodies.NewPair, request)
        pair = services.create_allocation(
            user=caller(request),
            strategy=strategy,
            broker_account=_account(request, data["broker_account_id"]),
            terms=bodies.as_terms(data),
            now=timezone.now(),
            **origin(request),
        )
        return _one(pair, status=status.HTTP_201_CREATED)


class StrategyBroker(APIView):
    """One pair."""

    @extend_schema(
        summary="Replace a pair's lots and limits", request=bodies.PairBody, examples=[REPLACE], **PAIR
    )
    def put(self, request: Request, strategy_id: int, allocation_id: int) -> Response:
        pair = _pair(request, strategy_id, allocation_id)
        return self._set(request, pair, bodies.as_terms(_valid(bodies.PairBody, request)))

    @extend_schema(
        summary="Change some of a pair's lots and limits", request=bodies.PairChange,
        examples=[CHANGE], **PAIR,
    )  # fmt: skip
    def patch(self, request: Request, strategy_id: int, allocation_id: int) -> Response:
        pair = _pair(request, strategy_id, allocation_id)
        data = _valid(bodies.PairChange, request)
        return self._set(request, pair, bodies.as_terms(data, selectors.wanted_terms(pair)))

    @extend_schema(
        summary="Remove a pair",
        description="No more entries of it; exits of open positions go on. Its rows are kept.",
        responses={204: None},
    )
    def delete(self, request: Request, strategy_id: int, allocation_id: int) -> Response:
        pair = _pair(request, strategy_id, allocation_id)
        _refuse_live(request, pair.broker_account)
        services.archive_allocation(
            user=caller(request), allocation=pair, now=timezone.now(), **origin(request)
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _set(self, request: Request, pair: StrategyBrokerAllocation, terms: Any) -> Response:
        _refuse_live(request, pair.broker_account)
        changed = services.set_allocation(
            user=caller(request), allocation=pair, terms=terms, if_match=sent_version(request),
            now=timezone.now(), **origin(request),
        )  # fmt: skip
        return _one(changed)


class AllocationMatrix(APIView):
    """Every pair of a basket at once: strategies down, broker accounts across."""

    @extend_schema(summary="The allocation matrix of a basket", responses=bodies.MatrixBody)
    def get(self, request: Request, basket_id: int) -> Response:
        basket = _basket(request, basket_id)
        return _matrix(basket, list(selectors.matrix_of(caller(request), basket)))

    @extend_schema(
        summary="Replace the allocation matrix, all or nothing",
        request=bodies.Matrix,
        responses=bodies.MatrixBody,
        parameters=[IF_MATCH],
        examples=[MATRIX],
    )
    def put(self, request: Request, basket_id: int) -> Response:
        basket = _basket(request, basket_id)
        rows = [
            services.MatrixRow(
                strategy_id=cell["strategy_id"],
                broker_account_id=cell["broker_account_id"],
                terms=bodies.as_terms(cell),
            )
            for cell in _valid(bodies.Matrix, request)["rows"]
        ]
        _refuse_live_rows(request, basket, rows)
        saved = services.save_matrix(
            user=caller(request), basket=basket, rows=rows, if_match=_if_match(request),
            now=timezone.now(), **origin(request),
        )  # fmt: skip
        return _matrix(basket, saved)


def _basket(request: Request, basket_id: int) -> Basket:
    return get_object_or_404(readable_baskets(caller(request)), pk=basket_id)


def _strategy(request: Request, strategy_id: int) -> Strategy:
    return get_object_or_404(strategies_of(caller(request)), pk=strategy_id)


def _pair(request: Request, strategy_id: int, allocation_id: int) -> StrategyBrokerAllocation:
    mine = selectors.allocations_of(caller(request)).filter(strategy=strategy_id)
    return get_object_or_404(mine, pk=allocation_id)


def _account(request: Request, account_id: int) -> BrokerAccount:
    account = open_accounts_of(caller(request)).filter(pk=account_id).first()
    if account is None:
        raise Refused("unknown_account", f"You have no broker account {account_id}.",
                      fix="Use an account of your own.", field="broker_account_id")  # fmt: skip
    _refuse_live(request, account)
    return account


def _refuse_live(request: Request, account: BrokerAccount) -> None:
    if account.mode == BrokerAccount.Mode.LIVE and paper_only(request):
        raise Forbidden("paper_key", "A paper key cannot touch a live account.",
                        fix="Use a trade key.")  # fmt: skip


def _refuse_live_rows(request: Request, basket: Basket, rows: list[services.MatrixRow]) -> None:
    if not paper_only(request):
        return
    held = {pair.broker_account_id for pair in selectors.matrix_of(caller(request), basket)}
    touched = held | {row.broker_account_id for row in rows}
    for account in open_accounts_of(caller(request)).filter(pk__in=touched):
        _refuse_live(request, account)


def _valid(body: type[StrictSerializer], request: Request) -> dict[str, Any]:
    serializer = body(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _if_match(request: Request) -> str | None:
    """The ETag the caller read, without its quotes; None when there is no header, or it is *."""
    sent = request.headers.get("If-Match")
    return None if sent in (None, "*") else sent.strip().removeprefix("W/").strip('"')


def sent_version(request: Request) -> int | None:
    """The version in If-Match; None when there is no header. Conflict when it is none of ours."""
    sent = _if_match(request)
    if sent is None:
        return None
    if not sent.isdecimal():
        raise Conflict("version_moved", f"{sent!r} is no version of these limits.",
                       fix="Send the ETag as you read it.")  # fmt: skip
    return int(sent)


def _rows(pairs: Iterable[StrategyBrokerAllocation]) -> list[dict[str, Any]]:
    shown = list(pairs)
    context = {"states": selectors.effective_states(shown)}
    return bodies.AllocationBody(shown, many=True, context=context).data  # type: ignore[return-value]  # many=True gives a list


def _one(pair: StrategyBrokerAllocation, status: int = 200) -> Response:
    return Response(_rows([pair])[0], status=status, headers={"ETag": f'"{pair.version}"'})


def _matrix(basket: Basket, pairs: list[StrategyBrokerAllocation]) -> Response:
    version = selectors.matrix_etag(pairs)
    data = {"basket_id": basket.pk, "version": version, "rows": _rows(pairs)}
    return Response(data, headers={"ETag": f'"{version}"'})
