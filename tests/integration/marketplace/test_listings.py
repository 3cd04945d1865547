"""Publishing: what a listing must have, who may, and the record it shows."""

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import AnonymousUser

from marketplace import selectors, services
from marketplace.models import FeeTerms, Listing
from tests.factories import (
    NOW,
    UserFactory,
    make_account,
    make_basket,
    make_curator,
    make_day,
    make_listing,
    make_strategy,
    make_subscription,
)
from users.errors import Forbidden, Refused

D = Decimal


def publish(by, listing):
    return services.publish_listing(by=by, listing=listing, source="test", now=NOW)


def draft(curator, *, risks="You may lose."):
    basket = make_basket(curator, kind="admin")
    return services.save_listing(
        by=curator, basket=basket, source="test", now=NOW,
        offer=services.Offer(summary="s", risks=risks, minimum_capital=D(0)),
    )  # fmt: skip


def test_a_listing_needs_a_strategy_risks_and_terms_before_it_is_published(curator, timeline):
    listing = draft(curator, risks="  ")

    def code():
        with pytest.raises(Refused) as refused:
            publish(curator, listing)
        return refused.value.code

    assert code() == "empty_basket"
    make_strategy(listing.basket)
    assert code() == "risks_missing"
    Listing.objects.update(risks="You may lose.")
    assert code() == "fee_terms_missing"
    assert Listing.objects.get().status == "draft"
    FeeTerms.objects.create(
        listing=listing, monthly_fee=0, performance_rate=0, gst_registered=False, valid_from=NOW
    )

    version = publish(curator, listing)

    assert version.number == 1
    assert [row["name"] for row in version.contents] == ["Iron Condor"]
    assert selectors.listings().get().agreed[0].monthly_fee == 0


def test_another_curator_can_neither_publish_nor_price_a_basket(listing):
    other = make_curator()

    with pytest.raises(Forbidden):
        publish(other, listing)
    with pytest.raises(Forbidden):
        services.set_fee_terms(
            by=other, listing=listing, monthly_fee=D(1), performance_rate=D(0),
            gst_registered=False, source="test", now=NOW,
        )  # fmt: skip


@pytest.mark.parametrize(("fee", "rate", "field"), [("-1", "0", "monthly_fee"), ("0", "15", "performance_rate")])
def test_impossible_terms_are_refused(curator, listing, fee, rate, field):
    with pytest.raises(Refused) as refused:
        services.set_fee_terms(
            by=curator, listing=listing, monthly_fee=D(fee), performance_rate=D(rate),
            gst_registered=False, source="test", now=NOW,
        )  # fmt: skip
    assert refused.value.field == field


def test_only_marketplace_baskets_are_listed(user):
    with pytest.raises(Refused, match="Only marketplace baskets"):
        services.save_listing(
            by=user, basket=make_basket(user), source="test", now=NOW,
            offer=services.Offer(summary="s", risks="r", minimum_capital=D(0)),
        )  # fmt: skip


def test_the_track_record_sums_closed_days_and_keeps_paper_apart(user, stranger, listing, timeline):
    live = make_subscription(user, listing, make_account(user, mode="live"))
    paper = make_subscription(stranger, listing)
    one, two = selectors.pairs_of(live).order_by("pk")
    trial = selectors.pairs_of(paper).first()
    days = [(date(2026, 7, 31), "-300"), (date(2026, 8, 3), "-200"), (date(2026, 8, 4), "900")]
    for day, net in days:
        make_day(one, timeline, day, realised="0", net=D(net))
    make_day(two, timeline, date(2026, 8, 4), realised="0", net=D(100))
    make_day(two, timeline, date(2026, 8, 5), realised="0", net=D(7), provisional=True)
    make_day(trial, timeline, date(2026, 8, 4), realised="0", net=D(50))

    record = selectors.track_record(listing, viewer=user)

    assert (record.live.days, record.live.net, record.live.max_drawdown) == (3, D(500), D(500))
    assert record.live.peak_margin == D(200000)
    assert record.live.return_on_margin == D("0.0025")
    assert record.live.worst_month == (date(2026, 7, 1), D(-300))
    assert (record.paper.days, record.paper.net) == (1, D(50))


def test_the_public_sees_a_track_record_only_where_the_listing_says_so(listing):
    assert selectors.track_record(listing, viewer=AnonymousUser()) is None
    listing.public_track_record = True
    assert selectors.track_record(listing, viewer=AnonymousUser()) is not None


def test_operator_figures_count_active_users(user, curator, timeline):
    make_subscription(user, make_listing(curator), make_account(user), make_account(user, broker="angelone"))
    make_strategy(make_basket(user))
    UserFactory(is_active=False)
    UserFactory()

    figures = selectors.operator_figures()

    assert (figures.users, figures.creating_strategies, figures.strategies_per_user) == (3, 2, D("1.5"))
    assert (figures.with_several_brokers, figures.subscribed) == (1, 1)
    assert figures.subscription_percent == D("33.3")
