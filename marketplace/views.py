"""Marketplace pages: listings, one listing with its subscribe form, the user's subscriptions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from allocations.forms import EXITS, MatrixForm
from allocations.risk import LIMITS
from brokers.selectors import open_accounts_of
from marketplace import selectors, services
from marketplace.models import Listing, RecommendedLimit
from strategies.selectors import strategies_in
from users.errors import Refused
from users.requests import SignedInRequest

OWN = ("square_off_at_loss", *EXITS)  # what no curator recommends


@login_required
@require_GET
def marketplace(request: SignedInRequest) -> HttpResponse:
    """What is offered, with its record and fees."""
    cards = [_card(listing, request) for listing in selectors.listing_for(request.user)]
    return render(request, "marketplace/listings.html", {"cards": cards})


@login_required
@require_http_methods(["GET", "POST"])
def listing(request: SignedInRequest, listing_id: int) -> HttpResponse:
    """One listing; subscribing sends own accounts, lots and limits in one form."""
    found = get_object_or_404(selectors.listing_for(request.user), pk=listing_id)
    limits = selectors.recommended_limits(found)
    form = _form(request, found, limits)
    if request.method == "POST" and form.is_valid() and _subscribed(request, found, form, limits):
        return redirect("page-basket", found.basket_id)
    context = {
        **_card(found, request),
        "form": form,
        "accounts": [cell.account for cell in form.rows[0].cells] if form.rows else [],
        "strategies": [row.strategy for row in form.rows],
        "own": found.basket.owner_id == request.user.pk,
    }
    return render(request, "marketplace/listing.html", context, status=422 if form.errors else 200)


@login_required
@require_GET
def subscriptions(request: SignedInRequest) -> HttpResponse:
    """The user's subscriptions, what they cost, and a newer version to decide on."""
    now = datetime.now(UTC)
    rows = [
        {"subscription": held, "change": _change(held, now)}
        for held in selectors.subscriptions_of(request.user)
    ]
    context = {"rows": rows, "invoices": selectors.invoices_of(request.user)}
    return render(request, "marketplace/subscriptions.html", context)


@login_required
@require_POST
def decide(request: SignedInRequest, subscription_id: int, choice: str) -> HttpResponse:
    """Apply or keep a version, or leave with or without closing what is open."""
    held = get_object_or_404(selectors.subscriptions_of(request.user), pk=subscription_id)
    act = {"user": request.user, "subscription": held, **_origin(request)}
    verbs = {
        "apply": lambda: services.apply_version(**act),
        "keep": lambda: services.keep_version(**act),
        "leave": lambda: services.leave(**act, close_positions=False),
        "leave-and-close": lambda: services.leave(**act, close_positions=True),
    }
    if choice not in verbs:
        raise Http404("no such choice")
    try:
        verbs[choice]()
        messages.success(request, DONE[choice])
    except Refused as error:
        messages.error(request, f"{error.message} {error.fix}")
    return redirect("page-subscriptions")


DONE = {
    "apply": "The new version holds from the next entry.",
    "keep": "You stay on your version. You are asked again at the next one.",
    "leave": "You have left: no more entries. What is open keeps its own exits.",
    "leave-and-close": "You have left: no more entries, and what is open is being closed.",
}


def _card(found: Any, request: SignedInRequest) -> dict[str, Any]:
    versions, terms = found.basket.offered, found.agreed  # prefetched by its selectors
    return {
        "listing": found,
        "version": versions[0] if versions else None,
        "terms": terms[0] if terms else None,
        "record": selectors.track_record(found, viewer=request.user),
    }


def _form(
    request: SignedInRequest, found: Listing, limits: dict[int, RecommendedLimit]
) -> MatrixForm:
    strategies = strategies_in(found.basket, request.user).order_by("pk")
    form = MatrixForm(
        request.POST or None,
        strategies=list(strategies),
        accounts=list(open_accounts_of(request.user).order_by("pk")),
        pairs=[],
    )
    for cell in form.cells:
        if recommended := limits.get(cell.strategy.pk):
            cell.form.suggest({name: getattr(recommended, name) for name in LIMITS})
    return form


def _subscribed(
    request: SignedInRequest, found: Listing, form: MatrixForm, limits: dict[int, RecommendedLimit]
) -> bool:
    rows = []
    for cell, terms in form.filled():
        entered = cell.form.cleaned_data
        known = cell.strategy.pk in limits
        rows.append(
            services.Row(
                strategy_id=cell.strategy.pk,
                broker_account_id=cell.account.pk,
                lots=terms.lots,
                product=terms.product,
                **{name: entered[name] if known else getattr(terms, name) for name in LIMITS},
                own={name: entered[name] for name in OWN},
            )
        )
    try:
        services.subscribe(user=request.user, listing=found, rows=rows, **_origin(request))
    except Refused as error:
        form.refuse(error)
        return False
    messages.success(request, f"You run {found.basket.name} now. Entries start at its next entry time.")
    return True


def _change(held: Any, now: datetime) -> selectors.VersionChange | None:
    return selectors.version_change(held, now=now) if held.status == "active" else None


def _origin(request: SignedInRequest) -> dict[str, Any]:
    address = request.META.get("REMOTE_ADDR")
    return {"source": "page", "address": address, "now": datetime.now(UTC)}
