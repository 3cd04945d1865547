"""API keys, managed only by a person in the browser."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from users import selectors, services
from users.api.authentication import caller, origin
from users.api.lists import CursorPages
from users.api.serializers import BIGGEST, StrictSerializer
from users.models import ApiKey

SHOWN = (
    "id",
    "name",
    "prefix",
    "scope",
    "expires_at",
    "revoked_at",
    "last_used_at",
    "created_at",
)


EXAMPLE = OpenApiExample(
    "A key that reads",
    value={"name": "Spreadsheet", "scope": "read", "expires_at": "2027-08-04T00:00:00+05:30"},
    request_only=True,
)


class KeyBody(serializers.ModelSerializer):
    class Meta:
        model = ApiKey
        fields = SHOWN


class NewKey(StrictSerializer):
    name = serializers.CharField(max_length=80)
    scope = serializers.ChoiceField(choices=ApiKey.Scope.choices)
    expires_at = serializers.DateTimeField()


class CreatedKey(serializers.ModelSerializer):
    token = serializers.CharField(help_text="Shown once; send it as Authorization: Bearer.")

    class Meta:
        model = ApiKey
        fields = (*SHOWN, "token")


@extend_schema_view(get=extend_schema(summary="Your API keys"))
class Keys(ListAPIView):
    """Your keys, newest first, also those revoked or expired."""

    session_only = True
    serializer_class = KeyBody
    pagination_class = CursorPages

    def get_queryset(self):
        return selectors.keys_of(caller(self.request))

    @extend_schema(
        summary="Create an API key", request=NewKey, responses={201: CreatedKey}, examples=[EXAMPLE]
    )
    def post(self, request: Request) -> Response:
        body = NewKey(data=request.data)
        body.is_valid(raise_exception=True)
        key, token = services.create_api_key(
            user=caller(request), **body.validated_data, **origin(request), now=timezone.now()
        )
        answer = {**KeyBody(key).data, "token": token}
        return Response(answer, status=status.HTTP_201_CREATED)


class Key(APIView):
    """One key; a revoked key stays in the list."""

    session_only = True

    @extend_schema(summary="Revoke an API key", request=None, responses={204: None})
    def delete(self, request: Request, key_id: int) -> Response:
        key = get_object_or_404(selectors.keys_of(caller(request)), pk=min(key_id, BIGGEST))
        services.revoke_api_key(
            user=caller(request), key_id=key.pk, **origin(request), now=timezone.now()
        )
        return Response(status=status.HTTP_204_NO_CONTENT)
