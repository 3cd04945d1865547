"""/options/marketplace: what is offered, subscribing, deciding, leaving, invoices."""

from datetime import date
from decimal import Decimal

import pytest
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from marketplace import services
from marketplace.models import FeeEntry, Invoice, Subscription
from tests.factories import NOW, make_account, make_listing, make_subscription

ROOT = "/options/marketplace"


def post(api, path, body, key=None):
    headers = {"Idempotency-Key": key} if key else {}
    return api.post(f"{ROOT}/{path}", body, format="json", headers=headers)


def wanted(listing, account, **changes):
    strategy = listing.basket.strategies.get(name="Condor")
    row = {
        "strategy_id": strategy.pk, "broker_account_id": account.pk, "lots": 1, "max_lots": 2,
        "max_day_loss": "9000.00", "max_margin": "250000.00", "max_open_positions": 4,
    }  # fmt: skip
    return {"listing_id": listing.pk, "rows": [row | changes]}


@pytest.fixture
def nosy(stranger):
    client = APIClient()
    client.force_login(stranger)
    return client


def test_a_listing_says_what_it_is_what_it_costs_and_what_may_be_lost(api, listing):
    found = api.get(f"{ROOT}/listings").json()

    assert found["next_cursor"] is None
    (shown,) = found["data"]
    assert shown["name"] == listing.basket.name
    assert shown["risks"] == "You may lose the wings."
    assert shown["terms"] == {
        "monthly_fee": "0.00", "performance_rate": "0.2000", "gst_registered": False,
    }  # fmt: skip
    assert [row["name"] for row in shown["version"]["strategies"]] == ["Condor", "Covered Call"]
    assert shown["subscribed"] is False
    one = api.get(f"{ROOT}/listings/{listing.pk}").json()
    assert one["track_record"] == {"live": None, "paper": None}


def test_the_curators_delta_and_vega_are_told_and_a_wider_one_is_refused(api, curator, listing, account):
    strategy = listing.basket.strategies.get(name="Condor")
    services.set_recommended_limit(
        by=curator, listing=listing, strategy=strategy, max_lots=5, max_day_loss=Decimal(9000),
        max_margin=Decimal(500000), max_open_positions=4, max_delta=Decimal(400), source="test", now=NOW,
    )  # fmt: skip

    (shown,) = api.get(f"{ROOT}/listings/{listing.pk}").json()["limits"]
    assert (shown["max_delta"], shown["max_vega"]) == ("400.00", None)
    refused = post(api, "subscriptions", wanted(listing, account, max_delta="401.00"), "a")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/rows/0/max_delta")


def test_drafts_are_not_there(api, curator, timeline):
    draft = make_listing(curator, publish=False)

    assert api.get(f"{ROOT}/listings").json()["data"] == []
    assert api.get(f"{ROOT}/listings/{draft.pk}").status_code == 404


def test_subscribing_needs_a_key_and_the_same_key_subscribes_once(api, listing, account):
    body = wanted(listing, account)

    assert post(api, "subscriptions", body).json()["code"] == "idempotency_key_missing"
    first = post(api, "subscriptions", body, "one")
    again = post(api, "subscriptions", body, "one")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    shown = first.json()
    assert (shown["status"], shown["version"], shown["version_change"]) == ("active", 1, None)
    assert shown["started_at"] == "2026-08-04T09:20:00+05:30"
    assert Subscription.objects.count() == 1
    assert api.get(f"{ROOT}/listings").json()["data"][0]["subscribed"] is True


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"lots": 0}, "/rows/0/lots"),
        ({"lots": 1.5}, "/rows/0/lots"),
        ({"lots": 3}, "/rows/0/lots"),
        ({"product": "CNC"}, "/rows/0/product"),
        ({"strategy_id": 999999}, "/rows/0/strategy_id"),
        ({"broker_account_id": 999999}, "/rows/0/broker_account_id"),
        ({"max_day_loss": "0"}, "/rows/0/max_day_loss"),
        ({"leverage": 5}, "/rows/0/leverage"),
    ],
)
def test_a_bad_row_is_a_422_that_names_the_field_and_saves_nothing(
    api, listing, account, changes, pointer
):
    answer = post(api, "subscriptions", wanted(listing, account, **changes), "k")

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Subscription.objects.exists()


def test_an_unknown_listing_is_named(api, listing, account):
    answer = post(api, "subscriptions", wanted(listing, account) | {"listing_id": 10**30}, "k")
    assert answer.json()["errors"][0]["pointer"] == "/listing_id"

    answer = post(api, "subscriptions", wanted(listing, account) | {"listing_id": 999}, "k2")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_listing")


def test_a_paper_key_subscribes_with_paper_accounts_only_and_a_read_key_not_at_all(
    key_api, user, listing, account
):
    live = make_account(user, mode="live")

    assert post(key_api("paper"), "subscriptions", wanted(listing, live), "a").status_code == 403
    assert post(key_api("read"), "subscriptions", wanted(listing, account), "b").status_code == 403
    assert post(key_api("paper"), "subscriptions", wanted(listing, account), "c").status_code == 201


def test_a_new_version_is_shown_and_applied(api, curator, listing, subscription):
    services.publish_listing(by=curator, listing=listing, source="test", now=NOW)
    path = f"{ROOT}/subscriptions/{subscription.pk}"

    assert api.get(path).json()["version_change"]["version"] == 2
    assert post(api, f"subscriptions/{subscription.pk}/version", {"choice": "later"}).status_code == 422
    applied = post(api, f"subscriptions/{subscription.pk}/version", {"choice": "apply"})
    assert (applied.status_code, applied.json()["version"]) == (200, 2)
    again = post(api, f"subscriptions/{subscription.pk}/version", {"choice": "keep"})
    assert (again.status_code, again.json()["code"]) == (422, "no_newer_version")


def test_leaving_answers_with_the_state_it_left(api, subscription):
    path = f"subscriptions/{subscription.pk}/leave"

    assert post(api, path, {}).json()["errors"][0]["pointer"] == "/close_positions"
    left = post(api, path, {"close_positions": False})
    assert (left.status_code, left.json()["status"]) == (200, "closed")
    again = post(api, path, {"close_positions": False})
    assert (again.status_code, again.json()["code"]) == (422, "already_left")


@pytest.mark.parametrize(
    ("verb", "tail", "body"),
    [
        ("get", "", None),
        ("post", "/leave", {"close_positions": True}),
        ("post", "/version", {"choice": "apply"}),
    ],
)
def test_a_strangers_subscription_is_not_there(nosy, subscription, verb, tail, body):
    answer = getattr(nosy, verb)(f"{ROOT}/subscriptions/{subscription.pk}{tail}", body, format="json")

    assert answer.status_code == 404
    subscription.refresh_from_db()
    assert subscription.status == "active"


def test_lists_hold_only_ones_own(api, nosy, subscription):
    invoice = Invoice.objects.create(
        subscription=subscription, period=date(2026, 8, 1), total=Decimal("118.00"), issued_at=NOW
    )

    assert nosy.get(f"{ROOT}/subscriptions").json()["data"] == []
    assert nosy.get(f"{ROOT}/invoices").json()["data"] == []
    assert [row["id"] for row in api.get(f"{ROOT}/subscriptions").json()["data"]] == [subscription.pk]
    (shown,) = api.get(f"{ROOT}/invoices").json()["data"]
    assert (shown["id"], shown["total"], shown["period"]) == (invoice.pk, "118.00", "2026-08-01")


def test_nobody_reads_without_signing_in(listing):
    for path in ("listings", f"listings/{listing.pk}", "subscriptions", "invoices"):
        assert APIClient().get(f"{ROOT}/{path}").status_code == 401


def test_fees_so_far_stand_with_the_subscription_paper_apart(api, subscription, timeline):
    for kind, amount, notional in (("monthly", "100.00", False), ("performance", "30.00", True)):
        FeeEntry.objects.create(
            subscription=subscription, timeline=timeline, kind=kind, period=date(2026, 8, 1),
            amount=Decimal(amount), basis={}, notional=notional, at=NOW,
        )  # fmt: skip

    shown = api.get(f"{ROOT}/subscriptions/{subscription.pk}").json()

    assert (shown["fees_due"], shown["fees_notional"]) == ("100.00", "30.00")


@pytest.mark.parametrize("path", ["listings", "subscriptions", "invoices"])
def test_a_longer_list_takes_no_more_queries(api, user, curator, timeline, path):
    def add():
        held = make_subscription(user, make_listing(curator), make_account(user))
        Invoice.objects.create(
            subscription=held, period=date(2026, 8, 1), total=Decimal(1), issued_at=NOW
        )

    def count():
        from django.db import connection

        with CaptureQueriesContext(connection) as queries:
            assert api.get(f"{ROOT}/{path}").status_code == 200
        return len(queries)

    add()
    one = count()
    for _ in range(3):
        add()

    assert count() == one
