"""What was earned, summed by pair, strategy, basket or broker, or day by day."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.aggregates import BoolOr
from django.db.models import QuerySet, Sum
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from execution.api import examples
from execution.api.runs import list_of
from execution.models import PerformanceMetric
from execution.selectors import ROLLUPS, performance_of, rollup
from market.api.feeds import timeline_or_problem
from users.api.authentication import caller
from users.api.fields import Money
from users.api.serializers import StrictSerializer, query

WAYS = (*ROLLUPS, "day")


class Period(StrictSerializer):
    by = serializers.ChoiceField(choices=WAYS, default="pair")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.DateField(required=False)

    def get_fields(self) -> dict[str, serializers.Field]:
        dates = {name: serializers.DateField(required=False) for name in ("from", "to")}
        return {**super().get_fields(), **dates}

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "from" in asked and "to" in asked and asked["to"] < asked["from"]:
            raise serializers.ValidationError({"to": "This is before from."})
        return asked


class SumBody(serializers.Serializer):
    """After charges; `peak_margin` and `provisional` only by day."""

    key = serializers.CharField()
    name = serializers.CharField()
    net = Money()
    gross = Money()
    charges = Money()
    orders = serializers.IntegerField()
    fills = serializers.IntegerField()
    peak_margin = Money(required=False, help_text="rupees, of all pairs of the day together")
    provisional = serializers.BooleanField(required=False, help_text="a settlement value is not official yet")


class Performance(APIView):
    """The active world's trading days, summed; days are newest first."""

    @extend_schema(
        summary="Performance by pair, strategy, basket, broker or day",
        parameters=[
            OpenApiParameter("by", {"type": "string", "enum": list(WAYS), "default": "pair"}),
            OpenApiParameter("from", OpenApiTypes.DATE),
            OpenApiParameter("to", OpenApiTypes.DATE),
            OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 100},
                             description="By day only: days in one answer"),
            OpenApiParameter("cursor", OpenApiTypes.DATE, description="By day only: days before it"),
        ],
        responses=list_of(SumBody),
        examples=[examples.listed("By strategy", examples.SUM), examples.listed("By day", examples.DAY)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        asked = query(Period, request)
        rows = performance_of(caller(request), timeline_or_problem())
        bounds = {"from": "trading_day__gte", "to": "trading_day__lte"}
        rows = rows.filter(**{bounds[name]: asked[name] for name in bounds if name in asked})
        if asked["by"] == "day":
            return _days(rows, asked)
        data = SumBody(rollup(rows, asked["by"]), many=True).data
        return Response({"data": data, "next_cursor": None})


def _days(rows: QuerySet[PerformanceMetric], asked: dict[str, Any]) -> Response:
    if "cursor" in asked:
        rows = rows.filter(trading_day__lt=asked["cursor"])
    sums = rows.order_by().values("trading_day").annotate(
        day_net=Sum("net"), day_charges=Sum("charges"), day_orders=Sum("orders"),
        day_fills=Sum("fills"), day_margin=Sum("peak_margin"),
        open_questions=BoolOr("provisional"),
    )  # fmt: skip
    found = list(sums.order_by("-trading_day")[: asked["limit"] + 1])
    page = found[: asked["limit"]]
    more = len(found) > len(page)
    return Response({
        "data": SumBody([_day(row) for row in page], many=True).data,
        "next_cursor": page[-1]["trading_day"].isoformat() if more else None,
    })  # fmt: skip


def _day(row: Any) -> dict[str, Any]:
    return {
        "key": row["trading_day"].isoformat(),
        "name": row["trading_day"].isoformat(),
        "net": row["day_net"],
        "gross": row["day_net"] + row["day_charges"],
        "charges": row["day_charges"],
        "orders": row["day_orders"],
        "fills": row["day_fills"],
        "peak_margin": row["day_margin"],
        "provisional": row["open_questions"],
    }
