"""Limits above the pair: what is set, what of it is used, and the form of one scope. No script."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from allocations.models import ScopeLimit
from allocations.risk import Exposure
from allocations.selectors import allocations_of, limits_of, wanted_scope_terms
from allocations.services import set_scope_limit
from brokers.selectors import open_accounts_of
from execution.forms import ScopeForm, ScopeLimitForm
from execution.running import used_of_limits
from execution.selectors import target_of
from market.kernel.money import ZERO
from users.errors import Conflict, Refused
from users.models import User
from users.requests import SignedInRequest

Place = tuple[str, int | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One scope, its limits when any were set, and what is used."""

    scope: str
    target: int | None
    name: str
    row: ScopeLimit | None
    used: Exposure | None

    @property
    def loss(self) -> Decimal | None:
        return None if self.used is None else max(-self.used.day_pnl, ZERO)


@login_required
@never_cache
@require_GET
def limits(request: SignedInRequest) -> HttpResponse:
    """Everything, each account, each basket, with limits and use."""
    rows = {(row.scope, row.target_id): row for row in limits_of(request.user)}
    used = used_of_limits(request.user.pk, list(rows.values()))
    lines = [
        Line(scope, target, name, row := rows.get((scope, target)), used.get(row.pk) if row else None)
        for (scope, target), name in _scopes(request.user).items()
    ]
    return render(request, "execution/limits.html", {"lines": lines})


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def edit(request: SignedInRequest) -> HttpResponse:
    """The limits of one scope; a stale form saves nothing (409)."""
    place, name = _place(request)
    row = {(r.scope, r.target_id): r for r in limits_of(request.user)}.get(place)
    if request.method != "POST":
        initial = {"version": 0} if row is None else {**asdict(wanted_scope_terms(row)), "version": row.version}
        return _page(request, ScopeLimitForm(initial=initial), name, row, 200)
    form = ScopeLimitForm(request.POST)
    status = _saved(request, form, place) if form.is_valid() else 422
    if status != 200:
        return _page(request, form, name, row, status)
    messages.success(request, f"Saved limits of {name}. Tighter ones hold now, looser ones from the next "
                     "trading day if anything in it has traded.")  # fmt: skip
    return redirect("page-risk-limits")


def _saved(request: SignedInRequest, form: ScopeLimitForm, place: Place) -> int:
    scope, target = place
    try:
        set_scope_limit(
            user=request.user, scope=scope, terms=form.terms(), if_match=form.cleaned_data["version"],
            target=None if target is None else target_of(request.user, scope, target),
            source="page", address=request.META.get("REMOTE_ADDR"), now=datetime.now(UTC),
        )  # fmt: skip
    except Refused as error:
        form.refuse(error)
        return 409 if isinstance(error, Conflict) else 422
    return 200


def _page(
    request: SignedInRequest, form: ScopeLimitForm, name: str, row: ScopeLimit | None, status: int
) -> HttpResponse:
    context = {"form": form, "name": name, "row": row}
    return render(request, "execution/limit.html", context, status=status)


def _place(request: SignedInRequest) -> tuple[Place, str]:
    form = ScopeForm(request.GET)
    if not form.is_valid():
        raise Http404("no such scope")
    place = form.cleaned_data["scope"], form.cleaned_data["target"]
    name = _scopes(request.user).get(place)
    if name is None:
        raise Http404("no such scope")
    return place, name


def _scopes(user: User) -> dict[Place, str]:
    """Every scope that may have limits, the widest first, by its name."""
    found: dict[Place, str] = {("user", None): "everything you run"}
    found |= {("account", a.pk): f"account {a.label}" for a in open_accounts_of(user).order_by("pk")}
    baskets = {pair.strategy.basket_id: pair.strategy.basket for pair in allocations_of(user)}
    return found | {("basket", pk): f"basket {basket.name}" for pk, basket in baskets.items()}
