"""Alarm channels, managed only by a person in the browser: they carry what the desk knows outside."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from users import alarm_services, selectors
from users.alarms import TOPICS
from users.api.authentication import caller, origin
from users.api.lists import CursorPages
from users.api.serializers import BIGGEST, StrictSerializer
from users.models import AlarmChannel, AlarmDelivery

EXAMPLE = OpenApiExample(
    "A webhook",
    value={"kind": "webhook", "name": "Pager", "address": "https://pager.example.com/desk", "lowest": "critical"},
    request_only=True,
)


class ChannelBody(serializers.ModelSerializer):
    class Meta:
        model = AlarmChannel
        fields: tuple[str, ...] = ("id", "kind", "name", "address", "lowest", "topics", "created_at")


class NewChannel(StrictSerializer):
    """`address` is the webhook's URL or the Telegram chat; `token` is the Telegram bot's."""

    kind = serializers.ChoiceField(choices=AlarmChannel.Kind.choices)
    name = serializers.CharField(max_length=80)
    address = serializers.CharField(max_length=400)
    token = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    lowest = serializers.ChoiceField(
        choices=AlarmChannel.Lowest.choices, required=False, default=AlarmChannel.Lowest.WARNING
    )
    topics = serializers.ListField(
        child=serializers.ChoiceField(choices=list(TOPICS)), required=False, max_length=len(TOPICS),
        default=list, help_text="empty: all",
    )  # fmt: skip


class CreatedChannel(ChannelBody):
    secret = serializers.CharField(help_text="Signs a webhook; shown once. Empty for Telegram.")

    class Meta(ChannelBody.Meta):
        fields = (*ChannelBody.Meta.fields, "secret")


class DeliveryBody(serializers.ModelSerializer):
    """A test on its way; the list of channels and the settings page show what became of it."""

    class Meta:
        model = AlarmDelivery
        fields = ("id", "status", "attempts")


@extend_schema_view(get=extend_schema(summary="Your alarm channels"))
class Channels(ListAPIView):
    """Where you are alarmed besides the desk and e-mail, newest first."""

    session_only = True
    serializer_class = ChannelBody
    pagination_class = CursorPages

    def get_queryset(self):
        return selectors.channels_of(caller(self.request))

    @extend_schema(
        summary="Add an alarm channel", request=NewChannel, responses={201: CreatedChannel}, examples=[EXAMPLE]
    )
    def post(self, request: Request) -> Response:
        body = NewChannel(data=request.data)
        body.is_valid(raise_exception=True)
        channel, secret = alarm_services.add_channel(
            user=caller(request), **body.validated_data, **_origin(request), now=timezone.now()
        )
        return Response({**ChannelBody(channel).data, "secret": secret}, status=status.HTTP_201_CREATED)


class Channel(APIView):
    """One channel."""

    session_only = True

    @extend_schema(summary="Remove an alarm channel", request=None, responses={204: None})
    def delete(self, request: Request, channel_id: int) -> Response:
        channel = _channel(request, channel_id)
        alarm_services.end_channel(
            user=caller(request), channel_id=channel.pk, **_origin(request), now=timezone.now()
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class ChannelTest(APIView):
    """Whether it arrives."""

    session_only = True

    @extend_schema(summary="Send a test through a channel", request=None, responses={202: DeliveryBody})
    def post(self, request: Request, channel_id: int) -> Response:
        channel = _channel(request, channel_id)
        delivery = alarm_services.send_test(user=caller(request), channel_id=channel.pk, now=timezone.now())
        return Response(DeliveryBody(delivery).data, status=status.HTTP_202_ACCEPTED)


def _channel(request: Request, channel_id: int) -> AlarmChannel:
    return get_object_or_404(selectors.channels_of(caller(request)), pk=min(channel_id, BIGGEST))


def _origin(request: Request) -> dict[str, Any]:
    named = origin(request)
    return {"source": named["source"], "ip": named["address"]}
