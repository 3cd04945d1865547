"""One leg of an open trade shifted, exited or added by hand: previewed, then carried out."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from allocations.models import StrategyBrokerAllocation
from allocations.selectors import allocations_of
from execution import services
from execution.api import examples
from execution.api.bodies import PairShape, RunBody
from execution.api.plan_bodies import DenialBody, PlannedOrderBody
from execution.api.plans import checked, require_paper, running_desk
from execution.engine import adjust, adjust_preview, adjusting
from execution.engine.account_view import AccountView
from execution.engine.adjust_preview import AdjustPlan
from execution.engine.adjusting import Asked, Change
from execution.engine.desk import Desk
from execution.running import desk_now
from execution.selectors import executions_of
from execution.tasks import start_after_commit
from execution.views.words import why
from users.api.authentication import caller, origin
from users.api.fields import Lots, Money
from users.api.idempotency import idempotent
from users.api.serializers import BIGGEST, StrictSerializer
from users.errors import Refused

ACTS = (("shift", "Shift a leg"), ("exit", "Exit a leg"), ("add", "Add a leg"))


class Adjustment(StrictSerializer):
    """`shift` a held contract by listed strikes or into the next expiry, `exit` it, or `add` a new one."""

    act = serializers.ChoiceField(choices=ACTS)
    contract = serializers.CharField(max_length=40, help_text="held; with add: the new one")
    steps = serializers.IntegerField(
        min_value=-200, max_value=200, required=False, default=0, help_text="listed strikes; below 0: down"
    )
    next_expiry = serializers.BooleanField(required=False, default=False)
    side = serializers.ChoiceField(
        choices=["BUY", "SELL"], required=False, help_text="with add"
    )
    lots = Lots(required=False, min_value=1, help_text="with add")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        missing = [name for name in ("side", "lots") if name not in data]
        if data["act"] == "add" and missing:
            raise serializers.ValidationError({missing[0]: "An added leg needs its side and lots."})
        if data["act"] != "add" and len(missing) < 2:
            raise serializers.ValidationError({"act": "Side and lots are of an added leg alone."})
        return data


class AdjustBody(PairShape):
    """What the change would order, in its turn, and why it would not go."""

    goes = serializers.BooleanField()
    denial = DenialBody(allow_null=True)
    margin_before = Money(allow_null=True)
    margin_after = Money(allow_null=True)
    premium = Money(help_text="rupees at the mid; negative is received")
    charges = Money()
    orders = PlannedOrderBody(many=True)


SHIFT = {"act": "shift", "contract": "NIFTY-20260804-24600-CE", "steps": 2}
ASKED = [
    examples.asked("Two strikes up", SHIFT),
    examples.asked("Exit one leg", {"act": "exit", "contract": "NIFTY-20260804-24600-CE"}),
    examples.asked("Add a hedge", {"act": "add", "contract": "NIFTY-20260804-24900-CE", "side": "BUY", "lots": 2}),
]  # fmt: skip


class Preview(APIView):
    """Nothing is saved or sent."""

    moves_money = False
    desk = staticmethod(desk_now)

    @extend_schema(
        summary="Preview a change of one leg", operation_id="adjust_preview", request=Adjustment,
        responses=AdjustBody, examples=[*ASKED, examples.answer("A shift", examples.ADJUSTMENT)],
    )  # fmt: skip
    def post(self, request: Request, allocation_id: int) -> Response:
        pair, desk = _pair(request, allocation_id), running_desk(self.desk)
        change = _change(pair, request, desk)
        found = adjust_preview.preview(pair, change, desk, funds=True)
        return Response(AdjustBody(_row(found)).data)


class Adjust(APIView):
    """Changes one leg of the pair's open trade; judged once more by the engine at its next frame."""

    desk = staticmethod(desk_now)

    @extend_schema(
        summary="Change one leg of an open trade", operation_id="adjust", request=Adjustment,
        responses={201: RunBody},
        examples=[*ASKED, examples.answer("The run", {
            **examples.RUN, "phase": "adjust", "cause": "user", "status": "due"}, "201")],
    )  # fmt: skip
    @idempotent()
    def post(self, request: Request, allocation_id: int) -> Response:
        pair, desk, user = _pair(request, allocation_id), running_desk(self.desk), caller(request)
        change = _change(pair, request, desk)
        stop = adjusting.why_not(pair, change, AccountView([pair], desk), funds=False)
        if stop is not None:
            raise Refused(stop.code.lower(), stop.detail, fix="Preview it, and choose another change.",
                          field="contract")  # fmt: skip
        run = services.adjust(
            user=user, allocation=pair, plan=adjust.plan_of(change), lots=change.trade_lots, at=desk.now,
            by=user, now=timezone.now(), **origin(request),
        )  # fmt: skip
        start_after_commit([run])
        shown = executions_of(user).select_related("strategy_version").get(pk=run.pk)
        return Response(RunBody(shown).data, status=status.HTTP_201_CREATED)


def _pair(request: Request, allocation_id: int) -> StrategyBrokerAllocation:
    rows = allocations_of(caller(request)).select_related("broker_account__user")
    pair = get_object_or_404(rows, pk=min(allocation_id, BIGGEST))
    require_paper(request, [pair])
    return pair


def _change(pair: StrategyBrokerAllocation, request: Request, desk: Desk) -> Change:
    return adjusting.change_of(pair, Asked(**checked(Adjustment, request)), desk)


def _row(found: AdjustPlan) -> dict[str, Any]:
    stop = found.stop
    return {
        "allocation": found.pair,
        "goes": stop is None,
        "denial": None if stop is None else {"code": stop.code, "why": why(stop.code), "detail": stop.detail},
        "margin_before": found.margin_before,
        "margin_after": found.margin_after,
        "premium": found.premium,
        "charges": found.charges,
        "orders": found.orders,
    }  # fmt: skip
