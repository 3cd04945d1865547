"""Every page as its owner, as a stranger, and signed out; and how many queries the lists cost."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.integration.pages import world as story

pytestmark = pytest.mark.django_db

OPEN = [
    "/", "/baskets", "/baskets/new", "/executions", "/orders", "/performance", "/performance?by=broker",
    "/risk", "/risk/kill", "/risk/pause", "/risk/kill?scope=user&target=", "/marketplace",
    "/marketplace/subscriptions", "/accounts-broker", "/notices", "/settings", "/market",
    "/risk/kill/done?scope=user&target=", "/risk/limits", "/risk/limits/edit?scope=user&target=",
    "/reconciliation",
]  # fmt: skip
OWNED = [
    "/baskets/{basket}", "/baskets/{basket}/edit", "/baskets/{basket}/strategies/new",
    "/baskets/{basket}/strategies/new?preset=calendar", "/baskets/{basket}/allocations",
    "/strategies/{strategy}", "/strategies/{strategy}/edit", "/executions/{run}",
    "/pairs/{pair}/adjust",
    "/risk/kill?scope=basket&target={basket}", "/risk/exit?scope=pair&target={pair}",
    "/risk/pause?scope=account&target={account}", "/risk/exit/done?scope=strategy&target={strategy}",
    "/risk/limits/edit?scope=account&target={account}", "/risk/limits/edit?scope=basket&target={basket}",
]  # fmt: skip
POSTED = [
    "/baskets/{basket}/edit", "/baskets/{basket}/archive", "/baskets/{basket}/allocations",
    "/baskets/{basket}/strategies/new?preset=iron_fly", "/strategies/{strategy}/edit",
    "/strategies/{strategy}/archive", "/accounts-broker/{account}/archive", "/notices/{notice}/read",
    "/pairs/{pair}/adjust",
]  # fmt: skip


def address(path: str, world) -> str:
    return path.format(
        basket=world.basket.pk,
        strategy=world.strategies["iron_condor"].pk,
        run=world.runs[0].pk,
        pair=world.pairs[0].pk,
        account=world.accounts["zerodha"].pk,
        notice=world.user.notices.get().pk,
    )


@pytest.mark.parametrize("path", OPEN + OWNED)
def test_the_owner_gets_the_page(path, browser, world):
    answer = browser.get(address(path, world))

    assert answer.status_code == 200
    assert b"<h1" in answer.content or b"<h2" in answer.content


@pytest.mark.parametrize("path", OWNED)
def test_a_stranger_does_not_find_it(path, client, stranger, world):
    client.force_login(stranger)

    assert client.get(address(path, world)).status_code == 404


@pytest.mark.parametrize("path", POSTED)
def test_a_stranger_cannot_send_to_it(path, client, stranger, world):
    client.force_login(stranger)

    assert client.post(address(path, world)).status_code == 404


@pytest.mark.parametrize("path", OPEN + OWNED)
def test_the_signed_out_are_sent_to_sign_in(path, client, world):
    answer = client.get(address(path, world))

    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=")


@pytest.mark.parametrize("path", ["/", "/baskets", "/executions", "/orders", "/performance", "/risk", "/reconciliation"])
def test_a_list_costs_the_same_queries_for_more_rows(path, browser, world):
    with CaptureQueriesContext(connection) as before:
        browser.get(path)
    for run in world.runs:
        run.pk, run.cycle = None, 2
        run.save()
        story._orders(_with_new_positions(run))
    with CaptureQueriesContext(connection) as after:
        browser.get(path)

    assert len(after) == len(before)


def _with_new_positions(run):
    """The same run on a fresh pair, so that positions, orders and pairs all double."""
    from decimal import Decimal

    from brokers.models import BrokerAccount

    account = BrokerAccount.objects.create(
        user=run.allocation.broker_account.user, broker="zerodha", mode="paper",
        client_id=f"EXTRA{run.pk}", label=f"Extra {run.pk}", capital=Decimal(100000),
    )  # fmt: skip
    run.allocation = story._pair(account.user, run.allocation.strategy, account, 1)
    run.save()
    return run


def test_no_page_carries_inline_script_or_style(browser, world):
    for path in ["/", f"/baskets/{world.basket.pk}/allocations", "/settings", "/risk"]:
        page = browser.get(path).content.decode()
        assert " style=" not in page
        assert " onclick=" not in page
        assert "<script>" not in page
