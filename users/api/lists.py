"""Lists: {"data": [...], "next_cursor": "..." | null}, ?limit up to 100, newest first."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from users.api.serializers import BIGGEST, StrictSerializer


class Page(StrictSerializer):
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.IntegerField(min_value=0, max_value=BIGGEST, required=False)


class CursorPages(BasePagination):
    """Keyset pages by id, so rows that arrive meanwhile are neither doubled nor skipped.

    A view may set `oldest_first = True`.
    """

    next_cursor: str | None = None

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any]:
        given = {
            name: request.query_params[name]
            for name in ("limit", "cursor")
            if name in request.query_params
        }
        page = Page(data=given)
        page.is_valid(raise_exception=True)
        rows = self._rows(
            queryset, page.validated_data, oldest_first=getattr(view, "oldest_first", False)
        )
        limit = page.validated_data["limit"]
        self.next_cursor = str(rows[limit - 1].pk) if len(rows) > limit else None
        return rows[:limit]

    def _rows(
        self, queryset: QuerySet[Any], page: dict[str, int], *, oldest_first: bool
    ) -> list[Any]:
        order, beyond = ("pk", "pk__gt") if oldest_first else ("-pk", "pk__lt")
        if "cursor" in page:
            queryset = queryset.filter(**{beyond: page["cursor"]})
        return list(queryset.order_by(order)[: page["limit"] + 1])

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"data": data, "next_cursor": self.next_cursor})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["data", "next_cursor"],
            "properties": {
                "data": schema,
                "next_cursor": {
                    "type": ["string", "null"],
                    "description": "Send it as ?cursor= for the next page; null on the last one.",
                },
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
        return [
            {"name": "limit", "in": "query", "required": False, "schema": limit},
            {"name": "cursor", "in": "query", "required": False, "schema": {"type": "string"}},
        ]


def page(
    request: Request, queryset: QuerySet[Any], serializer_class: type[Any], **context: Any
) -> Response:
    """One page of the queryset for a plain APIView."""
    pages = CursorPages()
    rows = pages.paginate_queryset(queryset, request)
    data = serializer_class(rows, many=True, context={"request": request, **context}).data
    return pages.get_paginated_response(data)
