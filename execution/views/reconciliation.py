"""Our book beside the brokers': look again, settle a mismatch, adopt what was traded by hand. No script."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from allocations.selectors import allocations_of
from brokers.selectors import open_accounts_of
from execution.engine.desk import Desk
from execution.forms import AdoptForm, SettleForm
from execution.reconcile import decide
from execution.reconcile.shown import overview
from execution.running import desk_now
from execution.selectors import mismatches_of
from execution.tasks import hand_over_after_commit
from execution.views.desk import running_timeline
from users.errors import Refused
from users.requests import SignedInRequest

READ_WITHIN = timedelta(seconds=30)
LONGEST_MOMENT = 14  # digits of milliseconds since 1970
SILENT = "The market is silent, so nothing was done. Look at the state of the desk, then try again."


@login_required
@never_cache
@require_GET
def reconciliation(request: SignedInRequest) -> HttpResponse:
    """What agrees and what does not, account by account."""
    views = overview(request.user, running_timeline())
    pairs, now = list(allocations_of(request.user)), datetime.now(UTC)
    asked = _asked(request, now)
    reading = asked is not None and any(view.is_behind(asked) for view in views)
    context = {"accounts": views, "pairs": pairs, "now": now, "reading": reading}
    return render(request, "execution/reconciliation.html", context)


def _asked(request: SignedInRequest, now: datetime) -> datetime | None:
    """When this page asked for a reading, while one may still come: it looks again until then."""
    text = request.GET.get("asked", "")
    if not text.isdecimal() or len(text) > LONGEST_MOMENT:
        return None
    asked = datetime.fromtimestamp(int(text) / 1000, UTC)
    return asked if timedelta(0) <= now - asked <= READ_WITHIN else None


@login_required
@require_POST
def look(request: SignedInRequest) -> HttpResponse:
    """Have the brokers' books read now."""

    def ask(desk: Desk) -> str:
        works = decide.look_now(user=request.user, account_id=None, desk=desk)
        hand_over_after_commit(works)
        return f"The books of {len(works)} account{'' if len(works) == 1 else 's'} are being read."

    return _done(request, ask, reads=True)


@login_required
@require_POST
def settle(request: SignedInRequest, mismatch_id: int) -> HttpResponse:
    """Carry out one decision about a mismatch."""
    timeline = running_timeline()
    if timeline is None:
        raise Http404("no world is active")
    mismatch = get_object_or_404(mismatches_of(request.user, timeline), pk=mismatch_id)
    form = SettleForm(request.POST)

    def act(desk: Desk) -> str:
        price: Decimal | None = form.cleaned_data["price"]
        decide.settle(
            user=request.user, mismatch_id=mismatch.pk, fix=form.cleaned_data["fix"], price=price,
            desk=desk, **_act(request),
        )  # fmt: skip
        works = decide.look_now(user=request.user, account_id=mismatch.broker_account_id, desk=desk)
        hand_over_after_commit(works)
        return f"Decided about {mismatch.subject}; the books are read again."

    return _done(request, act, form, reads=True)


@login_required
@require_POST
def adopt(request: SignedInRequest, account_id: int) -> HttpResponse:
    """Make lots that were traded by hand a pair's own."""
    account = get_object_or_404(open_accounts_of(request.user), pk=account_id)
    form = AdoptForm(request.POST)

    def act(desk: Desk) -> str:
        order = decide.adopt_external(
            user=request.user, account_id=account.pk, desk=desk, **form.cleaned_data, **_act(request)
        )
        return f"{order.quantity} units of {order.contract.symbol} are now of {order.allocation}."

    return _done(request, act, form)


def _done(
    request: SignedInRequest, act: Callable[[Desk], str], form: Any = None, *, reads: bool = False
) -> HttpResponse:
    """Do it and say so, or say why not; then back to the page, which waits for the reading it asked for."""
    desk = desk_now()
    if form is not None and not form.is_valid():
        messages.error(request, "; ".join(f"{name}: {' '.join(e)}" for name, e in form.errors.items()))
    elif desk is None:
        messages.error(request, SILENT)
    else:
        try:
            messages.success(request, act(desk))
            if reads:
                return redirect(f"{reverse('page-reconciliation')}?asked={int(desk.wall.timestamp() * 1000)}")
        except Refused as error:
            messages.error(request, f"{error} {error.fix}")
    return redirect("page-reconciliation")


def _act(request: SignedInRequest) -> dict[str, Any]:
    return {
        "by": request.user, "source": "page", "now": datetime.now(UTC),
        "address": request.META.get("REMOTE_ADDR"),
    }  # fmt: skip
