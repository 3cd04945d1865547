"""Browsing, subscribing and leaving through the pages."""

from __future__ import annotations

from decimal import Decimal

import pytest

from allocations.selectors import allocations_of
from marketplace import services
from marketplace.models import Subscription
from tests.factories import NOW, make_curator, make_listing

pytestmark = pytest.mark.django_db


@pytest.fixture
def listing(world):
    return make_listing(make_curator())


def fields(browser, listing, lots: int) -> dict[str, object]:
    """The subscribe form with lots of the first strategy on the first account, limits left out."""
    page = browser.get(f"/marketplace/{listing.pk}")
    first = page.context["form"].rows[0].cells[0].form
    return {first["lots"].html_name: lots, first["max_lots"].html_name: lots}


def test_the_listing_is_browsed_and_opened(browser, listing):
    assert listing.basket.name in browser.get("/marketplace").content.decode()
    assert listing.summary in browser.get(f"/marketplace/{listing.pk}").content.decode()


def test_subscribing_runs_the_basket_on_own_accounts(browser, listing, user):
    answer = browser.post(f"/marketplace/{listing.pk}", fields(browser, listing, 2))

    assert answer["Location"] == f"/baskets/{listing.basket_id}"
    assert Subscription.objects.get(user=user).status == "active"
    assert browser.get(answer["Location"]).status_code == 200


def test_the_curators_delta_is_shown_taken_over_and_what_is_entered_beside_it_is_kept(browser, listing, user):
    strategy = listing.basket.strategies.get(name="Condor")
    services.set_recommended_limit(
        by=listing.basket.owner, listing=listing, strategy=strategy, max_lots=5, max_day_loss=Decimal(9000),
        max_margin=Decimal(500000), max_open_positions=4, max_delta=Decimal(400), source="test", now=NOW,
    )  # fmt: skip
    cell = browser.get(f"/marketplace/{listing.pk}").context["form"].rows[0].cells[0].form
    sent = {"lots": 1, "max_lots": 1, "max_vega": 900, "square_off_at_loss": "on", "stop_loss": "2000"}

    browser.post(f"/marketplace/{listing.pk}", {cell[name].html_name: value for name, value in sent.items()})

    assert cell.fields["max_delta"].widget.attrs["placeholder"] == 400
    assert cell.fields["max_vega"].widget.attrs["placeholder"] == "no limit"
    pair = allocations_of(user).get(strategy=strategy)
    assert (pair.max_delta, pair.max_vega) == (Decimal(400), Decimal(900))
    assert (pair.square_off_at_loss, pair.stop_loss) == (True, Decimal(2000))


def test_nothing_chosen_is_refused_in_words(browser, listing, user):
    answer = browser.post(f"/marketplace/{listing.pk}", {"sent": "nothing"})

    assert answer.status_code == 422
    assert "No strategy was given an account and lots." in answer.content.decode()
    assert not Subscription.objects.exists()


def test_leaving_ends_the_subscription(browser, listing, user):
    browser.post(f"/marketplace/{listing.pk}", fields(browser, listing, 1))
    held = Subscription.objects.get(user=user)
    assert listing.basket.name in browser.get("/marketplace/subscriptions").content.decode()

    browser.post(f"/marketplace/subscriptions/{held.pk}/leave")

    held.refresh_from_db()
    assert held.status in ("leaving", "closed")


def test_a_strangers_subscription_is_not_found(browser, listing, user, client, stranger):
    browser.post(f"/marketplace/{listing.pk}", fields(browser, listing, 1))
    held = Subscription.objects.get(user=user)
    client.force_login(stranger)

    assert client.post(f"/marketplace/subscriptions/{held.pk}/leave").status_code == 404


def test_the_legs_of_a_subscribed_strategy_cannot_be_edited(browser, listing):
    browser.post(f"/marketplace/{listing.pk}", fields(browser, listing, 1))
    strategy = listing.basket.strategies.first()

    assert browser.get(f"/strategies/{strategy.pk}").status_code == 200
    assert browser.get(f"/strategies/{strategy.pk}/edit").status_code == 403
