"""Subscribing, new versions and leaving."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from allocations.models import StrategyBrokerAllocation, TradingState
from allocations.selectors import allocations_of
from baskets.models import BasketGrant
from execution.engine import snapshot
from execution.models import Position, StrategyExecution
from market.kernel.clock import IST
from market.kernel.contracts import parse
from market.services import ensure_contracts
from marketplace import selectors, services
from marketplace.models import FeeEntry, Subscription
from strategies.selectors import granted_versions, newest_version
from strategies.services import archive_strategy
from tests.factories import (
    NOW,
    make_account,
    make_day,
    make_listing,
    make_row,
    make_strategy,
    make_subscription,
)
from users.errors import Forbidden, Refused
from users.models import AuditEntry

D = Decimal
SYMBOL = "NIFTY-20260804-24500-CE"


def subscribe(user, listing, *rows, **changes):
    return services.subscribe(
        user=user, listing=listing, rows=rows, source="test", now=NOW, **changes
    )


def strategy_of(listing, name="Condor"):
    return listing.basket.strategies.get(name=name)


def hold(subscription, timeline, quantity=-65):
    """An open position of the subscriber's condor."""
    return Position.objects.create(
        allocation=selectors.pairs_of(subscription).get(strategy__name="Condor"),
        timeline=timeline,
        contract=ensure_contracts([parse(SYMBOL)])[SYMBOL],
        product="NRML",
        leg_number=1,
        quantity=quantity,
    )


def leave(user, subscription, *, close=False, now=NOW):
    return services.leave(
        user=user, subscription=subscription, close_positions=close, source="test", now=now
    )


def test_subscribing_gives_the_right_to_run_the_version_and_the_pairs(user, listing, account):
    condor = strategy_of(listing)

    subscription = subscribe(user, listing, make_row(condor, account, lots=1, max_lots=3))

    pair = allocations_of(user).get()
    assert (pair.strategy, pair.broker_account, pair.lots, pair.max_lots) == (condor, account, 1, 3)
    assert granted_versions(user)[condor.pk] == newest_version(condor).pk
    assert BasketGrant.objects.get(user=user).entries_until is None
    assert subscription.started_at == NOW
    assert AuditEntry.objects.filter(owner=user, action="subscription.open").count() == 1


def test_a_limit_left_out_is_the_curators_and_a_wider_one_is_refused(user, curator, listing, account):
    condor = strategy_of(listing)
    services.set_recommended_limit(
        by=curator, listing=listing, strategy=condor, max_lots=5, max_day_loss=D(8000),
        max_margin=D(500000), max_open_positions=4, source="test", now=NOW,
    )  # fmt: skip
    none = dict.fromkeys(("max_lots", "max_day_loss", "max_margin", "max_open_positions"))

    with pytest.raises(Refused) as refused:
        subscribe(user, listing, make_row(condor, account, max_day_loss=D("8000.01")))
    assert (refused.value.code, refused.value.field) == ("limit_too_wide", "rows/0/max_day_loss")
    assert not Subscription.objects.exists()

    subscribe(user, listing, make_row(condor, account, **none | {"max_lots": 2}))
    pair = allocations_of(user).get()
    assert (pair.max_lots, pair.max_day_loss, pair.max_margin) == (2, D(8000), D(500000))


def test_the_curators_delta_and_vega_bind_and_neither_must_be_given(user, curator, listing, account):
    condor = strategy_of(listing)
    recommended = {
        "by": curator, "listing": listing, "strategy": condor, "max_lots": 5, "max_day_loss": D(20000),
        "max_margin": D(500000), "max_open_positions": 4, "source": "test", "now": NOW,
    }  # fmt: skip
    with pytest.raises(Refused) as refused:
        services.set_recommended_limit(**recommended, max_vega=D(-1))
    assert refused.value.field == "max_vega"
    services.set_recommended_limit(**recommended, max_delta=D(400))

    with pytest.raises(Refused) as refused:
        subscribe(user, listing, make_row(condor, account, max_delta=D("400.01")))
    assert (refused.value.code, refused.value.field) == ("limit_too_wide", "rows/0/max_delta")

    subscribe(user, listing, make_row(condor, account, max_vega=D(900)))
    pair = allocations_of(user).get()
    assert (pair.max_delta, pair.max_vega) == (D(400), D(900))


def test_a_limit_nobody_gave_is_asked_for(user, listing, account):
    with pytest.raises(Refused) as refused:
        subscribe(user, listing, make_row(strategy_of(listing), account, max_margin=None))

    assert (refused.value.code, refused.value.field) == ("limit_missing", "rows/0/max_margin")


def test_wrong_rows_save_nothing_and_name_the_field(user, stranger, curator, listing, account):
    condor = strategy_of(listing)
    theirs = make_account(stranger)
    other = make_listing(curator).basket.strategies.first()
    for row, field in (
        (make_row(condor, theirs), "rows/0/broker_account_id"),
        (make_row(other, account), "rows/0/strategy_id"),
        (make_row(condor, account, lots=0), "rows/0/lots"),
        (make_row(condor, account, lots=3), "rows/0/lots"),
    ):
        with pytest.raises(Refused) as refused:
            subscribe(user, listing, row)
        assert refused.value.field == field
    with pytest.raises(Refused, match="No strategy was given"):
        subscribe(user, listing)
    assert not Subscription.objects.exists()
    assert not BasketGrant.objects.exists()
    assert not StrategyBrokerAllocation.objects.exists()


def test_a_basket_is_subscribed_to_once_and_never_by_its_own_curator(
    user, curator, listing, subscription
):
    for who, account, code in (
        (user, make_account(user, broker="finvasia"), "already_subscribed"),
        (curator, make_account(curator), "own_basket"),
    ):
        with pytest.raises(Refused) as refused:
            subscribe(who, listing, make_row(strategy_of(listing), account))
        assert refused.value.code == code


def test_the_accounts_must_have_the_minimum_capital_together(user, curator, timeline):
    listing = make_listing(curator, minimum_capital=D(3_000_000))
    rows = [make_row(strategy_of(listing), make_account(user))]
    with pytest.raises(Refused) as refused:
        subscribe(user, listing, *rows)
    assert refused.value.code == "capital_below_minimum"

    rows.append(make_row(strategy_of(listing), make_account(user, broker="angelone")))
    assert subscribe(user, listing, *rows).status == "active"


def test_a_paper_key_cannot_put_a_live_account_to_work(user, listing):
    row = make_row(strategy_of(listing), make_account(user, mode="live"))

    with pytest.raises(Forbidden):
        subscribe(user, listing, row, paper_only=True)


def publish_without_the_call(curator, listing):
    """Version 2: the covered call is gone, a short straddle is new."""
    act = {"by": curator, "source": "test", "now": NOW + timedelta(hours=1)}
    archive_strategy(strategy=strategy_of(listing, "Covered Call"), **act)
    make_strategy(listing.basket, preset="short_straddle", name="Straddle")
    services.set_fee_terms(
        listing=listing, monthly_fee=D(500), performance_rate=D("0.25"), gst_registered=False, **act
    )
    return services.publish_listing(listing=listing, **act)


def decide(verb, user, subscription):
    return verb(user=user, subscription=subscription, source="test", now=NOW + timedelta(hours=2))


def test_a_new_version_is_told_with_its_difference_and_changes_nothing_by_itself(
    user, curator, listing, subscription
):
    publish_without_the_call(curator, listing)

    subscription.refresh_from_db()
    change = selectors.version_change(subscription, now=NOW + timedelta(hours=2))
    assert (change.version.number, change.added, change.removed, change.changed) == (
        2, ["Straddle"], ["Covered Call"], [],
    )  # fmt: skip
    assert change.monthly_fee == (D("0.00"), D("500.00"))
    assert change.performance_rate == (D("0.2000"), D("0.2500"))
    assert user.notices.get(kind="basket_version").title.endswith("has a new version")
    assert subscription.version.number == 1
    assert BasketGrant.objects.get(user=user).version.number == 1


def test_applying_moves_the_grant_and_the_terms(user, curator, listing, subscription):
    version = publish_without_the_call(curator, listing)

    held = decide(services.apply_version, user, subscription)

    assert (held.version, held.terms.monthly_fee) == (version, D(500))
    assert BasketGrant.objects.get(user=user).version == version
    assert set(granted_versions(user)) == {strategy_of(listing, n).pk for n in ("Condor", "Straddle")}
    with pytest.raises(Refused, match="no newer version"):
        decide(services.apply_version, user, subscription)


def test_keeping_stays_on_the_version_until_the_next_publication(
    user, curator, listing, subscription
):
    publish_without_the_call(curator, listing)

    held = decide(services.keep_version, user, subscription)

    assert selectors.version_change(held, now=NOW + timedelta(hours=3)) is None
    assert BasketGrant.objects.get(user=user).version.number == 1
    assert held.terms.monthly_fee == 0
    services.publish_listing(by=curator, listing=listing, source="test", now=NOW + timedelta(days=1))
    assert selectors.version_change(held, now=NOW + timedelta(days=1)).version.number == 3


def test_leaving_with_open_positions_keeps_them_and_ends_entries(
    user, subscription, timeline
):
    hold(subscription, timeline)

    held = leave(user, subscription)

    assert (held.status, held.left_at) == ("leaving", NOW)
    assert BasketGrant.objects.get(user=user).entries_until == NOW
    assert not StrategyExecution.objects.exists()
    assert not TradingState.objects.exists()
    services.accrue(now=NOW)
    held.refresh_from_db()
    assert held.status == "leaving"


def test_open_positions_are_squared_off_when_the_user_chooses_now_or_later(
    user, subscription, timeline
):
    position = hold(subscription, timeline)
    leave(user, subscription)

    held = leave(user, subscription, close=True, now=NOW + timedelta(hours=1))

    assert held.left_at == NOW
    run = StrategyExecution.objects.get()
    assert (run.allocation, run.phase, run.cause) == (position.allocation, "exit", "square_off")
    assert TradingState.objects.get().state == "reducing"


def test_a_subscription_closes_when_flat_and_its_last_day_is_charged(user, subscription, timeline):
    position = hold(subscription, timeline)
    leave(user, subscription, close=True)
    position.quantity = 0
    position.save()
    StrategyExecution.objects.update(status="done")
    day = make_day(position.allocation, timeline, NOW.date(), realised="900", final=False)
    services.accrue(now=NOW)
    subscription.refresh_from_db()
    assert subscription.status == "leaving"

    day.final = True
    day.save()
    timeline.market_now = datetime(2026, 8, 4, 15, 40, tzinfo=IST)
    timeline.save()
    services.accrue(now=NOW)

    subscription.refresh_from_db()
    assert (subscription.status, subscription.closed_at) == ("closed", timeline.market_now)
    assert FeeEntry.objects.get().amount == D("180.00")
    assert not allocations_of(user).exists()
    assert TradingState.objects.get().state == "active"
    assert user.notices.filter(kind="subscription_closed").count() == 1


def test_subscribing_again_after_the_close_counts_from_the_next_day(
    user, listing, account, subscription, timeline
):
    pair = selectors.pairs_of(subscription).first()
    make_day(pair, timeline, NOW.date(), realised="1000")
    leave(user, subscription)
    subscription.refresh_from_db()
    assert subscription.status == "closed"

    again = make_subscription(user, listing, account)
    services.accrue(now=NOW)

    assert [entry.subscription for entry in FeeEntry.objects.all()] == [subscription]
    assert again.meters.get().started_on == date(2026, 8, 5)
    assert BasketGrant.objects.get(user=user).entries_until is None


def test_leaving_pays_the_month_that_has_begun_and_no_later_one(user, curator, timeline):
    listing = make_listing(curator, monthly_fee="310")
    subscription = make_subscription(user, listing)
    hold(subscription, timeline)
    leave(user, subscription)
    timeline.market_now = datetime(2026, 10, 1, 10, 0, tzinfo=IST)
    timeline.save()
    services.accrue(now=NOW)

    assert [(e.period, e.amount) for e in FeeEntry.objects.all()] == [(date(2026, 8, 1), D("280.00"))]


def test_a_stranger_cannot_leave_or_decide_for_another(stranger, subscription):
    with pytest.raises(Subscription.DoesNotExist):
        leave(stranger, subscription)
    with pytest.raises(Subscription.DoesNotExist):
        decide(services.apply_version, stranger, subscription)


def test_a_withdrawn_listing_takes_nobody_new_and_its_subscribers_are_told(
    user, stranger, curator, listing, subscription
):
    services.withdraw_listing(by=curator, listing=listing, source="test", now=NOW)

    with pytest.raises(Refused, match="takes no subscribers"):
        make_subscription(stranger, listing)
    assert user.notices.filter(kind="listing_withdrawn").count() == 1
    assert listing not in selectors.listings()
    assert listing in selectors.listing_for(user)
    assert listing not in selectors.listing_for(stranger)
    subscription.refresh_from_db()
    assert subscription.status == "active"


def test_the_engine_enters_the_version_that_the_subscriber_runs_until_they_leave(
    user, curator, listing, subscription, timeline
):
    def entering(wall):
        desk = SimpleNamespace(wall=wall)
        pairs = snapshot.entering_pairs(timeline)
        found = snapshot.versions_to_enter(pairs, desk.wall)
        return {pair.strategy.name: found.get(pair.pk) for pair in pairs}

    version = {row["name"]: row["strategy_version"] for row in subscription.version.contents}
    later = NOW + timedelta(hours=3)
    assert {n: v.pk for n, v in entering(later).items()} == version
    publish_without_the_call(curator, listing)
    assert entering(later)["Condor"].pk == version["Condor"]
    hold(subscription, timeline)

    leave(user, subscription, now=later)

    assert entering(later + timedelta(seconds=1))["Condor"] is None
