"""Where users see margin: a pair's share of its account, and what each planned order would block."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocations.models import StrategyBrokerAllocation
from execution.engine import judging, margins, preview
from execution.engine.account_view import AccountView
from execution.models import Position, StrategyExecution
from execution.views.scopes import tree_of
from market.kernel.margin import ATTRIBUTION
from tests.integration.execution.api.conftest import engine_desk

pytestmark = pytest.mark.django_db


def limits(client, query=""):
    answer = client.get(f"/options/risk/limits{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def account_margins(desk):
    held = defaultdict(list)
    for position in Position.objects.exclude(quantity=0).select_related("contract", "allocation"):
        units = (position.contract.spec, position.quantity)
        held[position.allocation.broker_account_id].append(units)
    return {account: margins.requirement(units, desk.player.last) for account, units in held.items()}


def test_the_shares_of_an_accounts_pairs_add_up_to_its_margin(traded, mine):
    shares = defaultdict(Decimal)
    for row in limits(mine):
        pair = StrategyBrokerAllocation.objects.get(pk=row["allocation_id"])
        shares[pair.broker_account_id] += Decimal(row["margin_share"])

    assert shares == account_margins(traded)


def test_one_pair_alone_has_the_share_that_it_has_among_all(traded, mine):
    pair = traded.pair("Iron Condor", "zerodha")
    among_all = {row["allocation_id"]: row["margin_share"] for row in limits(mine)}

    [row] = limits(mine, f"?allocation={pair.pk}")

    assert row["margin_share"] == among_all[pair.pk]


def test_a_pair_that_holds_nothing_has_no_share(untraded, mine):
    assert {row["margin_share"] for row in limits(mine)} == {"0.00"}


def test_the_limits_take_the_same_queries_for_one_pair_and_for_all(traded, mine):
    pair = traded.pair("Iron Condor", "zerodha")

    def queries(query):
        limits(mine, query)
        with CaptureQueriesContext(connection) as seen:
            limits(mine, query)
        return len(seen)

    assert queries("") == queries(f"?allocation={pair.pk}")


def test_the_risk_page_names_the_method_and_sums_shares_by_scope(traded, owner, mine):
    tree = {(n.scope, n.id): n for n in tree_of(owner, traded.player.timeline, valued=True)}

    page = mine.get("/risk").content.decode()

    assert ATTRIBUTION.replace("'", "&#x27;") in page
    pairs = [node for (scope, _), node in tree.items() if scope == "pair"]
    assert sum(node.margin for node in pairs) == sum(account_margins(traded).values())
    (basket,) = (node for (scope, _), node in tree.items() if scope == "basket")
    assert basket.margin == sum(node.margin for node in pairs)


def test_a_preview_shows_what_is_blocked_after_each_order(untraded):
    desk = engine_desk(untraded)
    [plan] = preview.plan([untraded.pair("Iron Condor", "zerodha")], desk)

    blocked = [order.margin_after for order in plan.orders]
    assert [order.side for order in plan.orders] == ["BUY", "BUY", "SELL", "SELL"]
    assert blocked[:2] == [0, 0]
    assert 0 < blocked[2] < blocked[3] == plan.margin == plan.margin_peak


def test_the_funds_needed_are_those_of_the_worst_order(untraded):
    pair = untraded.pair("Covered Call", "zerodha")
    desk = engine_desk(untraded)
    [plan] = preview.plan([pair], desk)
    run = StrategyExecution(
        allocation=pair, timeline=desk.timeline, trading_day=desk.day, phase="entry",
        strategy_version=plan.version, lots=pair.lots, cause="user", due_at=desk.now,
    )  # fmt: skip
    verdict = judging.judge(run, AccountView([pair], desk))

    needed = judging.funds_needed(run, verdict.legs, AccountView([pair], desk))

    first, second = plan.orders
    worst = max(first.margin_after, second.margin_after + second.premium)
    assert abs(needed - worst) <= Decimal("0.01")
