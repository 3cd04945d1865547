"""/options/baskets: the list. One basket with its strategies is answered by the app strategies."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from baskets import selectors, services
from baskets.models import Basket
from users.api.authentication import caller, origin
from users.api.lists import CursorPages
from users.api.serializers import StrictSerializer, query

EXAMPLE = OpenApiExample(
    "A basket",
    value={"name": "Conservative Income Strategies", "description": "Weekly income, limited risk."},
    request_only=True,
)


class BasketBody(serializers.ModelSerializer):
    """A basket; `read_only` when it is not yours to change."""

    read_only = serializers.SerializerMethodField()  # type: ignore[assignment]  # a declared field

    class Meta:
        model = Basket
        fields: tuple[str, ...] = (
            "id",
            "name",
            "description",
            "kind",
            "status",
            "read_only",
            "created_at",
            "updated_at",
        )

    def get_read_only(self, basket: Basket) -> bool:
        return basket.owner_id != self.context["request"].user.pk


class NewBasket(StrictSerializer):
    name = serializers.CharField(max_length=120)
    description = serializers.CharField(max_length=4000, required=False, default="", allow_blank=True)


class Source(StrictSerializer):
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a declared field
        choices=["mine", "marketplace"], default="mine"
    )
    limit = serializers.CharField(required=False)
    cursor = serializers.CharField(required=False)


class Baskets(ListAPIView):
    """Your baskets and those you subscribe to, newest first; or the marketplace's."""

    serializer_class = BasketBody
    pagination_class = CursorPages

    def get_queryset(self) -> QuerySet[Basket]:
        if query(Source, self.request)["source"] == "marketplace":
            return selectors.published_baskets()
        return selectors.visible_baskets(caller(self.request))

    @extend_schema(
        summary="Your baskets, or the marketplace's",
        parameters=[
            OpenApiParameter(
                "source", {"type": "string", "enum": ["mine", "marketplace"], "default": "mine"}
            )
        ],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        summary="Create a basket",
        request=NewBasket,
        responses={201: BasketBody},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        body = NewBasket(data=request.data)
        body.is_valid(raise_exception=True)
        basket = services.create_basket(
            owner=caller(request), now=timezone.now(), **origin(request), **body.validated_data
        )
        data = BasketBody(basket, context={"request": request}).data
        return Response(data, status=status.HTTP_201_CREATED)
