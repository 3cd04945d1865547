"""Our book against the brokers': what agrees, what does not, and what the owner decides about it."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from brokers.models import BrokerAccount
from brokers.selectors import open_accounts_of
from execution.api import bodies, examples
from execution.api.plans import checked, running_desk
from execution.api.runs import list_of
from execution.differences import Fix
from execution.models import Order
from execution.reconcile import decide
from execution.reconcile.shown import AccountView, Shown, overview, shown
from execution.running import desk_now
from execution.selectors import mismatches_of, orders_of
from execution.tasks import hand_over_after_commit
from execution.views.desk import running_timeline
from market.api.feeds import timeline_or_problem
from users.api.authentication import caller, origin, paper_only
from users.api.idempotency import idempotent
from users.api.notices import Nothing
from users.api.serializers import BIGGEST, StrictSerializer
from users.errors import Forbidden


class HeldBody(serializers.Serializer):
    """One contract at the last reading: platform + external = broker where the two books agree."""

    contract = serializers.CharField()
    product = serializers.CharField()
    platform = serializers.IntegerField(help_text="units over all pairs; negative is short")
    external = serializers.IntegerField(help_text="units traded beside the platform")
    broker = serializers.IntegerField(help_text="the broker's net")
    disputed = serializers.IntegerField(help_text="external units that went against a pair's")
    agrees = serializers.BooleanField()


class ChoiceBody(serializers.Serializer):
    fix = serializers.ChoiceField(choices=[fix.value for fix in Fix])
    title = serializers.CharField()
    meaning = serializers.CharField()


class MismatchBody(serializers.Serializer):
    """Something that does not agree. While it is open, entries of the pairs concerned wait."""

    id = serializers.IntegerField()
    kind = serializers.CharField(help_text="squared_off, units_missing, orphan, ...")
    subject = serializers.CharField()
    title = serializers.CharField()
    body = serializers.CharField()
    contract = serializers.CharField(allow_null=True)
    allocation_id = serializers.IntegerField(allow_null=True, help_text="null: every pair of the account")
    order_id = serializers.IntegerField(allow_null=True)
    platform = serializers.IntegerField(allow_null=True)
    broker = serializers.IntegerField(allow_null=True)
    missing = serializers.IntegerField(help_text="units that no exit closes, because the broker has them not")
    choices = ChoiceBody(many=True, help_text="the first is proposed")
    opened_at = serializers.DateTimeField()
    chosen = serializers.CharField(allow_blank=True)
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolution = serializers.CharField(allow_blank=True)


class ReconciledBody(serializers.Serializer):
    """An account's book beside its broker's."""

    broker_account_id = serializers.IntegerField()
    label = serializers.CharField()  # type: ignore[assignment]  # a declared field
    broker = serializers.CharField()
    mode = serializers.CharField()
    agrees = serializers.BooleanField(help_text="read whole, and nothing is open")
    read_at = serializers.DateTimeField(allow_null=True, help_text="null: not yet")
    failing_since = serializers.DateTimeField(allow_null=True, help_text="null: the last reading was whole")
    why = serializers.CharField(allow_blank=True)
    positions = HeldBody(many=True)
    mismatches = MismatchBody(many=True)


class AskedBody(serializers.Serializer):
    accounts = serializers.ListField(child=serializers.IntegerField(), help_text="being read now")


class Decision(StrictSerializer):
    fix = serializers.ChoiceField(choices=[fix.value for fix in Fix])
    price = serializers.DecimalField(
        max_digits=12, decimal_places=2, required=False, help_text="only for book_close: rupees a unit"
    )


class Adoption(StrictSerializer):
    contract = serializers.CharField(max_length=40)
    product = serializers.CharField(max_length=4, required=False, default="NRML")
    allocation_id = serializers.IntegerField(min_value=1, max_value=BIGGEST)
    lots = serializers.IntegerField(min_value=1, max_value=100_000)


class Reconciliation(APIView):
    """Every account's book beside its broker's; POST has the brokers' books read now."""

    desk = staticmethod(desk_now)

    @extend_schema(
        summary="Our book beside the brokers'", responses=list_of(ReconciledBody),
        examples=[examples.listed("A trade by hand", examples.RECONCILED)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        views = overview(caller(request), running_timeline())
        data = ReconciledBody([_account(view) for view in views], many=True).data
        return Response({"data": data, "next_cursor": None})

    @extend_schema(
        summary="Read the brokers' books now", request=Nothing, responses=AskedBody,
        examples=[examples.asked("All accounts", {}), examples.answer("Asked", {"accounts": [1, 2]})],
    )  # fmt: skip
    @idempotent(required=False)
    def post(self, request: Request) -> Response:
        checked(Nothing, request)
        works = decide.look_now(user=caller(request), account_id=None, desk=running_desk(self.desk))
        hand_over_after_commit(works)
        return Response(AskedBody({"accounts": [work.id for work in works]}).data)


class Settle(APIView):
    """Carry out one decision about a mismatch. It is written to the audit log."""

    desk = staticmethod(desk_now)

    @extend_schema(
        summary="Settle a mismatch", request=Decision, responses=MismatchBody,
        examples=[
            examples.asked("Book it as our close", {"fix": "adopt_close"}),
            examples.asked("At a price", {"fix": "book_close", "price": "12.05"}),
            examples.answer("Settled", examples.MISMATCH),
        ],
    )  # fmt: skip
    @idempotent()
    def post(self, request: Request, mismatch_id: int) -> Response:
        user = caller(request)
        rows = mismatches_of(user, timeline_or_problem())
        mismatch = get_object_or_404(rows, pk=min(mismatch_id, BIGGEST))
        _require_allowed(request, mismatch.broker_account)
        asked = checked(Decision, request)
        desk = running_desk(self.desk)
        settled = decide.settle(
            user=user, mismatch_id=mismatch.pk, **asked, desk=desk, by=user, now=timezone.now(),
            **origin(request),
        )  # fmt: skip
        hand_over_after_commit(decide.look_now(user=user, account_id=settled.broker_account_id, desk=desk))
        return Response(MismatchBody(_mismatch(shown(settled))).data)


class Adopt(APIView):
    """Lots that were traded in the broker's own app become a pair's, with their trades and prices."""

    desk = staticmethod(desk_now)

    @extend_schema(
        summary="Adopt what was traded by hand", request=Adoption, responses=bodies.OrderWithFills,
        examples=[
            examples.asked("Two lots", {"contract": "NIFTY-20260804-24800-CE", "allocation_id": 3, "lots": 2}),
            examples.answer("Adopted", examples.ADOPTED),
        ],
    )  # fmt: skip
    @idempotent()
    def post(self, request: Request, account_id: int) -> Response:
        user = caller(request)
        account = get_object_or_404(open_accounts_of(user), pk=min(account_id, BIGGEST))
        _require_allowed(request, account)
        asked = checked(Adoption, request)
        order = decide.adopt_external(
            user=user, account_id=account.pk, symbol=asked["contract"], product=asked["product"],
            allocation_id=asked["allocation_id"], lots=asked["lots"], desk=running_desk(self.desk),
            by=user, now=timezone.now(), **origin(request),
        )  # fmt: skip
        return Response(bodies.OrderWithFills(_whole(user, order)).data)


def _require_allowed(request: Request, account: BrokerAccount) -> None:
    if paper_only(request) and account.mode == BrokerAccount.Mode.LIVE:
        raise Forbidden("paper_key", "A paper key cannot touch a live account.", fix="Use a trade key.")


def _whole(user: Any, order: Order) -> Order:
    rows = orders_of(user).select_related("timeline").prefetch_related("events", "fills")
    return rows.get(pk=order.pk)


def _account(view: AccountView) -> dict[str, Any]:
    account, book = view.account, view.book
    return {
        "broker_account_id": account.pk,
        "label": account.label,
        "broker": account.broker,
        "mode": account.mode,
        "agrees": view.agrees,
        "read_at": book.read_at if book else None,
        "failing_since": book.failing_since if book else None,
        "why": book.why if book else "",
        "positions": [
            {
                "contract": row.contract.symbol, "product": row.product, "platform": row.ours,
                "external": row.external, "broker": row.theirs, "disputed": row.disputed,
                "agrees": row.agrees,
            }
            for row in view.positions
        ],
        "mismatches": [_mismatch(one) for one in view.mismatches],
    }  # fmt: skip


def _mismatch(one: Shown) -> dict[str, Any]:
    row = one.row
    return {
        "id": row.pk,
        "kind": row.kind,
        "subject": row.subject,
        "title": one.title,
        "body": one.body,
        "contract": row.contract.symbol if row.contract else None,
        "allocation_id": row.allocation_id,
        "order_id": row.order_id,
        "platform": row.ours,
        "broker": row.theirs,
        "missing": row.missing,
        "choices": [{"fix": c.fix, "title": c.title, "meaning": c.body} for c in one.choices],
        "opened_at": row.opened_at,
        "chosen": row.chosen,
        "resolved_at": row.resolved_at,
        "resolution": row.resolution,
    }
