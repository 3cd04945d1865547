"""Receipts of kills, square-offs and exits: what was closed, what is left, what the broker's book says."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from execution import receipts, services
from execution.api import examples
from execution.api.runs import list_of
from execution.models import Receipt
from users.api.authentication import caller
from users.api.lists import CursorPages, Page
from users.api.serializers import BIGGEST


class PartBody(serializers.Serializer):
    """One broker account; `verified_at` is the market time at which the broker's own book was flat."""

    account = serializers.CharField()
    positions_closed = serializers.IntegerField()
    positions_open = serializers.IntegerField()
    orders_ended = serializers.IntegerField()
    orders_open = serializers.IntegerField()
    left = serializers.ListField(child=serializers.CharField(), help_text="what is open in our books")
    said = serializers.ListField(
        child=serializers.CharField(), help_text="what the broker's book has besides"
    )
    left_to_expire = serializers.ListField(
        child=serializers.CharField(),
        help_text="worthless longs that nobody bids for: all that is left of what is verified flat",
    )
    verified_at = serializers.DateTimeField(allow_null=True)


class ReceiptHead(serializers.ModelSerializer):
    """An act that closes. `verified_flat` once every account's own book says so; worthless longs may be
    left to expire, its accounts name them."""

    scope = serializers.CharField()
    timeline = serializers.CharField(source="timeline.key")
    verified_flat = serializers.SerializerMethodField()

    class Meta:
        model = Receipt
        fields: tuple[str, ...] = ("id", "verb", "scope", "target", "name", "timeline", "at", "verified_flat")

    def get_verified_flat(self, receipt: Receipt) -> bool:
        return all(part.verified_at is not None for part in receipt.accounts.all())


class ReceiptBody(ReceiptHead):
    """With its accounts, as they are now."""

    accounts = serializers.SerializerMethodField()

    class Meta(ReceiptHead.Meta):
        fields = (*ReceiptHead.Meta.fields, "accounts")

    @extend_schema_field(PartBody(many=True))
    def get_accounts(self, receipt: Receipt) -> object:
        return PartBody(self.context["parts"], many=True).data


class Receipts(APIView):
    """Your receipts, newest first."""

    @extend_schema(
        operation_id="risk_receipts_list", summary="Receipts of kills, square-offs and exits", responses=list_of(ReceiptHead), parameters=[Page],
        examples=[examples.listed("A kill", examples.RECEIPT_HEAD)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        pages = CursorPages()
        rows = pages.paginate_queryset(receipts.receipts_of(caller(request)), request)
        return pages.get_paginated_response(ReceiptHead(rows, many=True).data)


class OneReceipt(APIView):
    """How far one act has come, and whether the brokers' own books confirm it."""

    @extend_schema(
        summary="A receipt with its progress", responses=ReceiptBody,
        examples=[examples.answer("A kill", examples.RECEIPT)],
    )  # fmt: skip
    def get(self, request: Request, receipt_id: int) -> Response:
        mine = receipts.receipts_of(caller(request))
        receipt = get_object_or_404(mine, pk=min(receipt_id, BIGGEST))
        return Response(ReceiptBody(receipt, context={"parts": services.progress_of(receipt)}).data)
