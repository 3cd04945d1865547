"""Limits above the pair: of everything you run, of a broker account, of a basket."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from allocations.api.bodies import GreekLimits, PendingBody
from allocations.api.views import IF_MATCH, sent_version
from allocations.models import ScopeLimit
from allocations.risk import LOOSENABLE, Exposure, ScopeTerms
from allocations.selectors import limits_of
from allocations.services import set_scope_limit
from execution.api import examples
from execution.api.risk import require_own, require_paper
from execution.api.runs import list_of
from execution.running import used_of_limits
from execution.selectors import target_of
from market.kernel.money import ZERO
from users.api.authentication import caller, origin, paper_only
from users.api.fields import Lots, Money
from users.api.serializers import BIGGEST
from users.models import User

Scope = ScopeLimit.Scope


class ScopeLimitChange(GreekLimits):
    """All limits of one scope; null or left out is no limit. The scope user has no target."""

    scope = serializers.ChoiceField(choices=Scope.choices)
    target = serializers.IntegerField(min_value=1, max_value=BIGGEST, required=False, allow_null=True)
    max_lots = Lots(required=False, allow_null=True, default=None)
    max_day_loss = Money(max_digits=14, min_value=0, required=False, allow_null=True, default=None)
    max_margin = Money(max_digits=16, min_value=0, required=False, allow_null=True, default=None)
    max_open_positions = serializers.IntegerField(
        min_value=0, max_value=100_000, required=False, allow_null=True, default=None
    )

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        target = asked.get("target")
        if (asked["scope"] == Scope.USER) != (target is None):
            raise serializers.ValidationError(
                {"target": "Send the id of the account or basket; the scope user has none."}
            )
        return {**asked, "target": target}


class UsedBody(serializers.Serializer):
    """What is held, and committed by entries under way; null while there are no prices."""

    lots = serializers.IntegerField(allow_null=True)
    day_loss = Money(allow_null=True, help_text="of the trading day, after charges; 0 in profit")
    margin = Money(allow_null=True)
    open_positions = serializers.IntegerField(allow_null=True)
    delta = Money(allow_null=True, help_text="rupees an index point, without its sign")
    vega = Money(allow_null=True, help_text="rupees a vol point, without its sign")


class ScopeLimitBody(serializers.ModelSerializer):
    """Limits of a scope, each null when there is none. `version` is its ETag."""

    target = serializers.IntegerField(source="target_id", allow_null=True)
    name = serializers.CharField()
    max_day_loss = Money(allow_null=True)
    max_margin = Money(allow_null=True)
    max_delta = Money(allow_null=True, help_text="rupees an index point")
    max_vega = Money(allow_null=True, help_text="rupees a vol point")
    pending = PendingBody(many=True)
    used = serializers.SerializerMethodField()

    class Meta:
        model = ScopeLimit
        fields = ("scope", "target", "name", "version", *LOOSENABLE, "pending", "used")

    def get_used(self, row: ScopeLimit) -> UsedBody:
        found: Exposure | None = self.context["used"].get(row.pk)
        return UsedBody(_used(found)).data  # type: ignore[return-value]  # .data is typed for many=True too


class ScopeLimits(APIView):
    """The limits that you have set above your pairs. At every entry the tightest of all wins."""

    finds_its_target = True  # 404 for what is not the caller's

    @extend_schema(
        summary="Limits of accounts, baskets and everything", responses=list_of(ScopeLimitBody),
        examples=[examples.listed("An account", examples.SCOPE_LIMIT)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        user = caller(request)
        return Response({"data": _shown(user, list(limits_of(user))), "next_cursor": None})

    @extend_schema(
        summary="Set the limits of one scope",
        description="Tighter limits hold at once. Looser ones wait for the first frame of the next "
        "trading day, unless nothing in the scope has traded yet; until then they are in `pending`.",
        request=ScopeLimitChange, responses=ScopeLimitBody, parameters=[IF_MATCH],
        examples=[
            examples.asked("An account", {"scope": "account", "target": 1, "max_day_loss": "8000.00"}),
            examples.answer("Set", examples.SCOPE_LIMIT),
        ],
    )  # fmt: skip
    def put(self, request: Request) -> Response:
        body = ScopeLimitChange(data=request.data)
        body.is_valid(raise_exception=True)
        asked, user = dict(body.validated_data), caller(request)
        scope, target = asked.pop("scope"), asked.pop("target")
        require_own(user, scope, target)
        if paper_only(request):
            require_paper(user, scope, target)
        row = set_scope_limit(
            user=user, scope=scope, terms=ScopeTerms(**asked), if_match=sent_version(request),
            target=None if scope == Scope.USER else target_of(user, scope, target),
            now=timezone.now(), **origin(request),
        )  # fmt: skip
        (data,) = _shown(user, [limits_of(user).get(pk=row.pk)])
        return Response(data, headers={"ETag": f'"{row.version}"'})


def _shown(user: User, rows: list[ScopeLimit]) -> list[dict[str, Any]]:
    context = {"used": used_of_limits(user.pk, rows)}
    return ScopeLimitBody(rows, many=True, context=context).data  # type: ignore[return-value]  # many=True gives a list


def _used(found: Exposure | None) -> dict[str, Any]:
    if found is None:
        return dict.fromkeys(("lots", "day_loss", "margin", "open_positions", "delta", "vega"))
    loss: Decimal = max(-found.day_pnl, ZERO)
    return {
        "lots": found.open_lots, "day_loss": loss, "margin": found.margin,
        "open_positions": found.open_positions, "delta": found.delta, "vega": found.vega,
    }  # fmt: skip
