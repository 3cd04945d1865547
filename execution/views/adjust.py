"""The page that changes one leg of an open trade: choose, look at the plan, confirm. No script."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from allocations.models import StrategyBrokerAllocation
from allocations.selectors import allocations_of
from execution import services
from execution.engine import adjust as engine
from execution.engine import adjust_preview, adjusting
from execution.engine.adjusting import Asked
from execution.engine.desk import Desk
from execution.forms import AdjustForm
from execution.models import Position
from execution.running import desk_now
from execution.selectors import positions_of
from execution.tasks import start_after_commit
from execution.views.desk import running_timeline
from execution.views.words import why
from strategies.templatetags.strategy import contract_name
from users.errors import Refused
from users.requests import SignedInRequest


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def adjust(
    request: SignedInRequest, allocation_id: int, *, desk_of: Any = desk_now
) -> HttpResponse:
    """GET lists the legs; a POST shows what a change would order, and with `confirmed` does it."""
    rows = allocations_of(request.user).select_related("broker_account__user")
    pair = get_object_or_404(rows, pk=allocation_id)
    form = AdjustForm(request.POST or None)
    context: dict[str, Any] = {"pair": pair, "form": form, "legs": _legs(request, pair)}
    if request.method == "POST" and form.is_valid():
        try:
            answer = _answer(request, pair, form, desk_of())
        except Refused as error:
            form.refuse(error)
        else:
            if isinstance(answer, HttpResponse):
                return answer
            context["plan"] = answer
            context["why"] = why(answer.stop.code) if answer.stop else ""
    return render(request, "execution/adjust.html", context, status=422 if form.errors else 200)


def _answer(
    request: SignedInRequest, pair: StrategyBrokerAllocation, form: AdjustForm, desk: Desk | None
) -> Any:
    if desk is None:
        raise Refused("market_silent", "No fresh prices: the market process is quiet.",
                      fix="Look again when the market plays.")  # fmt: skip
    change = adjusting.change_of(pair, Asked(**form.asked()), desk)
    plan = adjust_preview.preview(pair, change, desk, funds=True)
    if plan.stop is not None or not form.cleaned_data["confirmed"]:
        return plan
    run = services.adjust(
        user=request.user, allocation=pair, plan=engine.plan_of(change), lots=change.trade_lots,
        at=desk.now, by=request.user, source="page", address=request.META.get("REMOTE_ADDR"),
        now=datetime.now(UTC),
    )  # fmt: skip
    start_after_commit([run])
    messages.success(request, "The change is under way.")
    return redirect("page-execution", run.pk)


def _legs(request: SignedInRequest, pair: StrategyBrokerAllocation) -> list[dict[str, Any]]:
    timeline = running_timeline()
    if timeline is None:
        return []
    held = positions_of(request.user, timeline).filter(allocation=pair).exclude(quantity=0)
    return [_leg(position) for position in held]


def _leg(position: Position) -> dict[str, Any]:
    return {
        "number": position.leg_number,
        "symbol": position.contract.symbol,
        "name": contract_name(position.contract.spec),
        "side": "S" if position.quantity < 0 else "B",
        "quantity": position.quantity,
        "average": position.average_price,
        "is_option": position.contract.strike is not None,
    }
