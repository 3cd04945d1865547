"""The page of broker accounts: what each has, a new paper account, archive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from brokers import registry, selectors, services
from brokers.forms import PaperAccountForm
from brokers.models import BrokerAccount
from brokers.types import Funds, ReadFailed
from users.errors import Refused
from users.requests import SignedInRequest


@dataclass(frozen=True, slots=True)
class Row:
    account: BrokerAccount
    funds: Funds | None
    why: str = ""


@login_required
@require_http_methods(["GET", "POST"])
def accounts(request: SignedInRequest) -> HttpResponse:
    """Every account that can trade, with its funds as the broker says; a form for a paper account."""
    form = PaperAccountForm(request.POST or None)
    if form.is_valid():
        try:
            added = services.add_account(
                user=request.user, mode="paper", **form.cleaned_data, act=_act(request)
            )
            messages.success(request, f"{added.label} is ready to trade on paper.")
            return redirect("page-accounts")
        except Refused as error:
            form.refuse(error)
    rows = [_row(account) for account in selectors.open_accounts_of(request.user).order_by("id")]
    context = {"rows": rows, "form": form}
    return render(request, "brokers/accounts.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def archive_account(request: SignedInRequest, account_id: int) -> HttpResponse:
    """Stop using a flat account."""
    account = get_object_or_404(selectors.accounts_of(request.user), pk=account_id)
    try:
        services.archive_account(account=account, act=_act(request))
        messages.success(request, f"{account.label} is archived.")
    except Refused as error:
        messages.error(request, f"{error} {getattr(error, 'fix', '')}".strip())
    return redirect("page-accounts")


def _act(request: SignedInRequest) -> services.Act:
    return services.Act(
        actor=request.user,
        source="page",
        now=datetime.now(UTC),
        address=request.META.get("REMOTE_ADDR"),
    )


def _row(account: BrokerAccount) -> Row:
    try:
        return Row(account, registry.adapter_for(account).funds())
    except (ReadFailed, Refused) as error:
        return Row(account, None, str(error))
