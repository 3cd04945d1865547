"""A kill's receipt: flat is what the broker's own book says, and what is not ours is named."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from rest_framework.test import APIClient

from allocations.models import TradingState
from brokers.types import BrokerPosition, Product
from execution import receipts, services
from execution.engine.verify import compare
from execution.models import Receipt, ReceiptAccount
from market.models import Timeline
from users.models import User

SHORT, OTHER = "NIFTY-20260804-24500-CE", "NIFTY-20260804-24600-CE"


def test_a_contract_that_was_closed_must_be_gone_and_others_are_only_named():
    ours = {(SHORT, "NRML"): -65}

    assert compare({SHORT}, ours, {(SHORT, "NRML"): -65}) == ([], [])
    assert compare({SHORT}, {}, {(SHORT, "NRML"): 130, (OTHER, "MIS"): -65}) == (
        [f"+130 {SHORT} (NRML) at the broker are in none of our books"],
        [f"-65 {OTHER} (MIS) is not ours and was left alone"],
    )
    assert compare({SHORT}, ours, {})[0] == [f"+65 {SHORT} (NRML) at the broker are in none of our books"]


@pytest.fixture
def held(desk):
    desk.at(9, 20)
    desk.at(9, 21)
    Timeline.objects.update(active=False)
    Timeline.objects.filter(pk=desk.player.timeline.pk).update(active=True)
    return desk


@pytest.fixture
def owner(desk) -> User:
    return User.objects.get(email="headless@example.com")


def kill(held, owner, scope="user", target=None) -> Receipt:
    services.kill(user=owner, scope=scope, target=target, by=owner, source="test", now=held.player.wall)
    return receipts.newest(owner, verb="kill", scope=scope, target=target)


def parts(owner, receipt):
    fresh = receipts.receipts_of(owner).get(pk=receipt.pk)
    return {part.account: part for part in services.progress_of(fresh)}


def test_a_kill_counts_what_it_closes_and_ends_verified_by_every_brokers_book(held, owner):
    receipt = kill(held, owner)
    before = parts(owner, receipt)

    held.at(9, 22)
    held.at(9, 23)

    after = parts(owner, receipt)
    assert {name: part.positions_open for name, part in before.items()} == {
        "Zerodha": 6, "Angel One": 5, "Finvasia": 1,
    }  # fmt: skip
    assert {name: (p.positions_closed, p.positions_open) for name, p in after.items()} == {
        "Zerodha": (6, 0), "Angel One": (5, 0), "Finvasia": (1, 0),
    }  # fmt: skip
    assert all(part.verified_at is not None and not part.said for part in after.values())


def test_a_kill_of_one_pair_leaves_its_neighbours_in_the_brokers_book(held, owner):
    pair = held.pair("Covered Call", "zerodha")
    receipt = kill(held, owner, "pair", pair.pk)

    held.at(9, 22)
    held.at(9, 23)

    (part,) = parts(owner, receipt).values()
    assert (part.account, part.positions_closed, part.positions_open) == ("Zerodha", 2, 0)
    assert part.verified_at is not None


class Meddled:
    """The account's wire, with units that somebody sold in the broker's own app once ours were closed."""

    def __init__(self, wire, extra):
        self._wire, self._extra = wire, extra

    def __getattr__(self, name):
        return getattr(self._wire, name)

    def positions(self):
        rows = self._wire.positions()
        ours_is_open = any(row.symbol == self._extra.symbol for row in rows)
        return rows if ours_is_open else [*rows, self._extra]


def test_units_in_a_closed_contract_that_are_not_ours_are_named_and_nothing_is_verified(held, owner):
    pair = held.pair("Cash Secured Put", "finvasia")
    (symbol,) = held.held(pair)
    account = pair.broker_account
    wire = held.player.adapter(account)
    extra = BrokerPosition(symbol=symbol, product=Product.NRML, quantity=-65)
    held.player._adapters[account.pk] = Meddled(wire, extra)
    receipt = kill(held, owner, "pair", pair.pk)

    held.at(9, 22)
    held.at(9, 23)

    (part,) = parts(owner, receipt).values()
    assert (part.positions_open, part.verified_at) == (0, None)
    assert part.said == [f"-65 {symbol} (NRML) at the broker are in none of our books"]
    assert ReceiptAccount.objects.get().checks >= 1


def test_a_kill_works_by_plain_forms_and_the_api_tells_its_receipt(held, owner, stranger):
    browser, theirs = Client(), APIClient()
    browser.force_login(owner)
    theirs.force_login(stranger)

    confirm = browser.get("/risk/kill?scope=user&target=").content.decode()
    answer = browser.post("/risk/kill", {"scope": "user", "target": ""})
    closing = browser.get(answer["Location"]).content.decode()
    held.at(9, 22)
    held.at(9, 23)
    done = browser.get(answer["Location"]).content.decode()

    assert 'method="post" action="/risk/kill"' in confirm
    assert answer.status_code == 302
    assert "Sent, not confirmed." in closing
    assert "Verified flat" in done
    assert "every broker's own book" in done.replace("&#x27;", "'")
    mine = APIClient()
    mine.force_login(owner)
    (head,) = mine.get("/options/risk/receipts").json()["data"]
    shown = mine.get(f"/options/risk/receipts/{head['id']}").json()
    assert (head["verb"], head["scope"], shown["verified_flat"]) == ("kill", "user", True)
    assert {part["positions_closed"] for part in shown["accounts"]} == {6, 5, 1}
    again = mine.post("/options/risk/kill", {"scope": "user"}, format="json").json()
    assert again["receipt_id"] == mine.get("/options/risk/receipts").json()["data"][0]["id"] > head["id"]
    assert theirs.get(f"/options/risk/receipts/{head['id']}").status_code == 404
    assert theirs.get("/options/risk/receipts").json()["data"] == []


def command(*arguments) -> str:
    said = io.StringIO()
    call_command("kill", "--user", "headless@example.com", "--yes", "--wait", "0", *arguments, stdout=said)
    return said.getvalue()


def test_the_command_halts_says_what_is_left_and_ends_well_only_when_flat(held, owner):
    with pytest.raises(CommandError, match="Not verified flat yet; the halt stands"):
        command()
    assert TradingState.objects.get(user=owner, scope="user").state == "halted"
    held.at(9, 22)
    held.at(9, 23)
    pair = held.pair("Iron Condor", "zerodha")
    with pytest.raises(CommandError):
        command("--scope", "pair", "--target", str(pair.pk))
    held.at(9, 24)

    receipt = receipts.newest(owner, verb="kill", scope="pair", target=pair.pk)
    (part,) = parts(owner, receipt).values()
    assert (part.positions_open, part.verified_at is not None) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scope", "pair"), "Give --target with every scope but user"),
        (("--target", "1"), "Give --target with every scope but user"),
        (("--scope", "pair", "--target", "999999"), "has no pair 999999"),
    ],
)
def test_the_command_refuses_what_it_cannot_name(held, owner, arguments, words):
    with pytest.raises(CommandError, match=words):
        command(*arguments)
    assert not TradingState.objects.exists()


def test_the_command_without_a_market_still_halts(user):
    said = io.StringIO()
    call_command("kill", "--user", user.email, "--yes", stdout=said)

    assert "No market runs" in said.getvalue()
    assert TradingState.objects.get(user=user).state == "halted"


def test_the_command_names_a_user_that_does_not_exist(db):
    with pytest.raises(CommandError, match="There is no user nobody@example.com"):
        call_command("kill", "--user", "nobody@example.com", "--yes")


def test_worthless_longs_that_are_left_to_expire_are_verified_and_named(held, owner):
    pair = held.pair("Iron Condor", "zerodha")
    longs = sorted(symbol for symbol, units in held.held(pair).items() if units > 0)

    def no_bids_for_longs(quotes):
        nothing = {"bid": None, "bid_quantity": 0, "ltp": Decimal("0.05")}
        return {s: q._replace(**nothing) if s in longs else q for s, q in quotes.items()}

    receipt = kill(held, owner, "pair", pair.pk)
    for minute in (22, 23):
        held.at(9, minute, change=no_bids_for_longs)

    (part,) = parts(owner, receipt).values()
    assert (part.positions_closed, part.positions_open) == (2, 2)
    assert part.verified_at is not None
    assert part.left_to_expire == [f"+130 {symbol}" for symbol in longs]
    words = "erified flat except 2 worthless longs left to expire"
    browser = Client()
    browser.force_login(owner)
    page = browser.get(f"/risk/kill/done?scope=pair&target={pair.pk}").content.decode()
    assert page.count(words) == 2  # above, and beside the account
