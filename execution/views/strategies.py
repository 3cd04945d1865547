"""A strategy's page: its rules, and where the stops of its open trades stand."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from execution.models import StopWatch
from execution.selectors import watches_of
from market.models import Timeline
from market.selectors import active_timeline
from strategies.models import Strategy
from strategies.views import of_strategy
from users.models import User
from users.requests import SignedInRequest


@login_required
@require_GET
def strategy(request: SignedInRequest, strategy_id: int) -> HttpResponse:
    """Legs, schedule, exits, payoff, versions, and the levels of what is open."""
    context = of_strategy(request, strategy_id)
    watches = _watches(request.user, context["strategy"])
    return render(request, "strategies/strategy.html", {**context, "watches": watches})


def _watches(user: User, found: Strategy) -> list[StopWatch]:
    try:
        timeline = active_timeline()
    except Timeline.DoesNotExist:  # nothing has been set up to run yet
        return []
    return list(watches_of(user, timeline).filter(allocation__strategy=found))
