"""The operator's pages: every rule is the service's, and quotes and contracts are only read."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from market import services
from market.kernel.contracts import parse
from market.models import SettlementPrice, Timeline
from tests.factories import UserFactory
from tests.integration.market.conftest import KEY
from users.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    return UserFactory(is_staff=True, is_superuser=True)


@pytest.fixture
def desk(client, operator):
    client.force_login(operator)
    return client


def new_timeline(**change):
    return {
        "key": "demo", "source": "simulated", "first_day": "2026-08-04", "seed": "7",
        "speed": "10", "files": "[]", **change,
    }  # fmt: skip


def test_a_timeline_is_made_and_activated_with_an_audit_entry(desk, operator):
    made = desk.post(reverse("admin:market_timeline_add"), new_timeline())
    row = Timeline.objects.get(key="demo")
    acted = desk.post(
        reverse("admin:market_timeline_changelist"),
        {"action": "activate", "_selected_action": [row.pk]},
    )

    assert (made.status_code, acted.status_code) == (302, 302)
    row.refresh_from_db()
    assert (row.active, row.speed, row.seed) == (True, 10, 7)
    entry = AuditEntry.objects.get(action="market.activate_timeline")
    assert (entry.actor, entry.source) == (operator, "admin")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"speed": "61"}, "cannot run at x61"),
        ({"source": "recorded"}, "A recorded timeline plays files"),
        ({"files": '["a.csv"]'}, "A recorded timeline plays files"),
    ],
)
def test_a_wrong_timeline_is_refused_on_the_page(desk, change, words):
    page = desk.post(reverse("admin:market_timeline_add"), new_timeline(**change))

    assert page.status_code == 200
    assert words in page.content.decode()
    assert not Timeline.objects.exists()


def test_only_the_speed_of_a_timeline_can_be_changed(desk, timeline):
    page = reverse("admin:market_timeline_change", args=[timeline.pk])
    saved = desk.post(page, {"speed": "1", "key": "other", "frame": "99"})
    refused = desk.post(page, {"speed": "0"})

    assert (saved.status_code, refused.status_code) == (302, 200)
    timeline.refresh_from_db()
    assert (timeline.speed, timeline.key, timeline.frame) == (1, KEY, 0)


def test_a_settlement_value_is_entered_and_corrected_with_audit(desk, timeline):
    value = {
        "timeline": timeline.pk, "underlying": "NIFTY", "day": "2026-08-04",
        "price": "24612.35", "source": "NSE closing auction",
    }  # fmt: skip
    desk.post(reverse("admin:market_settlementprice_add"), value)
    row = SettlementPrice.objects.get()
    desk.post(
        reverse("admin:market_settlementprice_change", args=[row.pk]), value | {"price": "24600.00"}
    )

    row.refresh_from_db()
    assert (row.price, row.day) == (Decimal("24600.00"), date(2026, 8, 4))
    assert AuditEntry.objects.filter(action="market.set_settlement_price").count() == 2


def test_a_settlement_value_of_a_day_without_expiry_is_refused_on_the_page(desk, timeline):
    page = desk.post(
        reverse("admin:market_settlementprice_add"),
        {"timeline": timeline.pk, "underlying": "NIFTY", "day": "2026-08-05",
         "price": "1.00", "source": "x"},
    )  # fmt: skip

    assert "No NIFTY contract expires on 2026-08-05" in page.content.decode()
    assert not SettlementPrice.objects.exists()


def test_contracts_and_quotes_are_only_read(desk):
    services.ensure_contracts([parse("NIFTY-20260804-24500-CE")])

    assert desk.get(reverse("admin:market_contract_changelist")).status_code == 200
    assert desk.get(reverse("admin:market_quote_changelist")).status_code == 200
    assert desk.get(reverse("admin:market_contract_add")).status_code == 403
    assert desk.get(reverse("admin:market_quote_add")).status_code == 403
