"""Subscribe, look, apply or keep a new version, leave; and what it cost."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from allocations.models import StrategyBrokerAllocation
from marketplace import selectors, services
from marketplace.api.listings import TermsBody
from marketplace.models import Invoice, Listing, Subscription
from users.api.authentication import caller, origin, paper_only
from users.api.fields import Lots, Money
from users.api.idempotency import idempotent
from users.api.lists import CursorPages
from users.api.problems import Problem
from users.api.serializers import BIGGEST, StrictSerializer

NEW = OpenApiExample(
    "One strategy on one account",
    value={
        "listing_id": 1,
        "rows": [
            {
                "strategy_id": 4,
                "broker_account_id": 1,
                "lots": 1,
                "max_lots": 2,
                "max_day_loss": "10000.00",
                "max_margin": "300000.00",
                "max_open_positions": 4,
            }
        ],
    },
    request_only=True,
)
LEAVE = OpenApiExample(
    "Keep what is open", value={"close_positions": False}, request_only=True
)
APPLY = OpenApiExample("Run the newest version", value={"choice": "apply"}, request_only=True)


class SubscriptionBody(serializers.ModelSerializer):
    listing_id = serializers.IntegerField(source="basket.listing.pk")
    basket_id = serializers.IntegerField()
    basket = serializers.CharField(source="basket.name")
    version = serializers.IntegerField(source="version.number")
    newest_version = serializers.IntegerField(source="newest_number")
    terms = TermsBody()
    high_water_mark = Money()
    fees_due = Money(help_text="So far, GST included.")
    fees_notional = Money(help_text="Of paper accounts: never invoiced.")

    class Meta:
        model = Subscription
        fields: tuple[str, ...] = (
            "id",
            "listing_id",
            "basket_id",
            "basket",
            "status",
            "version",
            "newest_version",
            "terms",
            "high_water_mark",
            "fees_due",
            "fees_notional",
            "started_at",
            "left_at",
            "closed_at",
        )


class ChangeBody(serializers.Serializer):
    version = serializers.IntegerField(source="version.number")
    added = serializers.ListField(child=serializers.CharField())
    removed = serializers.ListField(child=serializers.CharField())
    changed = serializers.ListField(child=serializers.CharField())
    terms = TermsBody(allow_null=True)


class SubscriptionDetail(SubscriptionBody):
    version_change = serializers.SerializerMethodField()

    class Meta(SubscriptionBody.Meta):
        fields: tuple[str, ...] = (*SubscriptionBody.Meta.fields, "version_change")

    @extend_schema_field(ChangeBody(allow_null=True))
    def get_version_change(self, subscription: Subscription) -> Any:
        """What applying the newest version would change; null when there is nothing to decide."""
        change = self.context["change"]
        return None if change is None else ChangeBody(change).data


class PairRow(StrictSerializer):
    strategy_id = serializers.IntegerField(min_value=1)
    broker_account_id = serializers.IntegerField(min_value=1)
    lots = Lots(min_value=1)
    product = serializers.ChoiceField(
        choices=StrategyBrokerAllocation.Product.choices,
        default=StrategyBrokerAllocation.Product.NRML,
    )
    max_lots = Lots(min_value=1, required=False)
    max_day_loss = Money(max_digits=14, required=False)
    max_margin = Money(max_digits=16, required=False)
    max_open_positions = serializers.IntegerField(min_value=1, max_value=32_000, required=False)
    max_delta = Money(max_digits=14, min_value=0, required=False, help_text="rupees an index point")
    max_vega = Money(max_digits=14, min_value=0, required=False, help_text="rupees a vol point")


class NewSubscription(StrictSerializer):
    listing_id = serializers.IntegerField(min_value=1)
    rows = PairRow(many=True, allow_empty=False)


class Leaving(StrictSerializer):
    close_positions = serializers.BooleanField(
        help_text="true squares off now; false leaves open positions to their own exits."
    )


class Choice(StrictSerializer):
    choice = serializers.ChoiceField(choices=["apply", "keep"])


@extend_schema_view(get=extend_schema(summary="Your subscriptions"))
class Subscriptions(ListAPIView):
    """Your subscriptions, newest first, also those you have left."""

    serializer_class = SubscriptionBody
    pagination_class = CursorPages

    def get_queryset(self):
        return selectors.subscriptions_of(caller(self.request))

    @extend_schema(
        summary="Subscribe to a listing",
        request=NewSubscription,
        responses={201: SubscriptionDetail},
        examples=[NEW],
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        body = _checked(NewSubscription, request)
        rows = selectors.listing_for(caller(request))
        subscription = services.subscribe(
            user=caller(request),
            listing=_listing(rows, body["listing_id"]),
            rows=[services.Row(**row) for row in body["rows"]],
            paper_only=paper_only(request),
            **origin(request),
            now=timezone.now(),
        )
        return _answer(request, subscription.pk, status.HTTP_201_CREATED)


class OneSubscription(APIView):
    """One subscription, with what its basket's newest version would change."""

    @extend_schema(summary="One subscription", responses=SubscriptionDetail)
    def get(self, request: Request, subscription_id: int) -> Response:
        return _answer(request, subscription_id)


class Leave(APIView):
    """No more entries; open positions are kept or squared off. Also later: leave again to close."""

    never_throttled = True

    @extend_schema(
        summary="Leave a subscription",
        request=Leaving,
        responses=SubscriptionDetail,
        examples=[LEAVE],
    )
    @idempotent(required=False)
    def post(self, request: Request, subscription_id: int) -> Response:
        held = _mine(request, subscription_id)
        body = _checked(Leaving, request)
        services.leave(
            user=caller(request), subscription=held, **body, **origin(request), now=timezone.now()
        )
        return _answer(request, held.pk)


class Version(APIView):
    """Apply the curator's newest version, or keep the one you run."""

    @extend_schema(
        summary="Apply or keep a version",
        request=Choice,
        responses=SubscriptionDetail,
        examples=[APPLY],
    )
    @idempotent(required=False)
    def post(self, request: Request, subscription_id: int) -> Response:
        held = _mine(request, subscription_id)
        choice = _checked(Choice, request)["choice"]
        decide = services.apply_version if choice == "apply" else services.keep_version
        decide(user=caller(request), subscription=held, **origin(request), now=timezone.now())
        return _answer(request, held.pk)


class InvoiceBody(serializers.ModelSerializer):
    subscription_id = serializers.IntegerField()
    basket = serializers.CharField(source="subscription.basket.name")
    total = Money(help_text="GST included.")

    class Meta:
        model = Invoice
        fields = ("id", "subscription_id", "basket", "period", "total", "status", "issued_at")


@extend_schema_view(get=extend_schema(summary="Your invoices"))
class Invoices(ListAPIView):
    """Your invoices, newest first; paper accounts are never invoiced."""

    serializer_class = InvoiceBody
    pagination_class = CursorPages

    def get_queryset(self):
        return selectors.invoices_of(caller(self.request))


def _checked(kind: type[StrictSerializer], request: Request) -> dict[str, Any]:
    body = kind(data=request.data)
    body.is_valid(raise_exception=True)
    return body.validated_data


def _listing(rows, listing_id: int) -> Listing:
    listing = rows.filter(pk=min(listing_id, BIGGEST)).first()
    if listing is None:
        raise Problem(
            422,
            "unknown_listing",
            "Bad input",
            detail=f"There is no listing {listing_id}.",
            fix="Use the id of a listing in /options/marketplace/listings.",
            pointer="/listing_id",
        )
    return listing


def _mine(request: Request, subscription_id: int) -> Subscription:
    rows = selectors.subscriptions_of(caller(request))
    return get_object_or_404(rows, pk=min(subscription_id, BIGGEST))


def _answer(request: Request, subscription_id: int, code: int = status.HTTP_200_OK) -> Response:
    subscription = _mine(request, subscription_id)
    change = selectors.version_change(subscription, now=timezone.now())
    return Response(SubscriptionDetail(subscription, context={"change": change}).data, status=code)
