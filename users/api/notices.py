"""What the signed-in user was told, and that they have read it."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from users import selectors, services
from users.api.authentication import caller
from users.api.lists import CursorPages
from users.api.serializers import BIGGEST, StrictSerializer
from users.models import Notice

EMPTY = OpenApiExample("Nothing to say", value={}, request_only=True)


class NoticeBody(serializers.ModelSerializer):
    class Meta:
        model = Notice
        fields = ("id", "kind", "severity", "title", "body", "link", "created_at", "read_at")


class Nothing(StrictSerializer):
    """No field at all: the path says everything."""


@extend_schema_view(get=extend_schema(summary="What the platform told you"))
class Notices(ListAPIView):
    """Everything the platform told you, newest first."""

    serializer_class = NoticeBody
    pagination_class = CursorPages

    def get_queryset(self):
        return selectors.notices_of(caller(self.request))


class NoticeRead(APIView):
    """Marking as read; the first time stays."""

    moves_money = False

    @extend_schema(
        summary="Mark a notice as read", request=Nothing, responses=NoticeBody, examples=[EMPTY]
    )
    def post(self, request: Request, notice_id: int) -> Response:
        Nothing(data=request.data).is_valid(raise_exception=True)
        notice = get_object_or_404(
            selectors.notices_of(caller(request)), pk=min(notice_id, BIGGEST)
        )
        notice = services.mark_read(user=caller(request), notice_id=notice.pk, now=timezone.now())
        return Response(NoticeBody(notice).data)
