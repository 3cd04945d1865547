"""Stopping and resuming: what is stopped where, and pause, resume, exit, square-off and kill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from allocations.models import TradingState
from brokers.models import BrokerAccount
from brokers.selectors import accounts_of, open_accounts_of
from execution import receipts, services
from execution.api import bodies, examples
from execution.api.runs import list_of
from execution.models import StrategyExecution
from execution.selectors import executions_of, target_of
from execution.tasks import start_after_commit
from execution.views.desk import running_timeline
from execution.views.scopes import Node, tree_of
from users.api.authentication import caller, origin, paper_only
from users.api.idempotency import idempotent
from users.api.serializers import BIGGEST, StrictSerializer
from users.errors import Forbidden
from users.models import User

Scope = TradingState.Scope
SCOPES = [scope.value for scope in Scope if scope != Scope.INSTALLATION]
LIVE = BrokerAccount.Mode.LIVE


class ScopeBody(StrictSerializer):
    """Everything you run: {"scope": "user"}. One of yours: its scope and its id as `target`."""

    scope = serializers.ChoiceField(choices=SCOPES)
    target = serializers.IntegerField(min_value=1, max_value=BIGGEST, required=False, allow_null=True)

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        target = asked.get("target")
        if asked["scope"] == Scope.USER and target is not None:
            raise serializers.ValidationError({"target": "The scope user has no target; leave it out."})
        if asked["scope"] != Scope.USER and target is None:
            raise serializers.ValidationError({"target": f"Send the id of the {asked['scope']}."})
        return {"scope": asked["scope"], "target": target}


class NodeBody(serializers.Serializer):
    """A scope, the tightest state that reaches it, and what is open in it."""

    scope = serializers.CharField()
    target = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=["active", "reducing", "frozen", "halted"])
    state_scope = serializers.CharField(allow_blank=True, help_text="where the state was set")
    reason = serializers.CharField(allow_blank=True)
    open_positions = serializers.IntegerField()
    open_orders = serializers.IntegerField()


class ActBody(serializers.Serializer):
    """What was done; `exits` are the exits that it opened."""

    verb = serializers.CharField()
    scope = serializers.CharField()
    target = serializers.IntegerField(allow_null=True)
    exits = bodies.RunBody(many=True)
    receipt_id = serializers.IntegerField(
        allow_null=True, help_text="of an act that closes: /options/risk/receipts/{id} says how far it is"
    )


class Risk(APIView):
    """Everything you can stop: all you run, each account, basket, strategy and pair."""

    @extend_schema(
        summary="Trading states by scope", responses=list_of(NodeBody),
        examples=[examples.listed("A pair", examples.SCOPE)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        tree = tree_of(caller(request), running_timeline())
        data = NodeBody([_node(node) for node in tree], many=True).data
        return Response({"data": data, "next_cursor": None})


class Act(APIView):
    """One verb in one scope. It is never throttled, and needs no Idempotency-Key."""

    never_throttled = True
    finds_its_target = True  # 404 for what is not the caller's
    verb: ClassVar[str]
    act: ClassVar[Callable[..., list[StrategyExecution] | None]]

    def do(self, request: Request) -> Response:
        body = ScopeBody(data=request.data)
        body.is_valid(raise_exception=True)
        asked, user = body.validated_data, caller(request)
        require_own(user, **asked)
        if paper_only(request):
            require_paper(user, **asked)
        now = timezone.now()
        exits = type(self).act(user=user, **asked, by=user, now=now, **origin(request))
        start_after_commit(exits or [])
        written = receipts.newest(user, verb=self.verb, **asked)
        done = {
            "verb": self.verb, **asked, "exits": _shown(user, exits or []),
            "receipt_id": written.pk if written is not None and written.at == now else None,
        }  # fmt: skip
        return Response(ActBody(done).data)


def _schema(summary: str, verb: str) -> Callable[..., Any]:
    act = {**examples.ACT, "verb": verb}
    return extend_schema(
        summary=summary, request=ScopeBody, responses=ActBody,
        examples=[
            examples.asked("One pair", {"scope": "pair", "target": 3}),
            examples.asked("Everything", {"scope": "user"}),
            examples.answer("Done", act),
        ],
    )  # fmt: skip


class Pause(Act):
    """No more entries in the scope; exits and stops go on."""

    verb, act = "pause", staticmethod(services.pause)

    @_schema("Pause entries", "pause")
    @idempotent(required=False)
    def post(self, request: Request) -> Response:
        return self.do(request)


class Resume(Act):
    """Entries go on by their schedule, unless a wider scope is still stopped."""

    verb, act = "resume", staticmethod(services.resume)

    @_schema("Resume entries", "resume")
    @idempotent(required=False)
    def post(self, request: Request) -> Response:
        return self.do(request)


class Exit(Act):
    """Close what the scope holds; entries may come again on their schedule."""

    verb, act = "exit", staticmethod(services.exit_now)

    @_schema("Exit now", "exit")
    @idempotent(required=False)
    def post(self, request: Request) -> Response:
        return self.do(request)


class SquareOff(Act):
    """Close what the scope holds and pause its entries."""

    verb, act = "square_off", staticmethod(services.square_off)

    @_schema("Square off: exit and pause", "square_off")
    @idempotent(required=False)
    def post(self, request: Request) -> Response:
        return self.do(request)


class Kill(Act):
    """Cancel open orders, close positions, then let only closes pass until you resume."""

    verb, act = "kill", staticmethod(services.kill)

    @_schema("Kill", "kill")
    @idempotent(required=False)
    def post(self, request: Request) -> Response:
        return self.do(request)


def require_own(user: User, scope: str, target: int | None) -> None:
    """404 unless the target is the user's."""
    if scope == Scope.USER:
        return
    try:
        target_of(user, scope, target)
    except ObjectDoesNotExist as error:
        raise Http404 from error


def require_paper(user: User, scope: str, target: int | None) -> None:
    """A paper key acts only where no live account is in scope."""
    accounts = open_accounts_of(user) if scope == Scope.USER else accounts_of(user).none()
    if scope == Scope.ACCOUNT and target is not None:
        accounts = accounts_of(user).filter(pk=target)
    pairs = services.pairs_in(user=user, scope=scope, target=target)
    live = any(pair.broker_account.mode == LIVE for pair in pairs)
    if live or accounts.filter(mode=LIVE).exists():
        raise Forbidden("paper_key", "A paper key cannot touch a live account, and one is in this scope.",
                        fix="Choose a scope with paper accounts only, or use a trade key.")  # fmt: skip


def _node(node: Node) -> dict[str, Any]:
    return {
        "scope": node.scope,
        "target": node.id,
        "name": node.name,
        "state": node.held.state,
        "state_scope": node.held.scope,
        "reason": node.held.reason,
        "open_positions": node.positions,
        "open_orders": node.orders,
    }


def _shown(user: User, runs: list[StrategyExecution]) -> list[StrategyExecution]:
    found = executions_of(user).filter(pk__in=[run.pk for run in runs])
    return list(found.select_related("strategy_version").order_by("pk"))
