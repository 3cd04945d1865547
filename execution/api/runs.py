"""Runs and orders: what was to be done, what was sent, and why not."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from execution.api import bodies, examples
from execution.models import Order, StrategyExecution
from execution.selectors import executions_of, orders_of
from execution.states import OrderState
from users.api.authentication import caller
from users.api.lists import CursorPages, Page
from users.api.serializers import BIGGEST, query


def identifier() -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=BIGGEST, required=False)


class PairFilter(Page):
    """Narrows a list to what is about these."""

    basket = identifier()
    strategy = identifier()
    allocation = identifier()


class RunFilter(PairFilter):
    day = serializers.DateField(required=False)
    status = serializers.ChoiceField(choices=StrategyExecution.Status.choices, required=False)
    phase = serializers.ChoiceField(choices=StrategyExecution.Phase.choices, required=False)


class OrderFilter(PairFilter):
    execution = identifier()
    account = identifier()
    day = serializers.DateField(required=False)
    status = serializers.ChoiceField(choices=[s.value for s in OrderState], required=False)
    action = serializers.ChoiceField(choices=Order.Action.choices, required=False)


COLUMNS = {
    "basket": "allocation__strategy__basket",
    "strategy": "allocation__strategy",
    "allocation": "allocation",
}
RUN_COLUMNS = {**COLUMNS, "day": "trading_day", "status": "status", "phase": "phase"}
ORDER_COLUMNS = {
    **COLUMNS, "execution": "execution", "account": "broker_account", "status": "status",
    "day": "execution__trading_day", "action": "action",
}  # fmt: skip
ID = {"type": "integer", "minimum": 1}


def parameters(filters: type[PairFilter]) -> list[OpenApiParameter]:
    """The query parameters of a list, as the schema says them."""
    return [filters]  # type: ignore[list-item]  # spectacular expands a serializer


def narrowed(
    rows: QuerySet[Any], filters: type[PairFilter], columns: dict[str, str], request: Request
) -> QuerySet[Any]:
    """The rows that the query asks for; 422 names a wrong or unknown parameter."""
    asked = query(filters, request)
    return rows.filter(**{columns[name]: asked[name] for name in columns if name in asked})


def list_of(body: type[serializers.Serializer]) -> serializers.Serializer:
    """The shape of a list; next_cursor is null on the last page."""
    fields = {
        "data": body(many=True),
        "next_cursor": serializers.CharField(allow_null=True, help_text="send it as ?cursor="),
    }
    return inline_serializer(f"{body.__name__}List", fields)


class Executions(APIView):
    """Your runs, newest first."""

    @extend_schema(
        operation_id="executions_list", summary="Executions", parameters=parameters(RunFilter), responses=list_of(bodies.RunBody),
        examples=[examples.listed("An entry", examples.RUN)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        rows = executions_of(caller(request)).select_related("strategy_version")
        return paged(narrowed(rows, RunFilter, RUN_COLUMNS, request), request, bodies.RunBody)


class Execution(APIView):
    """One run with its orders and what was said of each."""

    @extend_schema(
        summary="One execution with its orders", responses=bodies.RunWithOrders,
        examples=[examples.answer("An entry", {
            **examples.RUN, "orders": [{**examples.ORDER, "events": [examples.EVENT]}]})],
    )  # fmt: skip
    def get(self, request: Request, execution_id: int) -> Response:
        user = caller(request)
        rows = executions_of(user).select_related("strategy_version")
        run = get_object_or_404(rows, pk=min(execution_id, BIGGEST))
        orders = orders_of(user).filter(execution=run).select_related("timeline", "allocation__broker_account")
        orders = orders.prefetch_related("events").order_by("wave", "leg_number", "slice", "attempt")
        return Response(bodies.RunWithOrders(run, context={"orders": list(orders)}).data)


class Orders(APIView):
    """Your orders, newest first."""

    @extend_schema(
        operation_id="orders_list", summary="Orders", parameters=parameters(OrderFilter), responses=list_of(bodies.OrderBody),
        examples=[examples.listed("A filled order", examples.ORDER)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        rows = orders_of(caller(request)).select_related("timeline", "allocation__broker_account")
        return paged(narrowed(rows, OrderFilter, ORDER_COLUMNS, request), request, bodies.OrderBody)


class OneOrder(APIView):
    """One order with its fills and events."""

    @extend_schema(
        summary="One order with its fills and events", responses=bodies.OrderWithFills,
        examples=[examples.answer("A filled order", {
            **examples.ORDER, "events": [examples.EVENT], "fills": [examples.FILL]})],
    )  # fmt: skip
    def get(self, request: Request, order_id: int) -> Response:
        rows = orders_of(caller(request)).select_related("timeline", "allocation__broker_account")
        order = get_object_or_404(rows.prefetch_related("events", "fills"), pk=min(order_id, BIGGEST))
        return Response(bodies.OrderWithFills(order).data)


def paged(rows: QuerySet[Any], request: Request, body: Any, **context: Any) -> Response:
    pages = CursorPages()
    found = pages.paginate_queryset(rows, request)
    return pages.get_paginated_response(body(found, many=True, context=context).data)
