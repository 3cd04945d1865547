"""POST /options/live/ticket: how a program opens /ws/live."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from execution.live.tickets import TICKET_SECONDS, issue
from users.models import ApiKey


class TicketAnswer(serializers.Serializer):
    ticket = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="seconds; the ticket works once")
    path = serializers.CharField()


class LiveTicket(APIView):
    """A ticket shows its owner's data only, so a read key may ask for one."""

    moves_money = False

    @extend_schema(
        operation_id="live_ticket_create",
        summary="A single-use ticket for the live feed",
        request=None,
        responses={201: TicketAnswer},
        examples=[
            OpenApiExample(
                "ticket",
                value={"ticket": "q3…", "expires_in": 30, "path": "/ws/live?ticket=q3…"},
                response_only=True,
                status_codes=["201"],
            )
        ],
    )
    def post(self, request: Request) -> Response:
        key_id = request.auth.pk if isinstance(request.auth, ApiKey) else None
        assert request.user.pk is not None  # IsAuthenticated let it pass
        ticket = issue(user_id=request.user.pk, key_id=key_id)
        answer = {"ticket": ticket, "expires_in": TICKET_SECONDS, "path": f"/ws/live?ticket={ticket}"}
        return Response(answer, status=201)
