"""Reconciliation over the API: what it shows, who may decide, and that a decision is carried out once."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from execution import running, tasks
from execution.models import AccountBook, ForeignTrade, Mismatch
from market import quotes
from tests.integration.execution import by_hand
from tests.integration.execution.api.conftest import queued
from tests.integration.execution.by_hand import open_mismatches, reconciled
from users.models import AuditEntry

pytestmark = pytest.mark.django_db
URL = "/options/reconciliation"


@pytest.fixture
def squared(traded):
    """The short put of Finvasia bought back by hand: (desk, pair, its contract, the mismatch)."""
    pair = traded.pair("Cash Secured Put", "finvasia")
    (symbol,) = traded.held(pair)
    by_hand.square_off(traded, pair.broker_account, symbol)
    (mismatch,) = reconciled(traded, pair.broker_account)
    return traded, pair, symbol, mismatch


def settle(client, mismatch, key="one", **body):
    return client.post(
        f"{URL}/mismatches/{mismatch.pk}", body, format="json", headers={"Idempotency-Key": key}
    )


def adopt(client, account, key="one", **body):
    return client.post(f"{URL}/{account.pk}/adopt", body, format="json", headers={"Idempotency-Key": key})


def test_the_owner_sees_platform_external_and_broker_and_one_proposed_fix(squared, mine):
    _, pair, symbol, mismatch = squared
    units = mismatch.ours

    rows = {row["broker_account_id"]: row for row in mine.get(URL).json()["data"]}

    shown = rows[pair.broker_account_id]
    assert (shown["agrees"], shown["failing_since"]) == (False, None)
    assert shown["positions"] == [
        {"contract": symbol, "product": "NRML", "platform": units, "external": -units, "broker": 0,
         "disputed": -units, "agrees": False}
    ]  # fmt: skip
    (one,) = shown["mismatches"]
    assert [choice["fix"] for choice in one["choices"]] == ["adopt_close", "external"]
    assert (one["kind"], one["allocation_id"], one["missing"]) == ("squared_off", pair.pk, -units)
    others = [row for key, row in rows.items() if key != pair.broker_account_id]
    assert [(row["agrees"], row["mismatches"]) for row in others] == [(True, [])] * 2


def test_a_decision_is_carried_out_once_and_audited(squared, mine):
    desk, pair, _, mismatch = squared

    first, again = (settle(mine, mismatch, fix="adopt_close") for _ in range(2))

    assert (first.status_code, first.json()["resolution"]) == (200, "adopt_close")
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert desk.held(pair) == {}
    assert settle(mine, mismatch, key="two", fix="adopt_close").json()["code"] == "already_settled"
    (entry,) = AuditEntry.objects.filter(action="reconcile.adopt_close")
    assert (entry.actor, entry.source, entry.object_id) == (
        pair.broker_account.user, "browser", str(mismatch.pk),
    )  # fmt: skip
    assert reconciled(desk, pair.broker_account) == []


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "invalid", "/fix"),
        ({"fix": "forget"}, "invalid", "/fix"),
        ({"fix": "never_sent"}, "not_a_fix", "/fix"),
        ({"fix": "adopt_close", "price": "12.00"}, "price", "/price"),
        ({"fix": "adopt_close", "lots": 1}, "invalid", "/lots"),
    ],
)
def test_a_decision_that_cannot_be_is_refused_by_its_field(squared, mine, body, code, pointer):
    desk, pair, symbol, mismatch = squared

    answer = settle(mine, mismatch, **body)

    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}
    assert code == "invalid" or answer.json()["code"] == code
    assert open_mismatches(pair.broker_account) == [mismatch]
    assert symbol in desk.held(pair)


def test_who_is_not_the_owner_decides_nothing(squared, theirs, program):
    _, pair, _, mismatch = squared
    account = pair.broker_account

    for client, status in ((APIClient(), 401), (theirs, 404), (program("read"), 403)):
        assert settle(client, mismatch, fix="adopt_close").status_code == status
        assert adopt(client, account, contract="x", allocation_id=pair.pk, lots=1).status_code == status
    assert theirs.get(URL).json()["data"] == []
    assert APIClient().get(URL).status_code == 401
    assert Mismatch.objects.filter(resolved_at=None).count() == 1


def test_lots_traded_by_hand_are_adopted_into_a_pair(traded, mine, stranger):
    pair = traded.pair("Cash Secured Put", "finvasia")
    account = pair.broker_account
    (symbol,) = traded.held(pair)
    hedge = symbol.replace("-PE", "-CE")
    by_hand.trade(traded, account, hedge, "BUY", 130)
    reconciled(traded, account)
    asked = {"contract": hedge, "allocation_id": pair.pk, "lots": 2}

    other = adopt(mine, account, **{**asked, "allocation_id": traded.pair("Iron Condor", "zerodha").pk})
    more = adopt(mine, account, key="two", **{**asked, "lots": 3})
    none = adopt(mine, account, key="three", **{**asked, "contract": "nothing"})
    answer = adopt(mine, account, key="four", **asked)

    assert [(a.status_code, a.json()["code"]) for a in (other, more, none)] == [
        (422, "unknown_pair"), (422, "too_many_lots"), (422, "not_external"),
    ]  # fmt: skip
    order = answer.json()
    assert (answer.status_code, order["status"], order["filled_quantity"]) == (200, "FILLED", 130)
    assert [fill["trade_id"] for fill in order["fills"]] == [ForeignTrade.objects.get().trade_id]
    assert traded.held(pair)[hedge] == 130
    assert reconciled(traded, account) == []


def test_the_books_are_read_at_once_when_asked_beside_the_orders(
    traded, mine, django_capture_on_commit_callbacks
):
    for queue in ("orders", "celery"):
        quotes.connection().delete(queue)
    AccountBook.objects.update(due_at=None)

    with django_capture_on_commit_callbacks(execute=True):
        answer = mine.post(URL, {}, format="json")

    accounts = answer.json()["accounts"]
    assert len(accounts) == 3
    assert queued("celery") == sorted(("reconcile", account) for account in accounts)
    assert queued("orders") == []
    assert AccountBook.objects.filter(due_at=None).count() == 0
    quotes.connection().delete("celery")


def test_the_first_tick_of_a_worker_has_every_account_read(traded, monkeypatch):
    for queue in ("orders", "celery"):
        quotes.connection().delete(queue)
    running.forget_turns()
    monkeypatch.setattr(running, "TICK_AGAIN_MS", 1)
    AccountBook.objects.update(due_at=None)
    monkeypatch.setattr(tasks, "BOOT", f"test-{AccountBook.objects.first().pk}")
    quotes.connection().delete(f"ticked:{tasks.BOOT}")

    tasks.tick()
    first = queued("celery")
    AccountBook.objects.update(due_at=None)
    tasks.tick()

    assert len(first) == 3
    assert queued("celery") == first
    AccountBook.objects.update(due_at=datetime(2020, 1, 1, tzinfo=UTC))
    tasks.tick()
    assert queued("celery") == first  # a look that waits is not asked for a second time
    running.forget_turns()
    for key in ("orders", "celery", f"ticked:{tasks.BOOT}"):
        quotes.connection().delete(key)


def test_the_command_says_what_a_broker_does_not_tell(traded, settings):
    settings.SIMULATOR_URL = "http://127.0.0.1:9"
    account = traded.pair("Cash Secured Put", "finvasia").broker_account
    said = io.StringIO()

    call_command("reconcile", account=account.pk, stdout=said)

    assert "cannot be read: " in said.getvalue()
    with pytest.raises(CommandError, match="No such account"):
        call_command("reconcile", account=999_999)


def test_a_command_without_a_market_says_so(db):
    with pytest.raises(CommandError, match="bin/start"):
        call_command("reconcile")
