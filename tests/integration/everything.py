"""One owner with one of everything, so that every route has an object to be asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.db import transaction

from allocations.risk import ScopeTerms
from allocations.services import set_scope_limit
from brokers.models import BrokerAccount
from execution.models import (
    AccountBook,
    AccountPosition,
    ForeignTrade,
    Mismatch,
    Receipt,
    ReceiptAccount,
    Settlement,
    StopWatch,
)
from execution.services import pause
from market.fact_services import seed_facts
from market.facts import tables
from market.models import Contract, Instrument, LotFlag, MasterImport, Quote, SettlementPrice
from market.quotes import connection as valkey
from marketplace.models import FeeEntry, Invoice, Subscription
from tests.factories import (
    PASSWORD,
    UserFactory,
    make_account,
    make_allocation,
    make_api_key,
    make_basket,
    make_curator,
    make_listing,
    make_operator,
    make_strategy,
    make_subscription,
)
from tests.integration.pages import world as story
from tests.integration.routes import Route
from users.alarm_services import add_channel
from users.models import AlarmChannel, AlarmDelivery, ApiKey, Notice, User
from users.services import notify

NOW = datetime(2026, 7, 29, 6, 10, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class World:
    """An owner with one of everything, and a stranger with nothing."""

    owner: User
    stranger: User
    curator: User
    operator: User
    root: User
    story: story.World
    subscription: Subscription
    key: ApiKey
    live_pair: Any
    channel: AlarmChannel
    receipt: Receipt
    ids: dict[str, Any] = field(default_factory=dict)

    @property
    def marks(self) -> list[str]:
        """Words that stand only in the owner's rows."""
        named = [self.channel.name, self.owner.email, self.key.prefix, self.key.name, "Day loss limit of a pair was hit"]
        accounts = [account.label for account in self.story.accounts.values()]
        orders = [order.client_ref for order in self.story.orders]
        return [*named, self.story.basket.name, *accounts, *orders]

    @property
    def secrets(self) -> list[str]:
        """What no page and no answer may show to anybody."""
        sealed = [
            text
            for account in self.story.accounts.values()
            for text in account.sealed_secrets.values()
        ]
        return [self.channel.sealed, self.key.digest, self.owner.password, self.curator.password, *sealed]


def build() -> World:
    owner = UserFactory(email="owner-of-everything@example.com")
    played = story.build(owner)
    curator = make_curator(email="curator@example.com")
    subscription = make_subscription(
        owner, make_listing(curator, monthly_fee="500"), played.accounts["zerodha"]
    )
    key, _ = make_api_key(owner, name="The owner's robot")
    live = make_account(owner, mode="live", label="Live Zerodha", client_id="LIVE1")
    live_pair = make_allocation(played.strategies["iron_condor"], live)
    _ledger(subscription, played.timeline)
    _market_rows(played.timeline)
    _trading_rows(owner, played)
    _reconciled_rows(played)
    world = World(
        owner, UserFactory(email="stranger@example.com"), curator,
        make_operator(email="operator@example.com"),
        User.objects.create_superuser("root@example.com", PASSWORD),
        played, subscription, key, live_pair, _channel(owner, "The owner's telephone"),
        _receipt(owner, played.timeline, played.accounts["zerodha"]),
    )  # fmt: skip
    _sign_in_rows(owner)
    world.ids.update(_ids(world))
    return world


@contextmanager
def standing(make: Callable[[], Any] = build) -> Iterator[Any]:
    """A world for a whole module; tests in it roll back to it, and it is gone at the end."""
    frame = transaction.atomic()
    frame._from_testcase = True
    with frame:
        world = make()
        valkey().persist("frame:demo")  # on a slow machine a file takes longer than quotes are kept
        yield world
        transaction.set_rollback(True)
    tables.install(None)  # the world's tables of facts are gone with it
    valkey().delete("frame:demo", "frame-number:demo", "heartbeat:market")


def grow(world: World, times: int) -> None:
    """So many more of everything that is listed."""
    owner, timeline = world.owner, world.story.timeline
    for n in range(times):
        account = make_account(owner)
        strategy = make_strategy(make_basket(owner, name=f"Basket {n}"), preset="bull_put_spread")
        run = story._entry(make_allocation(strategy, account), timeline)
        story._orders(run)
        story._metric(run)
        StopWatch.objects.create(
            allocation=run.allocation, timeline=timeline, symbol="", since=NOW, updated_at=NOW
        )
        subscription = make_subscription(owner, make_listing(world.curator), account)
        Invoice.objects.create(
            subscription=subscription, period=date(2026, 7, 1), total=Decimal("1.00"), issued_at=NOW
        )
        make_api_key(owner, name=f"Key {n}")
        _channel(owner, f"Telephone {n}")
        _receipt(owner, timeline, account)
        notify(user=owner, kind="limit", severity="warning", title="Limit", body="", now=NOW,
               dedupe_key=f"grown {n}")  # fmt: skip


def _ids(world: World) -> dict[str, Any]:
    """By the name that stands in the URL; a new name must be added here."""
    played = world.story
    pair = played.pairs[0]
    return {
        "notice_id": world.owner.notices.get().pk,
        "key_id": world.key.pk,
        "channel_id": world.channel.pk,
        "receipt_id": world.receipt.pk,
        "account_id": played.accounts["zerodha"].pk,
        "basket_id": played.basket.pk,
        "strategy_id": pair.strategy_id,
        "allocation_id": pair.pk,
        "execution_id": played.runs[0].pk,
        "order_id": played.orders[0].pk,
        "listing_id": world.subscription.basket.listing.pk,
        "subscription_id": world.subscription.pk,
        "mismatch_id": Mismatch.objects.get().pk,
        "verb": "kill",
        "choice": "leave",
        "rest": "no-such-path",
    }


def object_of(route: Route) -> Any:
    """A row of the model that this page of the admin is about."""
    _, app, model = route.template.split("/")[:3]
    found = apps.get_model(app, model)._default_manager.order_by("pk").first()
    assert found is not None, f"{route}: the owner's world has no {app}.{model}"
    return found


def _channel(owner: User, name: str) -> AlarmChannel:
    channel, _ = add_channel(
        user=owner, kind="telegram", name=name, address="4711", token="123456:ABC-def", source="test", now=NOW
    )
    notice = Notice.objects.filter(user=owner).earliest("pk")
    AlarmDelivery.objects.create(channel=channel, notice=notice, next_try_at=NOW)
    return channel


def _receipt(owner: User, timeline: Any, account: BrokerAccount) -> Receipt:
    """Of an account with a limit of its own."""
    set_scope_limit(
        user=owner, scope="account", target=account, terms=ScopeTerms(max_lots=50), source="test", now=NOW
    )
    receipt = Receipt.objects.create(
        user=owner, verb="exit", scope="account", target=account.pk, name=account.label, timeline=timeline, at=NOW
    )
    ReceiptAccount.objects.create(
        receipt=receipt, broker_account=account, symbols=[], orders=0, positions=0, verified_at=NOW
    )
    return receipt


def _ledger(subscription: Subscription, timeline: Any) -> None:
    month = date(2026, 7, 1)
    FeeEntry.objects.create(
        subscription=subscription, timeline=timeline, kind="monthly", period=month,
        amount=Decimal("500.00"), basis={}, notional=False, at=NOW,
    )  # fmt: skip
    Invoice.objects.create(
        subscription=subscription, period=month, total=Decimal("500.00"), issued_at=NOW
    )


def _trading_rows(owner: User, played: story.World) -> None:
    pause(user=owner, scope="pair", target=played.pairs[-1].pk, by=owner, source="test", now=NOW)
    held = played.pairs[0].positions.select_related("contract").first()
    StopWatch.objects.create(
        allocation=played.pairs[0], timeline=played.timeline, symbol=held.contract.symbol,
        leg_number=held.leg_number, since=held.opened_at, stop=Decimal(-30), stop_at=Decimal("101.20"),
        updated_at=NOW,
    )  # fmt: skip
    Settlement.objects.create(
        position=played.pairs[0].positions.first(), trading_day=story.DAY, quantity=65,
        price=Decimal("12.00"), underlying_price=Decimal("24500.00"), provisional=True,
        source="test", amount=Decimal("780.00"), charges=Decimal("1.20"), at=NOW,
    )  # fmt: skip


def _reconciled_rows(played: story.World) -> None:
    """A short that its owner bought back by hand, not settled yet."""
    held = played.pairs[0].positions.filter(quantity__lt=0).first()
    account, lot = played.pairs[0].broker_account, held.contract.lot_size
    about = {"broker_account": account, "timeline": played.timeline}
    AccountBook.objects.create(**about, read_at=NOW, due_at=None)
    AccountPosition.objects.create(
        **about, contract=held.contract, product="NRML", ours=held.quantity, external=lot,
        disputed=lot, theirs=held.quantity + lot, read_at=NOW,
    )  # fmt: skip
    ForeignTrade.objects.create(
        **about, contract=held.contract, product="NRML", trading_day=story.DAY, trade_id="H1",
        broker_order_id="HAND1", side="BUY", quantity=lot, price=Decimal("61.00"), at=NOW,
    )  # fmt: skip
    Mismatch.objects.create(
        **about, kind="squared_off", subject=f"{held.contract.symbol} NRML", contract=held.contract,
        product="NRML", allocation=played.pairs[0], ours=held.quantity, theirs=held.quantity + lot,
        missing=lot, fix="adopt_close", opened_at=NOW,
    )  # fmt: skip


def _market_rows(timeline: Any) -> None:
    seed_facts(now=NOW)
    _master_rows()
    SettlementPrice.objects.create(
        timeline=timeline, underlying="NIFTY", day=story.DAY, price=Decimal("24500.00"),
        source="test", entered_at=NOW,
    )  # fmt: skip
    Quote.objects.create(
        timeline=timeline, symbol="NIFTY-20260804-24500-CE", ltp=Decimal("71.20"), at=NOW,
        bid_quantity=65, ask_quantity=65, expires_at=NOW + timedelta(minutes=5),
    )  # fmt: skip


def _master_rows() -> None:
    """What an operator has after reading a broker's instrument master."""
    read = MasterImport.objects.create(
        source="zerodha", file_name="instruments.csv", sha256="0" * 64, rows=2, kept=1, at=NOW
    )
    Instrument.objects.create(
        source="zerodha", exchange="NSE", token="1", trading_symbol="NIFTY2680424500CE",
        contract=Contract.objects.order_by("pk")[0], lot_size=65, tick_size=Decimal("0.05"),
        imported_at=NOW,
    )  # fmt: skip
    LotFlag.objects.create(
        source="zerodha", underlying="SENSEX50", expiry=date(2026, 8, 6), lot=75, why="unknown_lot",
        said="No lot is known.", rows=1, example="SENSEX50", found_in=read, found_at=NOW,
    )  # fmt: skip


def _sign_in_rows(owner: User) -> None:
    """Rows of allauth, so that its pages of the admin are walked too."""
    EmailAddress.objects.get_or_create(user=owner, email=owner.email, defaults={"primary": True})
    Authenticator.objects.create(user=owner, type="recovery_codes", data={"migrated_codes": []})
    app = SocialApp.objects.create(
        provider="openid_connect", provider_id="pool", name="Pool", client_id="desk"
    )
    account = SocialAccount.objects.create(user=owner, provider="pool", uid="1")
    SocialToken.objects.create(app=app, account=account, token="pool-token")
    UserSession.objects.create(
        user=owner, session_key="session-of-the-owner", ip="127.0.0.1", created_at=NOW,
        last_seen_at=NOW + timedelta(minutes=1), user_agent="browser",
    )  # fmt: skip
