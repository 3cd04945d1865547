"""A run as a picture in data: pair, leg, slice, with the moment of everything."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from execution import lanes
from execution.api import examples
from execution.api.bodies import FillBody
from execution.api.runs import list_of
from execution.codes import GROUPS
from execution.selectors import executions_of
from execution.views.words import ORDER_WORDS, reason
from execution.views.words import fix as fix_of
from users.api.authentication import caller
from users.api.fields import Money
from users.api.serializers import BIGGEST


class SliceBody(serializers.Serializer):
    """One order: ready, answered, filled, ended, in market time. `sent` says whether a byte may have left."""

    order_id = serializers.IntegerField(source="order.pk")
    slice = serializers.IntegerField(source="order.slice")
    attempt = serializers.IntegerField(source="order.attempt")
    quantity = serializers.IntegerField(source="order.quantity")
    filled_quantity = serializers.IntegerField(source="order.filled_quantity")
    sent = serializers.BooleanField(source="was_sent")
    status = serializers.CharField(source="order.status")
    state = serializers.SerializerMethodField(help_text="the status in words")
    code = serializers.CharField(source="order.code")
    why = serializers.SerializerMethodField()
    fix = serializers.SerializerMethodField()
    ready_at = serializers.DateTimeField(source="order.created_at")
    answered_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(source="order.finished_at", allow_null=True)
    slippage = Money(allow_null=True)
    fills = FillBody(many=True)

    def get_state(self, each: lanes.Slice) -> str:
        return ORDER_WORDS[each.order.status][0]

    def get_why(self, each: lanes.Slice) -> str:
        return reason(each.order)

    def get_fix(self, each: lanes.Slice) -> str:
        return fix_of(each.order.code)


class LaneBody(serializers.Serializer):
    leg_number = serializers.IntegerField()
    action = serializers.CharField()
    side = serializers.CharField()
    contract = serializers.CharField(source="symbol")
    slices = SliceBody(many=True)


class PairLanesBody(serializers.Serializer):
    """One pair's run: its legs in the order they were sent."""

    execution_id = serializers.IntegerField(source="run.pk")
    allocation_id = serializers.IntegerField(source="run.allocation_id")
    broker = serializers.CharField(source="run.allocation.broker_account.broker")
    label = serializers.CharField(source="run.allocation.broker_account.label")  # type: ignore[assignment]  # a declared field
    lots = serializers.IntegerField(source="run.lots")
    status = serializers.CharField(source="run.status")
    orders_sent = serializers.IntegerField(source="sent")
    orders_filled = serializers.IntegerField(source="filled")
    slippage = Money(allow_null=True, help_text="rupees against the mid at arrival, negative is a cost")
    legs = LaneBody(many=True, source="lanes")


class PictureBody(serializers.Serializer):
    """All pairs that ran the same phase and cycle of the strategy that day."""

    pairs = PairLanesBody(many=True)


class RunTimeline(APIView):
    """What became of each slice when, on this pair and on its siblings at other brokers."""

    @extend_schema(
        operation_id="execution_timeline", summary="Timeline of an execution", responses=PictureBody,
        examples=[examples.answer("An entry", {"pairs": [examples.PAIR_LANES]})],
    )  # fmt: skip
    def get(self, request: Request, execution_id: int) -> Response:
        user = caller(request)
        run = get_object_or_404(executions_of(user), pk=min(execution_id, BIGGEST))
        return Response(PictureBody(lanes.picture_of(user, run)).data)


class CodeBody(serializers.Serializer):
    code = serializers.CharField()
    group = serializers.CharField()
    why = serializers.CharField()
    fix = serializers.CharField()


class Codes(APIView):
    """Every code of a denial, rejection or end, in plain words, with what can be done."""

    @extend_schema(
        operation_id="executions_codes", summary="Codes and their fixes", responses=list_of(CodeBody),
        examples=[examples.listed("One of them", examples.CODE)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        caller(request)
        rows = [
            {"code": code, "group": group, "why": each.text, "fix": each.fix}
            for group, codes in GROUPS.items()
            for code, each in codes.items()
        ]
        return Response({"data": CodeBody(rows, many=True).data, "next_cursor": None})
