"""Rows for tests, each valid as it is; say only what the test is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import factory
from django.contrib.auth.models import Group

from allocations import services as allocations
from allocations.models import StrategyBrokerAllocation
from allocations.risk import PairTerms
from baskets import services as baskets
from baskets.models import Basket
from brokers.models import BrokerAccount
from execution.models import Order, PerformanceMetric, StrategyExecution
from market.kernel.clock import ist_day
from market.kernel.contracts import parse
from market.services import ensure_contracts
from marketplace import services as marketplace
from marketplace.models import Listing, Subscription
from strategies import services as strategies
from strategies.models import Strategy
from users import services
from users.models import User

# --- users

PASSWORD = "correct-horse-battery"
NOW = datetime(2026, 8, 4, 3, 50, tzinfo=UTC)  # 09:20 in India, the day of the recorded data


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"trader{n}@example.com")
    password = PASSWORD

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return model_class.objects.create_user(*args, **kwargs)


def make_curator(**fields) -> User:
    return _with_role("curator", **fields)


def make_operator(**fields) -> User:
    return _with_role("operator", **fields)


def _with_role(name: str, **fields) -> User:
    user = UserFactory(is_staff=True, **fields)
    user.groups.add(Group.objects.get_or_create(name=name)[0])
    return user


def make_api_key(user, *, scope="trade", now=None, life=timedelta(days=30), name="program"):
    """(ApiKey, token); the token goes behind `Authorization: Bearer`."""
    now = now or datetime.now(UTC)
    return services.create_api_key(
        user=user, name=name, scope=scope, expires_at=now + life, source="test", now=now
    )


# --- brokers, baskets, strategies, allocations


def make_account(user, *, broker="zerodha", mode="paper", **fields) -> BrokerAccount:
    """A broker account as a row alone: no login at the simulator."""
    number = BrokerAccount.objects.count() + 1
    values = {"client_id": f"AB{number:04}", "label": f"{broker} {number}", "capital": Decimal(2_500_000)}
    return BrokerAccount.objects.create(user=user, broker=broker, mode=mode, **(values | fields))


def make_basket(owner, *, name="Conservative Income Strategies", kind="user", **fields) -> Basket:
    return baskets.create_basket(owner=owner, name=name, kind=kind, source="test", now=NOW, **fields)


def make_strategy(basket, *, preset="iron_condor", underlying="NIFTY", name="", **fields) -> Strategy:
    """A strategy of the basket's owner, as its preset makes it."""
    return strategies.create_from_preset(
        by=basket.owner, basket=basket, preset=preset, underlying=underlying, name=name,
        source="test", now=NOW, **fields,
    )  # fmt: skip


def make_pair_terms(**changes) -> PairTerms:
    values = {
        "lots": 2, "max_lots": 4, "max_day_loss": Decimal(25000), "max_margin": Decimal(400000),
        "max_open_positions": 8,
    }  # fmt: skip
    return PairTerms(**(values | changes))


def make_allocation(strategy, account, **terms) -> StrategyBrokerAllocation:
    """A pair of the account's user."""
    return allocations.create_allocation(
        user=account.user, strategy=strategy, broker_account=account,
        terms=make_pair_terms(**terms), source="test", now=NOW,
    )  # fmt: skip


def make_published_basket(curator, *, name="Curated Income", presets=("iron_condor",)):
    """(basket, its BasketVersion 1)."""
    basket = make_basket(curator, name=name, kind="admin")
    for preset in presets:
        make_strategy(basket, preset=preset)
    version = strategies.publish_basket(by=curator, basket=basket, source="test", now=NOW)
    basket.refresh_from_db()
    return basket, version


def make_grant(user, version, **fields):
    return baskets.grant(user=user, version=version, by=None, source="test", now=NOW, **fields)


# --- execution


def make_run(pair, timeline, **fields) -> StrategyExecution:
    """A finished entry of the pair at NOW."""
    values = {
        "trading_day": ist_day(NOW), "phase": "entry", "strategy_version": pair.strategy_version,
        "lots": pair.lots, "status": "done", "cause": "schedule", "due_at": NOW, "started_at": NOW,
    }  # fmt: skip
    return StrategyExecution.objects.create(allocation=pair, timeline=timeline, **(values | fields))


def make_order(run, symbol="NIFTY-20260804-24500-CE", **fields) -> Order:
    """A short's opening order of the run, sent and not filled."""
    spec, pair = parse(symbol), run.allocation
    number = run.orders.count() + 1
    values = {
        "leg_number": number, "action": "open", "slice": 1, "wave": 2, "side": "SELL",
        "product": pair.product, "quantity": pair.lots * spec.lot_size, "order_type": "LIMIT",
        "price": Decimal(70), "status": "ACKED", "client_ref": f"T{run.pk}N{number}",
        "arrival_mid": Decimal(71), "created_at": NOW,
    }  # fmt: skip
    return Order.objects.create(
        execution=run, allocation=pair, broker_account=pair.broker_account, timeline=run.timeline,
        contract=ensure_contracts([spec])[symbol], **(values | fields),
    )  # fmt: skip


# --- marketplace


def make_listing(curator, *, monthly_fee="0", rate="0.20", gst=False, publish=True, **offer) -> Listing:
    """A curator's listing of a basket with an iron condor and a covered call, published at NOW."""
    basket = make_basket(curator, name=f"Curated {Basket.objects.count() + 1}", kind="admin")
    make_strategy(basket, preset="iron_condor", name="Condor")
    make_strategy(basket, preset="covered_call", name="Covered Call")
    values = {"summary": "Income", "risks": "You may lose the wings.", "minimum_capital": Decimal(0)}
    act = {"by": curator, "source": "test", "now": NOW}
    listing = marketplace.save_listing(
        basket=basket, offer=marketplace.Offer(**(values | offer)), **act
    )
    marketplace.set_fee_terms(
        listing=listing, monthly_fee=Decimal(monthly_fee), performance_rate=Decimal(rate),
        gst_registered=gst, **act,
    )  # fmt: skip
    if publish:
        marketplace.publish_listing(listing=listing, **act)
        listing.refresh_from_db()
    return listing


def make_row(strategy, account, **changes) -> marketplace.Row:
    values = {"lots": 2, "max_lots": 2, "max_day_loss": Decimal(10000), "max_margin": Decimal(300000),
              "max_open_positions": 4}  # fmt: skip
    return marketplace.Row(
        strategy_id=strategy.pk, broker_account_id=account.pk, **(values | changes)
    )


def make_subscription(user, listing, *accounts, now=NOW) -> Subscription:
    """Every strategy of the listing on every one of these accounts; on one paper account if none."""
    accounts = accounts or (make_account(user),)
    rows = [
        make_row(strategy, account)
        for strategy in listing.basket.strategies.order_by("pk")
        for account in accounts
    ]
    return marketplace.subscribe(user=user, listing=listing, rows=rows, source="test", now=now)


def make_day(pair, timeline, day, *, realised, charges="0", unrealised="0", **fields):
    """A pair's closed trading day; `realised` is its total so far, as the engine writes it."""
    values = {"net": Decimal(0), "peak_margin": Decimal(100000), "orders": 4, "fills": 4, "lots": 2,
              "final": True, "updated_at": NOW}  # fmt: skip
    return PerformanceMetric.objects.create(
        allocation=pair, timeline=timeline, trading_day=day, realised=Decimal(realised),
        unrealised=Decimal(unrealised), charges=Decimal(charges), **(values | fields),
    )  # fmt: skip
