"""The reconciliation page: what agrees, what does not, and deciding without any script."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from execution.models import AccountBook, Mismatch, Position
from execution.reconcile.shown import overview
from tests.integration import everything
from users.templatetags.money import ist

pytestmark = pytest.mark.django_db


@pytest.fixture
def short(world):
    """The account of the first pair has bought back a lot of its short by hand."""
    everything._reconciled_rows(world)
    return world.pairs[0].positions.filter(quantity__lt=0).first()


def said(answer):
    return " ".join(str(message) for message in answer.context["messages"])


def test_the_page_shows_the_sum_the_matter_and_one_proposed_decision(browser, short):
    page = browser.get("/reconciliation").content.decode()

    lot = short.contract.lot_size
    assert f"platform {short.quantity} + external {lot} = broker {short.quantity + lot}" in page
    assert "A position of ours was traded by hand" in page
    assert page.index("Book it as our close") < page.index("It is not ours")
    assert page.count("btn primary") == 1


def test_the_proposed_decision_closes_the_pairs_position(browser, short):
    mismatch = Mismatch.objects.get()

    answer = browser.post(
        f"/reconciliation/mismatches/{mismatch.pk}", {"fix": "adopt_close", "price": ""}, follow=True
    )

    assert "Decided about" in said(answer)
    mismatch.refresh_from_db()
    assert mismatch.resolution == "adopt_close"
    assert Position.objects.get(pk=short.pk).quantity == short.quantity + short.contract.lot_size


def test_what_cannot_be_decided_or_adopted_is_said_and_nothing_moves(browser, short):
    mismatch, account = Mismatch.objects.get(), short.allocation.broker_account_id

    refused = browser.post(f"/reconciliation/mismatches/{mismatch.pk}", {"fix": "ended"}, follow=True)
    nothing = browser.post(f"/reconciliation/{account}/adopt", {"lots": "0"}, follow=True)

    assert "Use one of adopt_close, external" in said(refused)
    assert "lots: " in said(nothing)
    assert Mismatch.objects.get().resolved_at is None


def test_lots_bought_by_hand_are_adopted_from_the_page(browser, short):
    pair = short.allocation
    body = {"symbol": short.contract.symbol, "product": "NRML", "allocation_id": pair.pk, "lots": "1"}

    answer = browser.post(f"/reconciliation/{pair.broker_account_id}/adopt", body, follow=True)

    assert f"{short.contract.lot_size} units of {short.contract.symbol} are now of" in said(answer)
    assert Position.objects.get(pk=short.pk).quantity == short.quantity + short.contract.lot_size


def test_reading_now_is_a_button_and_the_page_looks_until_every_book_is_read(browser, short):
    answer = browser.post("/reconciliation/look", follow=True)
    ((path, _),) = answer.redirect_chain
    assert "are being read" in said(answer)
    assert 'hx-trigger="every 1s"' in answer.content.decode()

    AccountBook.objects.update(read_at=timezone.now())

    assert "being read" not in browser.get(path).content.decode()
    assert "being read" not in browser.get("/reconciliation?asked=soon").content.decode()


def test_each_account_says_when_its_reading_was_made_and_one_without_agrees_with_nothing(browser, short, user):
    account = short.allocation.broker_account
    book = AccountBook.objects.filter(broker_account=account)
    book.update(read_at=timezone.now() - timedelta(seconds=42, milliseconds=100))
    shown = " ".join(browser.get("/reconciliation").content.decode().split())
    assert f">{ist(book.get().read_at)}</time>, <span data-ago=" in shown
    assert ">42 s ago</span>" in shown

    Mismatch.objects.update(resolved_at=timezone.now())
    book.update(read_at=None)

    (view,) = [view for view in overview(user, short.timeline) if view.account == account]
    assert not view.agrees
    assert "not read yet" in browser.get("/reconciliation").content.decode()
