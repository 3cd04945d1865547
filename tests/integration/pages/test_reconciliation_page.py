"""The reconciliation page: what agrees, what does not, and deciding without any script."""

from __future__ import annotations

import pytest

from execution.models import Mismatch, Position
from tests.integration import everything

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


def test_looking_again_is_a_button(browser, short):
    answer = browser.post("/reconciliation/look", follow=True)

    assert "are being read" in said(answer)
