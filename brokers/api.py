"""/options/broker-accounts: a user's accounts and the money in them; secrets go in, never out."""

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

from brokers import registry, selectors, services
from brokers.models import BrokerAccount
from brokers.types import ReadFailed
from users.api.authentication import caller, origin, paper_only
from users.api.fields import Money
from users.api.lists import CursorPages
from users.api.problems import Problem
from users.api.serializers import BIGGEST, StrictSerializer
from users.errors import Forbidden

EXAMPLE = OpenApiExample(
    "A paper account",
    value={
        "broker": "zerodha",
        "mode": "paper",
        "client_id": "PAPERZE1",
        "label": "Zerodha paper",
        "capital": "2500000.00",
    },
    request_only=True,
)


CHANGE = OpenApiExample("A new name", value={"label": "Zerodha, second desk"}, request_only=True)


class AccountBody(serializers.ModelSerializer):
    capital = Money()

    class Meta:
        model = BrokerAccount
        fields = (
            "id",
            "broker",
            "mode",
            "client_id",
            "label",
            "capital",
            "token_valid_until",
            "archived_at",
            "created_at",
        )


class NewAccount(StrictSerializer):
    broker = serializers.ChoiceField(choices=BrokerAccount.Broker.choices)
    mode = serializers.ChoiceField(choices=BrokerAccount.Mode.choices)
    client_id = serializers.RegexField(r"\A[A-Za-z0-9]+\Z", max_length=40)
    label = serializers.CharField(max_length=80, required=False, default="")  # type: ignore[assignment]  # a declared field
    capital = Money(min_value=0, max_digits=14)
    secrets = serializers.DictField(
        child=serializers.CharField(max_length=500),
        required=False,
        default=dict,
        write_only=True,
        help_text="Live accounts only: what the broker's login needs. It is never shown again.",
    )


class AccountChange(StrictSerializer):
    label = serializers.CharField(max_length=80, required=False)  # type: ignore[assignment]  # a declared field
    capital = Money(min_value=0, max_digits=14, required=False)


class FundsBody(serializers.Serializer):
    balance = Money()
    used = Money()
    available = Money()


@extend_schema_view(get=extend_schema(summary="Your broker accounts that are not archived"))
class Accounts(ListAPIView):
    """Your broker accounts, newest first."""

    serializer_class = AccountBody
    pagination_class = CursorPages

    def get_queryset(self) -> Any:
        return selectors.open_accounts_of(caller(self.request))

    @extend_schema(
        summary="Add a broker account",
        request=NewAccount,
        responses={201: AccountBody},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        body = NewAccount(data=request.data)
        body.is_valid(raise_exception=True)
        fields = dict(body.validated_data)
        account = services.add_account(
            user=caller(request),
            live_secrets=fields.pop("secrets"),
            may_go_live=not paper_only(request),
            act=_act(request),
            **fields,
        )
        return Response(AccountBody(account).data, status=status.HTTP_201_CREATED)


class Account(APIView):
    """One of your broker accounts, archived ones too."""

    @extend_schema(summary="One broker account", responses=AccountBody)
    def get(self, request: Request, account_id: int) -> Response:
        return Response(AccountBody(_mine(request, account_id)).data)

    @extend_schema(
        summary="Rename a broker account or set its capital",
        request=AccountChange,
        responses=AccountBody,
        examples=[CHANGE],
    )
    def patch(self, request: Request, account_id: int) -> Response:
        account = _mine_to_change(request, account_id)
        body = AccountChange(data=request.data)
        body.is_valid(raise_exception=True)
        changed = services.change_account(account=account, act=_act(request), **body.validated_data)
        return Response(AccountBody(changed).data)

    @extend_schema(
        summary="Archive a broker account that is flat", request=None, responses={204: None}
    )
    def delete(self, request: Request, account_id: int) -> Response:
        account = _mine_to_change(request, account_id)
        services.archive_account(account=account, act=_act(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class AccountFunds(APIView):
    """What the broker says is in the account now."""

    @extend_schema(summary="Funds of a broker account", responses=FundsBody)
    def get(self, request: Request, account_id: int) -> Response:
        wire = registry.adapter_for(_mine(request, account_id))
        try:
            funds = wire.funds()
        except ReadFailed as error:
            raise _broker_silent(error) from error
        return Response(FundsBody(funds).data)


def _mine(request: Request, account_id: int) -> BrokerAccount:
    accounts = selectors.accounts_of(caller(request))
    return get_object_or_404(accounts, pk=min(account_id, BIGGEST))


def _mine_to_change(request: Request, account_id: int) -> BrokerAccount:
    account = _mine(request, account_id)
    if account.mode == BrokerAccount.Mode.LIVE and paper_only(request):
        raise Forbidden(
            "paper_key",
            "This API key is for paper accounts only.",
            fix="Sign in with the browser.",
        )
    return account


def _act(request: Request) -> services.Act:
    return services.Act(actor=caller(request), now=timezone.now(), **origin(request))


def _broker_silent(error: ReadFailed) -> Problem:
    return Problem(
        503,
        "broker_unreachable",
        "The broker did not answer",
        detail="The account's funds could not be read; this says nothing about what is in it.",
        fix="Try again in a moment.",
        retryable=True,
        upstream=str(error),
    )
