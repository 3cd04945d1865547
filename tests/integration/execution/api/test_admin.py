"""The operator's pages: everything of the engine is shown, nothing can be edited."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from execution.models import Order, PerformanceMetric, Position, Settlement, StrategyExecution
from tests.factories import UserFactory, make_curator, make_operator

NAMES = ["strategyexecution", "order", "position", "settlement", "performancemetric"]


@pytest.fixture
def operator(client, db, settings):
    settings.ADMIN_REQUIRES_MFA = False
    client.force_login(make_operator())
    return client


@pytest.fixture
def rows(traded):
    """One row of each kind by its admin's name; the settlement is written here."""
    position = Position.objects.order_by("pk").first()
    settlement = Settlement.objects.create(
        position=position, trading_day=date(2026, 8, 4), quantity=position.quantity, price=Decimal(0),
        underlying_price=Decimal("24612.35"), provisional=False, source="NSE", amount=Decimal(0),
        charges=Decimal(0), at=position.opened_at,
    )  # fmt: skip
    traded.at(15, 30)
    traded.close()
    models = [StrategyExecution, Order, Position, PerformanceMetric]
    found = {model._meta.model_name: model.objects.order_by("pk").first() for model in models}
    return {**found, "settlement": settlement}


def test_an_operator_reads_every_list_and_row_and_edits_none(operator, rows):
    for name in NAMES:
        listed = operator.get(f"/admin/execution/{name}/")
        shown = operator.get(f"/admin/execution/{name}/{rows[name].pk}/change/")
        assert (listed.status_code, shown.status_code) == (200, 200), name
        assert b'name="_save"' not in shown.content
        assert operator.get(f"/admin/execution/{name}/add/").status_code == 403
        assert operator.post(f"/admin/execution/{name}/{rows[name].pk}/delete/").status_code == 403


def test_an_orders_page_tells_its_events_and_fills(operator, traded):
    order = Order.objects.filter(status="FILLED").order_by("pk").first()

    page = operator.get(f"/admin/execution/order/{order.pk}/change/").content.decode()

    assert order.fills.get().trade_id in page
    assert "Ack" in page


def test_orders_are_found_by_client_ref_strategy_and_owner(operator, traded):
    order = Order.objects.order_by("pk").first()
    for words in order.client_ref, "headless@example.com", order.contract.symbol:
        page = operator.get("/admin/execution/order/", {"q": words}).content.decode()
        assert f"/admin/execution/order/{order.pk}/change/" in page
    assert "/admin/execution/order/1/" not in operator.get(
        "/admin/execution/order/", {"q": "nothing-like-it"}
    ).content.decode()


def test_a_longer_list_costs_no_more_queries(operator, desk):
    desk.change_pair(desk.pair("Covered Call", "zerodha"), lots=0)
    desk.at(9, 20)
    few = {name: _queries(operator, name) for name in NAMES}
    desk.change_pair(desk.pair("Covered Call", "zerodha"), lots=2)
    desk.at(9, 21)

    assert {name: _queries(operator, name) for name in NAMES} == few


def _queries(client, name):
    client.get(f"/admin/execution/{name}/")
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"/admin/execution/{name}/").status_code == 200
    return len(queries)


@pytest.mark.parametrize("who", [UserFactory, make_curator])
def test_nobody_else_reads_them(client, db, who, settings):
    settings.ADMIN_REQUIRES_MFA = False
    client.force_login(who())
    for name in NAMES:
        assert client.get(f"/admin/execution/{name}/").status_code in (302, 403)
