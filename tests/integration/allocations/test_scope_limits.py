"""Limits above the pair and looser limits that wait, over the API and the page."""

from __future__ import annotations

from decimal import Decimal

import pytest

from allocations.models import PendingLimit, ScopeLimit, StrategyBrokerAllocation
from allocations.services import put_in_force
from tests.factories import NOW, make_account, make_allocation, make_basket, make_strategy
from users.models import AuditEntry

URL = "/options/risk/scope-limits"


@pytest.fixture
def pair(user):
    return make_allocation(make_strategy(make_basket(user)), make_account(user))


def traded(pair):
    StrategyBrokerAllocation.objects.filter(pk=pair.pk).update(entered_at=NOW)


def send(api, pair, version=None, **limits):
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    body = {"scope": "account", "target": pair.broker_account_id, **limits}
    return api.put(URL, body, format="json", headers=headers)


def test_limits_of_an_account_are_set_shown_and_audited(api, pair):
    answer = send(api, pair, 0, max_lots=6, max_day_loss="8000.00", max_delta="500", square_off_at_loss=True)

    assert (answer.status_code, answer["ETag"]) == (200, '"1"')
    (row,) = api.get(URL).json()["data"]
    assert {name: row[name] for name in ("scope", "target", "max_lots", "max_day_loss", "max_vega")} == {
        "scope": "account", "target": pair.broker_account_id, "max_lots": 6, "max_day_loss": "8000.00",
        "max_vega": None,
    }  # fmt: skip
    assert row["square_off_at_loss"] is True
    assert AuditEntry.objects.get(action="limits.account").after["max_delta"] == "500.00"
    assert send(api, pair, 0, max_lots=7).status_code == 412


def test_before_the_first_trade_a_looser_limit_holds_at_once(api, pair):
    send(api, pair, max_lots=6)

    assert send(api, pair, max_lots=9).json()["max_lots"] == 9
    assert not PendingLimit.objects.exists()


def test_after_it_tighter_holds_at_once_and_looser_from_the_markets_next_day(api, pair):
    send(api, pair, max_lots=6, max_day_loss="8000.00", max_margin="100000.00")
    traded(pair)

    answer = send(api, pair, max_lots=4, max_day_loss="10000.00")
    body = answer.json()

    assert (body["max_lots"], body["max_day_loss"], body["max_margin"]) == (4, "8000.00", "100000.00")
    waiting = {each["limit"]: each["value"] for each in body["pending"]}
    assert waiting == {"max_day_loss": "10000.00", "max_margin": None}
    asked_on = PendingLimit.objects.first().asked_on
    assert put_in_force(day=asked_on, now=NOW) == 0
    assert put_in_force(day=asked_on.replace(year=asked_on.year + 1), now=NOW) == 1
    row = ScopeLimit.objects.get()
    assert (row.max_lots, row.max_day_loss, row.max_margin, row.version) == (4, Decimal("10000.00"), None, 3)
    assert not PendingLimit.objects.exists()
    assert AuditEntry.objects.get(action="limits.in_force").actor is None


def test_asking_for_todays_value_again_takes_back_what_waits(api, pair):
    send(api, pair, max_lots=6)
    traded(pair)
    send(api, pair, max_lots=9)
    first = PendingLimit.objects.get()
    send(api, pair, max_lots=9, max_vega="100")
    assert PendingLimit.objects.get() == first

    send(api, pair, max_lots=6, max_vega="100")

    assert not PendingLimit.objects.exists()


def test_a_pair_that_has_traded_waits_and_its_page_says_both_values(api, client, user, pair):
    traded(pair)
    url = f"/options/strategies/{pair.strategy_id}/brokers/{pair.pk}"

    body = api.patch(url, {"lots": 5, "max_lots": 5, "max_day_loss": "9000.00"}, format="json").json()
    client.force_login(user)
    page = client.get(f"/baskets/{pair.strategy.basket_id}/allocations").content.decode()

    assert (body["lots"], body["max_lots"], body["max_day_loss"]) == (2, 4, "9000.00")
    assert {each["limit"]: each["value"] for each in body["pending"]} == {"lots": "5.00", "max_lots": "5.00"}
    assert "Most lots 4 today, from the next trading day 5" in page
    assert api.patch(url, {"max_vega": "10"}, format="json").json()["pending"] == body["pending"]


def test_lots_wait_until_the_limit_they_need_is_in_force(api, pair):
    """The limit was asked for anew a day after the lots: in force on their day, it would be too small."""
    traded(pair)
    url = f"/options/strategies/{pair.strategy_id}/brokers/{pair.pk}"
    api.patch(url, {"lots": 6, "max_lots": 6}, format="json")
    today = PendingLimit.objects.first().asked_on
    PendingLimit.objects.filter(name="lots").update(asked_on=today.replace(year=today.year - 1))

    assert put_in_force(day=today, now=NOW) == 0
    assert put_in_force(day=today.replace(year=today.year + 1), now=NOW) == 1

    pair.refresh_from_db()
    assert (pair.lots, pair.max_lots, PendingLimit.objects.count()) == (6, 6, 0)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scope": "strategy", "target": 1}, "/scope"),
        ({"scope": "user", "target": 1}, "/target"),
        ({"scope": "account"}, "/target"),
        ({"scope": "user", "max_delta": "-1"}, "/max_delta"),
        ({"scope": "user", "max_day_loss": "0"}, "/max_day_loss"),
        ({"scope": "user", "max_lots": 1.5}, "/max_lots"),
        ({"scope": "user", "square_off_at_loss": True}, "/square_off_at_loss"),
    ],
)
def test_limits_that_make_no_sense_are_refused_by_name(api, body, pointer):
    answer = api.put(URL, body, format="json")

    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert not ScopeLimit.objects.exists()


def test_a_strangers_account_is_not_found_and_nothing_is_set(api, stranger):
    theirs = make_allocation(make_strategy(make_basket(stranger)), make_account(stranger))

    assert send(api, theirs, max_lots=1).status_code == 404
    assert not ScopeLimit.objects.exists()


def test_the_page_sets_limits_without_a_script_and_a_stale_form_saves_nothing(client, user, pair):
    client.force_login(user)
    place = f"/risk/limits/edit?scope=account&target={pair.broker_account_id}"
    sent = {"max_lots": "6", "max_day_loss": "8000", "version": "0"}

    assert client.get(place).status_code == 200
    assert client.post(place, sent)["Location"] == "/risk/limits"
    assert client.post(place, {**sent, "max_lots": "9"}).status_code == 409
    assert client.post(place, {"square_off_at_loss": "on", "version": "1"}).status_code == 422
    page = client.get("/risk/limits").content.decode()

    assert "of 8,000" in page
    assert ScopeLimit.objects.get().max_lots == 6
