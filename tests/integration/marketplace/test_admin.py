"""The admin: curators publish their own baskets, operators read, nobody rewrites the ledger."""

from decimal import Decimal
from importlib import import_module

import pytest
from django.apps import apps
from django.test import Client

from marketplace.models import FeeTerms, Listing, RecommendedLimit
from tests.factories import make_account, make_basket, make_curator, make_operator, make_strategy

LISTINGS = "/admin/marketplace/listing/"
TERMS, LIMITS = "terms", "limits"


@pytest.fixture(autouse=True)
def _roles(db):
    """Transactional tests empty the tables that migrations filled."""
    import_module("marketplace.migrations.0003_role_permissions").give(apps, None)


def browser(user):
    client = Client()
    client.force_login(user)
    return client


def form(basket=None, *, terms=(), limits=(), **changes):
    """What the admin's form sends."""
    data = {
        "summary": "Income", "risks": "You may lose.", "minimum_capital": "100000",
        **({"basket": basket.pk} if basket else {}), **changes,
    }  # fmt: skip
    for prefix, rows in ((TERMS, terms), (LIMITS, limits)):
        data |= {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": 0}
        for index, row in enumerate(rows):
            data |= {f"{prefix}-{index}-{name}": value for name, value in row.items()}
    return data


def test_a_curator_lists_prices_and_publishes_a_basket(curator, timeline):
    basket = make_basket(curator, kind="admin")
    strategy = make_strategy(basket)
    client = browser(curator)
    terms = {"monthly_fee": "500", "performance_rate": "0.15", "gst_registered": "on"}
    limits = {
        "strategy": strategy.pk, "max_lots": 5, "max_day_loss": "9000", "max_margin": "500000",
        "max_open_positions": 4, "max_delta": "400", "max_vega": "",
    }  # fmt: skip

    saved = client.post(f"{LISTINGS}add/", form(basket, terms=[terms], limits=[limits]))
    assert saved.status_code == 302, saved.context["errors"]
    listing = Listing.objects.get()
    assert (listing.status, FeeTerms.objects.get().performance_rate) == ("draft", Decimal("0.15"))
    row = RecommendedLimit.objects.get()
    assert (row.max_lots, row.max_delta, row.max_vega) == (5, Decimal(400), None)

    client.post(LISTINGS, {"action": "publish", "_selected_action": [listing.pk]})
    listing.refresh_from_db()
    assert listing.status == "published"
    assert listing.basket.versions.get().number == 1
    client.post(LISTINGS, {"action": "withdraw", "_selected_action": [listing.pk]})
    listing.refresh_from_db()
    assert listing.status == "withdrawn"


def test_publishing_what_is_not_ready_says_why(curator, timeline):
    make_strategy(basket := make_basket(curator, kind="admin"))
    client = browser(curator)
    client.post(f"{LISTINGS}add/", form(basket))
    listing = Listing.objects.get()

    shown = client.post(
        LISTINGS, {"action": "publish", "_selected_action": [listing.pk]}, follow=True
    )

    assert "The listing has no fee terms." in shown.content.decode()
    assert not basket.versions.exists()


def test_impossible_terms_and_anothers_strategy_are_form_errors(curator, listing):
    client = browser(curator)
    other = make_strategy(make_basket(curator, name="Other", kind="admin"))
    limits = {
        "strategy": other.pk, "max_lots": 5, "max_day_loss": "9000", "max_margin": "500000",
        "max_open_positions": 4,
    }  # fmt: skip
    terms = {"monthly_fee": "-5", "performance_rate": "15"}

    shown = client.post(f"{LISTINGS}{listing.pk}/change/", form(terms=[terms], limits=[limits]))

    page = shown.content.decode()
    assert shown.status_code == 200
    assert "Choose a strategy of the listing&#x27;s basket." in page
    assert "performance_rate_from_0_to_1" in page or "no more than" in page
    assert FeeTerms.objects.count() == 1


def test_a_curator_sees_neither_anothers_listing_nor_a_broker_account(listing, user):
    make_account(user)
    client = browser(make_curator())

    assert listing.basket.name not in client.get(LISTINGS).content.decode()
    assert client.get(f"{LISTINGS}{listing.pk}/change/").status_code == 302
    assert client.get("/admin/brokers/brokeraccount/").status_code == 403


def test_agreed_terms_cannot_be_edited_in_the_admin(curator, listing):
    client = browser(curator)
    page = client.get(f"{LISTINGS}{listing.pk}/change/").content.decode()

    assert 'name="terms-0-monthly_fee"' not in page


def test_an_operator_reads_everything_with_the_figures_and_changes_nothing(
    listing, subscription, user
):
    client = browser(make_operator())

    page = client.get("/admin/marketplace/subscription/").content.decode()
    assert user.email in page
    assert "Users with a subscription" in page
    for model in ("listing", "invoice", "feeentry"):
        assert client.get(f"/admin/marketplace/{model}/").status_code == 200
        assert client.get(f"/admin/marketplace/{model}/add/").status_code == 403
    changed = client.post(f"{LISTINGS}{listing.pk}/change/", form(risks="none"))
    assert changed.status_code == 403


def test_a_curator_reads_the_subscriptions_of_their_own_baskets_without_the_figures(
    curator, subscription, user
):
    address = "/admin/marketplace/subscription/"

    own = browser(curator).get(address).content.decode()
    other = browser(make_curator()).get(address).content.decode()

    assert user.email in own
    assert user.email not in other
    assert "Users with a subscription" not in own
