"""The desk: live positions, what happens next, brokers, notices, first steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from allocations.models import StrategyBrokerAllocation
from allocations.selectors import allocations_of, effective_states
from baskets.selectors import visible_baskets
from brokers.models import BrokerAccount
from brokers.selectors import open_accounts_of
from execution.selectors import executions_of
from execution.views.agenda import agenda, first
from execution.views.book import DeskBook, book_of
from market.models import Timeline
from market.selectors import active_timeline
from strategies.selectors import strategies_of
from users.models import User
from users.requests import SignedInRequest
from users.selectors import notices_of

SHOWN_NOTICES = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One of the first five things that a new user does."""

    words: str
    href: str
    done: bool


@login_required
@require_GET
def desk(request: SignedInRequest) -> HttpResponse:
    """Everything that is open now, by basket, strategy and pair."""
    user, timeline = request.user, running_timeline()
    pairs = list(allocations_of(user))
    states = effective_states(pairs)
    book = book_of(user, timeline, pairs, states)
    accounts = list(open_accounts_of(user).order_by("pk"))
    context = {
        "book": book,
        "now": timeline.market_now if timeline else None,
        "next": first(agenda(user, pairs, states, timeline).values()),
        "accounts": [_account(account, book) for account in accounts],
        "notices": notices_of(user).filter(read_at=None)[:SHOWN_NOTICES],
        "checklist": _checklist(user, accounts, pairs),
        "capital": sum(account.capital for account in accounts),
    }
    return render(request, "execution/desk.html", context)


def running_timeline() -> Timeline | None:
    """The active world, or None before the first start."""
    try:
        return active_timeline()
    except Timeline.DoesNotExist:
        return None


def _account(account: BrokerAccount, book: DeskBook) -> dict[str, Any]:
    key = f"account:{account.pk}"
    return {"name": account.label, "key": f"summary:{key}", "row": book.row(key)}


def _checklist(
    user: User, accounts: list[BrokerAccount], pairs: list[StrategyBrokerAllocation]
) -> list[Step]:
    """Empty once all five are done."""
    basket = visible_baskets(user).order_by("pk").first()
    inside = f"/baskets/{basket.pk}" if basket else "/baskets/new"
    steps = [
        Step("Add a paper broker account", "/accounts-broker", bool(accounts)),
        Step("Make a basket", "/baskets/new", basket is not None),
        Step("Create a strategy from a preset", f"{inside}/strategies/new" if basket else inside,
             strategies_of(user).exists()),
        Step("Give it lots on a broker", f"{inside}/allocations" if basket else inside,
             any(pair.lots for pair in pairs)),
        Step("Watch its first execution", "/executions", executions_of(user).exists()),
    ]  # fmt: skip
    return [] if all(step.done for step in steps) else steps
