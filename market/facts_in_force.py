"""The operator's tables become the facts that answer in this process.

`refresh` stands where a unit of work begins: a request, a tick or a task of the engine, a frame of
the market, a look of the live process. It costs one query of one row until the tables change.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from market import fact_selectors
from market.facts import tables
from market.facts.values import Facts
from market.kernel.profile import facts_from_config


def refresh() -> int:
    """Install the tables' snapshot if their revision is another one than this process has."""
    number = fact_selectors.revision()
    if number != tables.in_force().revision:
        tables.install(under_profile(fact_selectors.snapshot()))
    return tables.in_force().revision


def under_profile(dated: Facts) -> Facts:
    """The facts with the hours and index table that the environment states instead, if it states any."""
    return facts_from_config(settings.PLATFORM.indian_market_config, dated=dated)


class FactsMiddleware:
    """Every request is answered by the facts of the moment it came."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(WITHOUT_FACTS):
            refresh()
        return self._get_response(request)


WITHOUT_FACTS = ("/healthz", "/readyz", "/metrics", "/static/")  # answer with the database away too
