"""Pages of a strategy: create it from a preset, read it, write its next version, archive it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from baskets.models import Basket
from baskets.selectors import may_write, readable_baskets, require_writer
from market import quotes
from market.kernel.clock import ist_day
from market.models import Timeline
from market.selectors import active_timeline
from strategies import selectors, services
from strategies.forms import PresetForm, TermsForm, legs_formset, refuse_legs
from strategies.models import Strategy, StrategyVersion
from strategies.presets import PRESETS, Preset, terms_of
from strategies.rules import Unresolvable, resolve
from strategies.templatetags.payoff import of_resolved
from users.errors import Forbidden, Refused
from users.requests import SignedInRequest


@login_required
@require_http_methods(["GET", "POST"])
def new_strategy(request: SignedInRequest, basket_id: int) -> HttpResponse:
    """A palette of presets, then one form with the preset's usual values: two clicks."""
    basket = get_object_or_404(readable_baskets(request.user), pk=basket_id)
    _require_writer(request, basket)
    key = request.GET.get("preset", "")
    if not key:
        return render(request, "strategies/new.html", {"basket": basket, "palettes": _palettes()})
    if key not in PRESETS:
        raise Http404("no such preset")
    form, made = _preset_form(request, basket, PRESETS[key])
    if made is not None:
        return redirect("page-strategy", made.pk)
    context = {"basket": basket, "chosen": PRESETS[key], "form": form}
    return render(request, "strategies/new.html", context, status=422 if form.errors else 200)


def of_strategy(request: SignedInRequest, strategy_id: int) -> dict[str, Any]:
    """What its page shows: legs, what they mean at the last frame, payoff, schedule, versions."""
    found = _readable(request, strategy_id)
    version = selectors.versions_for(request.user, [found])[found.pk]
    versions = found.versions.annotate(leg_count=Count("legs")).order_by("-number")
    own = may_write(request.user, found.basket)
    return {
        "strategy": found,
        "version": version,
        "own": own,
        "versions": versions if own else versions.filter(number__lte=version.number),
        **_resolved(found, version),
    }


@login_required
@require_http_methods(["GET", "POST"])
def edit_strategy(request: SignedInRequest, strategy_id: int) -> HttpResponse:
    """Write the next version; pairs move to it at their next entry."""
    found = _readable(request, strategy_id)
    _require_writer(request, found.basket)
    terms = selectors.terms(selectors.newest_version(found))
    most = settings.PLATFORM.max_legs_per_strategy
    form = TermsForm(request.POST or None, initial=TermsForm.values_of(terms))
    legs = legs_formset(request.POST or None, terms.legs, most=most)
    if request.method == "POST" and form.is_valid() and legs.is_valid():
        try:
            rules = tuple(leg.rule() for leg in legs if leg.used)
            services.revise_strategy(
                by=request.user,
                strategy=found,
                terms=form.applied(replace(terms, legs=rules)),
                **_act(request),
            )
            messages.success(request, "Saved as a new version. Open trades keep theirs.")
            return redirect("page-strategy", found.pk)
        except Refused as error:
            refuse_legs(form, legs, error)
    context = {
        "strategy": found,
        "form": form,
        "legs": legs,
        "most_legs": most,
        "next_number": selectors.next_number(found),
    }
    return render(request, "strategies/edit.html", context, status=422 if form.is_bound else 200)


@login_required
@require_POST
def archive_strategy(request: SignedInRequest, strategy_id: int) -> HttpResponse:
    """No more entries of it."""
    found = _readable(request, strategy_id)
    _require_writer(request, found.basket)
    services.archive_strategy(by=request.user, strategy=found, **_act(request))
    messages.success(request, f"{found.name} is archived: no more entries. Open positions still exit.")
    return redirect("page-basket", found.basket_id)


def _readable(request: SignedInRequest, strategy_id: int) -> Strategy:
    """Own, granted or published; anything else is not there."""
    baskets = readable_baskets(request.user)
    rows = Strategy.objects.filter(basket__in=baskets).select_related("basket")
    found = get_object_or_404(rows, pk=strategy_id)
    if not selectors.strategies_in(found.basket, request.user).filter(pk=found.pk).exists():
        raise Http404("no such strategy")
    return found


def _require_writer(request: SignedInRequest, basket: Basket) -> None:
    try:
        require_writer(request.user, basket)
    except Forbidden as error:
        raise PermissionDenied(error.message) from error


def _act(request: SignedInRequest) -> dict[str, Any]:
    address = request.META.get("REMOTE_ADDR")
    return {"source": "page", "address": address, "now": datetime.now(UTC)}


def _palettes() -> list[tuple[str, list[Preset]]]:
    flows = ("credit", "debit")
    return [(flow, [p for p in PRESETS.values() if p.cash_flow == flow]) for flow in flows]


def _preset_form(
    request: SignedInRequest, basket: Basket, preset: Preset
) -> tuple[PresetForm, Strategy | None]:
    now = datetime.now(UTC)
    usual = terms_of(preset, underlying="NIFTY", on=selectors.market_day(now))
    form = PresetForm(request.POST or None, initial=PresetForm.first_values(preset, usual))
    if not form.is_valid():
        return form, None
    entered = form.cleaned_data
    try:
        terms = services.preset_terms(
            preset=preset.key,
            underlying=entered["underlying"],
            offset=entered["offset"],
            width=entered["width"],
            now=now,
        )
        made = services.create_strategy(
            by=request.user,
            basket=basket,
            name=entered["name"],
            underlying=entered["underlying"],
            terms=form.applied(terms),
            preset=preset.key,
            **_act(request),
        )
    except Refused as error:
        form.refuse(error)
        return form, None
    return form, made


def _resolved(found: Strategy, version: StrategyVersion) -> dict[str, Any]:
    """Legs with their contracts at the last frame, and the payoff; or why there is none."""
    rules = selectors.leg_rules(version)
    unresolved = [{"rule": rule, "now": None} for rule in rules]
    try:
        frame = quotes.latest(active_timeline().key)
        if frame is None:
            return {"legs": unresolved, "unresolvable": "No fresh prices: the market process is quiet."}
        legs = resolve(rules, underlying=found.underlying, frame=frame, day=ist_day(frame.now))
    except Timeline.DoesNotExist as error:
        return {"legs": unresolved, "unresolvable": str(error)}
    except Unresolvable as error:
        return {"legs": unresolved, "unresolvable": error.message}
    by_number = {leg.number: leg for leg in legs}
    figure = of_resolved(legs, frame)
    summary = figure.summary
    return {
        "legs": [{"rule": rule, "now": by_number[rule.number]} for rule in rules],
        "asof": frame.now,
        "figure": figure,
        "premium": _whole(summary.premium),
        "best": _whole(summary.max_profit),
        "worst": _whole(summary.max_loss),
        "odds": _percent(summary.probability_of_profit),
    }


def _percent(share: float | None) -> int | None:
    return None if share is None else round(share * 100)


def _whole(amount: float | None) -> Decimal | None:
    return None if amount is None else Decimal(round(amount))
