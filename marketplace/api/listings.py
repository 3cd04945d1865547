"""What the marketplace offers."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from baskets.models import BasketVersion
from marketplace import selectors
from marketplace.models import Listing
from users.api.authentication import caller
from users.api.fields import Money
from users.api.lists import CursorPages
from users.api.serializers import BIGGEST


class TermsBody(serializers.Serializer):
    monthly_fee = Money()
    performance_rate = serializers.DecimalField(max_digits=5, decimal_places=4)
    gst_registered = serializers.BooleanField()


class OfferedStrategy(serializers.Serializer):
    strategy_id = serializers.IntegerField()
    name = serializers.CharField()


class OfferedVersion(serializers.Serializer):
    number = serializers.IntegerField()
    published_at = serializers.DateTimeField()
    strategies = serializers.SerializerMethodField()

    @extend_schema_field(OfferedStrategy(many=True))
    def get_strategies(self, version: BasketVersion) -> list[dict[str, object]]:
        return [{"strategy_id": row["strategy"], "name": row["name"]} for row in version.contents]


class LimitBody(serializers.Serializer):
    strategy_id = serializers.IntegerField()
    max_lots = serializers.IntegerField()
    max_day_loss = Money()
    max_margin = Money()
    max_open_positions = serializers.IntegerField()
    max_delta = Money(allow_null=True, help_text="rupees an index point; null: no limit")
    max_vega = Money(allow_null=True, help_text="rupees a vol point; null: no limit")


class ListingBody(serializers.ModelSerializer):
    basket_id = serializers.IntegerField()
    name = serializers.CharField(source="basket.name")
    description = serializers.CharField(source="basket.description")
    minimum_capital = Money()
    subscribed = serializers.BooleanField()
    version = serializers.SerializerMethodField()
    terms = serializers.SerializerMethodField()
    limits = LimitBody(many=True, help_text="The widest a subscriber's pair may have.")

    class Meta:
        model = Listing
        fields: tuple[str, ...] = (
            "id",
            "basket_id",
            "name",
            "description",
            "summary",
            "risks",
            "minimum_capital",
            "status",
            "subscribed",
            "version",
            "terms",
            "limits",
        )

    @extend_schema_field(OfferedVersion(allow_null=True))
    def get_version(self, listing: Any) -> Any:
        newest = listing.basket.offered
        return OfferedVersion(newest[0]).data if newest else None

    @extend_schema_field(TermsBody(allow_null=True))
    def get_terms(self, listing: Any) -> Any:
        return TermsBody(listing.agreed[0]).data if listing.agreed else None


class TrackBody(serializers.Serializer):
    days = serializers.IntegerField()
    net = Money(help_text="After charges, before fees.")
    fees = Money()
    peak_margin = Money()
    return_on_margin = serializers.DecimalField(max_digits=12, decimal_places=4, allow_null=True)
    max_drawdown = Money()
    median_subscriber = serializers.DecimalField(max_digits=12, decimal_places=4, allow_null=True)


class TrackRecordBody(serializers.Serializer):
    live = TrackBody(allow_null=True)
    paper = TrackBody(allow_null=True)


class ListingDetail(ListingBody):
    track_record = serializers.SerializerMethodField()

    class Meta(ListingBody.Meta):
        fields: tuple[str, ...] = (*ListingBody.Meta.fields, "track_record")

    @extend_schema_field(TrackRecordBody)
    def get_track_record(self, listing: Listing) -> Any:
        return TrackRecordBody(self.context["record"]).data


@extend_schema_view(get=extend_schema(summary="Baskets on offer"))
class Listings(ListAPIView):
    """Published baskets, newest first, and withdrawn ones that you still subscribe to."""

    serializer_class = ListingBody
    pagination_class = CursorPages

    def get_queryset(self):
        return selectors.listing_for(caller(self.request))


class OneListing(APIView):
    """One listing with its track record: live days apart from paper days."""

    @extend_schema(summary="One offer with its track record", responses=ListingDetail)
    def get(self, request: Request, listing_id: int) -> Response:
        rows = selectors.listing_for(caller(request))
        listing = get_object_or_404(rows, pk=min(listing_id, BIGGEST))
        record = selectors.track_record(listing, viewer=caller(request))
        return Response(ListingDetail(listing, context={"record": record}).data)
