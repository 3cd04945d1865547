"""A basket's entry now: previewed, then carried out if the plan still stands; and lots proposed."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import orjson
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from allocations import sizing
from allocations.models import StrategyBrokerAllocation
from allocations.selectors import matrix_of
from baskets.models import Basket
from baskets.selectors import readable_baskets
from brokers.models import BrokerAccount
from brokers.types import ReadFailed
from execution import services
from execution.api import examples, plan_bodies
from execution.api.runs import list_of
from execution.engine import preview as planning
from execution.engine import records
from execution.engine.desk import Desk
from execution.engine.preview import FundsOnce, PairPlan
from execution.models import StrategyExecution
from execution.running import desk_now
from execution.selectors import executions_of
from execution.tasks import start_after_commit
from market import quotes
from market.api.feeds import running, timeline_or_problem
from market.kernel.clock import IST
from market.kernel.money import ZERO
from users.api.authentication import caller, origin, paper_only
from users.api.idempotency import idempotent
from users.api.notices import Nothing
from users.api.problems import Problem
from users.api.serializers import BIGGEST, StrictSerializer
from users.errors import Forbidden, Refused
from users.models import User

KEPT_SECONDS = 300


class Chosen(StrictSerializer):
    preview_id = serializers.RegexField(r"\A[0-9a-f]{32}\Z", help_text="from the preview, at most 5 minutes old")


class Span(StrictSerializer):
    days = serializers.IntegerField(
        min_value=sizing.FEWEST_DAYS, max_value=250, required=False, default=60,
        help_text="how many of the last closed trading days count",
    )  # fmt: skip


class Preview(APIView):
    """Nothing is saved or sent. The plan is what the engine would decide at this moment's prices."""

    moves_money = False
    desk = staticmethod(desk_now)

    @extend_schema(
        summary="Preview an entry of the basket now", request=Nothing, responses=plan_bodies.PreviewBody,
        examples=[examples.asked("Nothing to say", {}), examples.answer("One pair", examples.PREVIEW)],
    )  # fmt: skip
    def post(self, request: Request, basket_id: int) -> Response:
        basket, user = _basket(request, basket_id), caller(request)
        checked(Nothing, request)
        desk = running_desk(self.desk)
        pairs = _pairs(user, basket)
        funds = FundsOnce(desk)
        plans = planning.preview(pairs, desk, funds)
        mark = planning.fingerprint(plans)
        preview_id = _keep(user, basket, plans, mark)
        body = {
            "preview_id": preview_id,
            "hash": mark,
            "expires_in": KEPT_SECONDS,
            "timeline": desk.timeline.key,
            "asof": desk.now.astimezone(IST),
            "basket_id": basket.pk,
            "pairs": [plan_bodies.pair_row(planned) for planned in plans],
            "brokers": _brokers(plans, funds),
        }
        return Response(plan_bodies.PreviewBody(body).data)


class Execute(APIView):
    """Enters the pairs that the preview said would enter, if contracts, sides and quantities are
    still the same. A pair entered so today is not entered again by its schedule today."""

    desk = staticmethod(desk_now)

    @extend_schema(
        summary="Enter the basket as previewed", request=Chosen,
        responses={201: plan_bodies.ExecutedBody},
        examples=[
            examples.asked("The preview", {"preview_id": "f3c1b6a0e4d94a64b7f0a5d2c1e3f807"}),
            examples.answer("One entry", examples.EXECUTED, "201"),
        ],
    )  # fmt: skip
    @idempotent()
    def post(self, request: Request, basket_id: int) -> Response:
        basket, user = _basket(request, basket_id), caller(request)
        kept = _kept(user, basket, checked(Chosen, request)["preview_id"])
        desk = running_desk(self.desk)
        pairs = [pair for pair in _pairs(user, basket) if pair.pk in kept["pairs"]]
        require_paper(request, pairs)
        plans = planning.plan(pairs, desk)
        mark = planning.fingerprint(plans)
        if mark != kept["hash"]:
            raise _moved(kept["hash"], mark)
        runs = services.enter_now(
            user=user, entries=[(p.pair, p.version) for p in plans if p.version], at=desk.now, by=user,
            now=timezone.now(), **origin(request),
        )  # fmt: skip
        start_after_commit(runs)
        body = {"hash": mark, "executions": _shown(user, runs)}
        return Response(plan_bodies.ExecutedBody(body).data, status=status.HTTP_201_CREATED)


class Propose(APIView):
    """Lots moved between the brokers of each strategy by what each pair did. Saves nothing: change the
    matrix yourself if you agree."""

    moves_money = False

    @extend_schema(
        summary="Propose lots by performance", request=Span,
        responses=list_of(plan_bodies.ProposalBody),
        examples=[
            examples.asked("The last 60 days", {"days": 60}),
            examples.listed("A proposal", examples.PROPOSAL),
        ],
    )  # fmt: skip
    def post(self, request: Request, basket_id: int) -> Response:
        basket = _basket(request, basket_id)
        days = checked(Span, request)["days"]
        pairs = list(matrix_of(caller(request), basket))
        found = records.records_of(pairs, timeline_or_problem(), days=days)
        by_strategy: dict[int, list[sizing.Record]] = defaultdict(list)
        for pair, record in zip(pairs, found, strict=True):
            by_strategy[pair.strategy_id].append(record)
        proposals = {p.key: p for mine in by_strategy.values() for p in sizing.propose(mine)}
        rows = [
            {"allocation": pair, "record": record, "proposal": proposals[pair.pk]}
            for pair, record in zip(pairs, found, strict=True)
        ]
        data = plan_bodies.ProposalBody(rows, many=True).data
        return Response({"data": data, "next_cursor": None})


def checked(body: type[StrictSerializer], request: Request) -> dict[str, Any]:
    serializer = body(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _basket(request: Request, basket_id: int) -> Basket:
    return get_object_or_404(readable_baskets(caller(request)), pk=min(basket_id, BIGGEST))


def _pairs(user: User, basket: Basket) -> list[StrategyBrokerAllocation]:
    rows = matrix_of(user, basket).filter(
        lots__gt=0, strategy__archived_at=None, broker_account__archived_at=None
    )
    return list(rows.select_related("broker_account__user"))


def running_desk(now: Any) -> Desk:
    """The running desk; the 503 problems of a silent market otherwise."""
    timeline_or_problem()
    desk = now()
    if desk is None:
        running()  # says which part is silent
    assert desk is not None  # a frame that came between the two calls
    return desk


def _keep(user: User, basket: Basket, plans: Sequence[PairPlan], mark: str) -> str:
    preview_id = secrets.token_hex(16)
    document = {"basket": basket.pk, "hash": mark, "pairs": [p.pair.pk for p in plans if p.enters]}
    quotes.connection().set(_key(user, preview_id), orjson.dumps(document), ex=KEPT_SECONDS)
    return preview_id


def _kept(user: User, basket: Basket, preview_id: str) -> dict[str, Any]:
    document: Any = quotes.connection().get(_key(user, preview_id))
    found: dict[str, Any] = orjson.loads(document) if document else {}
    if found.get("basket") != basket.pk:
        raise Problem(409, "preview_gone", "No such preview",
                      detail="It is older than 5 minutes, or of another basket.",
                      fix="Preview again and send the new preview_id.", pointer="/preview_id")  # fmt: skip
    if not found["pairs"]:
        raise Refused("nothing_to_enter", "No pair of the preview would enter.",
                      fix="Read each pair's denial, mend what it names, and preview again.",
                      field="preview_id")  # fmt: skip
    return found


def _key(user: User, preview_id: str) -> str:
    return f"preview:{user.pk}:{preview_id}"


def _moved(before: str, after: str) -> Problem:
    return Problem(409, "plan_moved", "The plan has moved since you saw it",
                   detail=f"Contracts, sides or quantities differ: the preview was {before}, now it is {after}.",
                   fix="Preview again, look at the new plan, and execute that one.")  # fmt: skip


def require_paper(request: Request, pairs: Sequence[StrategyBrokerAllocation]) -> None:
    live = any(pair.broker_account.mode == BrokerAccount.Mode.LIVE for pair in pairs)
    if live and paper_only(request):
        raise Forbidden("paper_key", "A paper key cannot trade on a live account.", fix="Use a trade key.")


def _brokers(plans: Sequence[PairPlan], funds: FundsOnce) -> list[dict[str, Any]]:
    """By account, what the pairs that enter need together, against what is free."""
    by_account: dict[int, list[PairPlan]] = defaultdict(list)
    for planned in plans:
        if planned.enters:
            by_account[planned.pair.broker_account_id].append(planned)
    return [_broker(mine, funds) for mine in by_account.values()]


def _broker(plans: list[PairPlan], funds: FundsOnce) -> dict[str, Any]:
    account = plans[0].pair.broker_account
    margin = sum((p.margin_peak or ZERO for p in plans), ZERO)
    charges = sum((p.charges for p in plans), ZERO)
    premium = sum((p.premium for p in plans), ZERO)
    try:
        available = funds.funds(account).available
    except ReadFailed:
        available = None
    return {
        "broker_account_id": account.pk,
        "broker": account.broker,
        "label": account.label,
        "pairs": len(plans),
        "orders": sum(len(order.slices) for p in plans for order in p.orders),
        "margin": margin,
        "premium": premium,
        "charges": charges,
        "available": available,
        "enough": None if available is None else margin + charges + max(premium, ZERO) <= available,
    }


def _shown(user: User, runs: list[StrategyExecution]) -> list[StrategyExecution]:
    found = executions_of(user).filter(pk__in=[run.pk for run in runs])
    return list(found.select_related("strategy_version").order_by("pk"))
