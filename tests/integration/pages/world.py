"""The demo story as rows, for pages: a simulated morning with three strategies on three brokers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache

from allocations.models import StrategyBrokerAllocation
from allocations.risk import PairTerms
from allocations.services import create_allocation
from baskets.models import Basket
from baskets.services import create_basket
from brokers import selectors as brokers
from brokers.models import BrokerAccount
from execution.models import Fill, Order, OrderEvent, PerformanceMetric, Position, StrategyExecution
from market import quotes
from market.kernel.clock import at, ist_day
from market.kernel.frame import Frame
from market.models import Timeline
from market.services import ensure_contracts
from market.sources.simulated import World as Market
from strategies.models import Strategy
from strategies.rules import resolve
from strategies.selectors import leg_rules, newest_version
from strategies.services import create_from_preset
from users.models import User
from users.services import notify

DAY = date(2026, 7, 29)
SEED = 11
NOW = datetime(2026, 7, 29, 3, 55, tzinfo=UTC)
CLOCK = time(11, 40)
BROKERS = (("zerodha", "Zerodha"), ("angelone", "Angel One"), ("finvasia", "Finvasia"))
SPLIT = {
    "iron_condor": {"zerodha": 2, "angelone": 1},
    "covered_call": {"zerodha": 5},
    "cash_secured_put": {"finvasia": 3, "angelone": 2},
}


@dataclass(frozen=True, slots=True)
class World:
    """What a page may show of one user."""

    user: User
    timeline: Timeline
    frame: Frame
    accounts: dict[str, BrokerAccount]
    basket: Basket
    strategies: dict[str, Strategy]
    pairs: list[StrategyBrokerAllocation]
    runs: list[StrategyExecution]
    orders: list[Order]


def build(user: User, *, clock: time = CLOCK, traded: bool = True) -> World:
    """The story of one user at that time of the day, entries filled at 09:20."""
    timeline, frame = _market(clock)
    accounts = {code: _account(user, code, name) for code, name in BROKERS}
    basket = create_basket(
        owner=user, name="Conservative Income Strategies", source="test", now=NOW,
        description="Income from premium, each strategy with its own brokers and limits.",
    )  # fmt: skip
    strategies = {
        preset: create_from_preset(
            by=user, basket=basket, preset=preset, underlying="NIFTY", source="test", now=NOW
        )
        for preset in SPLIT
    }
    pairs = [
        _pair(user, strategies[preset], accounts[code], lots)
        for preset, split in SPLIT.items()
        for code, lots in split.items()
    ]
    runs = [_entry(pair, timeline) for pair in pairs] if traded else []
    orders = [order for run in runs for order in _orders(run)]
    for run in runs:
        _metric(run)
    notify(user=user, kind="limit", severity="warning", title="Day loss limit of a pair was hit",
           body="Iron Condor on Angel One reached its day loss limit.", dedupe_key="n1",
           link="/executions", now=NOW)  # fmt: skip
    return World(user, timeline, frame, accounts, basket, strategies, pairs, runs, orders)


def publish(timeline: Timeline, clock: time) -> Frame:
    """Put the market's frame of that time into Valkey, as the market process does."""
    frame = _market_at(clock)
    quotes.publish(frame)
    quotes.connection().set("heartbeat:market", datetime.now(UTC).isoformat(), ex=10)
    timeline.market_now = frame.now
    timeline.save()
    return frame


def _market(clock: time) -> tuple[Timeline, Frame]:
    timeline, _ = Timeline.objects.get_or_create(
        key="demo", defaults={"source": "simulated", "first_day": DAY, "seed": SEED, "active": True}
    )
    return timeline, publish(timeline, clock)


@cache
def _market_at(clock: time) -> Frame:
    return Market(SEED, DAY).frame_at(at(DAY, clock), timeline="demo", n=1, cadence=1.0)


def _account(user: User, code: str, name: str) -> BrokerAccount:
    account = BrokerAccount.objects.create(
        user=user, broker=code, mode="paper", client_id=f"PAPER{code[:2].upper()}1",
        label=f"{name} paper", capital=Decimal(2500000),
    )  # fmt: skip
    account.sealed_secrets = {
        field: brokers.vault().seal(
            field, table=brokers.TABLE, row=account.pk, user=user.pk, field=field
        )
        for field in ("login", "token")
    }
    account.save()
    return account


def _pair(
    user: User, strategy: Strategy, account: BrokerAccount, lots: int
) -> StrategyBrokerAllocation:
    terms = PairTerms(
        lots=lots, max_lots=lots, max_day_loss=Decimal(8000 * lots), max_margin=Decimal(1500000),
        max_open_positions=12,
    )  # fmt: skip
    return create_allocation(
        user=user, strategy=strategy, broker_account=account, terms=terms, source="test", now=NOW
    )


def _entry(pair: StrategyBrokerAllocation, timeline: Timeline) -> StrategyExecution:
    due = at(DAY, time(9, 20))
    return StrategyExecution.objects.create(
        allocation=pair, timeline=timeline, trading_day=DAY, phase="entry", cycle=1,
        strategy_version=pair.strategy_version, lots=pair.lots, status="done", cause="schedule",
        due_at=due, started_at=due + timedelta(seconds=1), finished_at=due + timedelta(seconds=4),
    )  # fmt: skip


def _orders(run: StrategyExecution) -> list[Order]:
    pair = run.allocation
    opening = _market_at(time(9, 20))
    rules = leg_rules(newest_version(pair.strategy))
    legs = resolve(rules, underlying="NIFTY", frame=opening, day=ist_day(opening.now))
    rows = ensure_contracts([leg.contract for leg in legs])
    made = []
    for leg in legs:
        quote = opening.quotes[leg.contract.symbol]
        price = (quote.ask if leg.side == "BUY" else quote.bid) or quote.ltp
        quantity = leg.quantity_per_lot * pair.lots
        order = Order.objects.create(
            execution=run, allocation=pair, broker_account=pair.broker_account,
            timeline=run.timeline, contract=rows[leg.contract.symbol], leg_number=leg.number,
            action="open", slice=1, wave=1 if leg.side == "BUY" else 2, side=leg.side,
            product="NRML", quantity=quantity, order_type="LIMIT", price=price, status="FILLED",
            client_ref=f"T{run.pk}L{leg.number}", broker_order_id=f"B{run.pk}{leg.number}",
            filled_quantity=quantity, average_price=price, charges=Decimal("62.40"),
            arrival_mid=quote.mid, created_at=run.started_at, finished_at=run.finished_at,
        )  # fmt: skip
        _fill(order, price)
        made.append(order)
    return made


def _fill(order: Order, price: Decimal) -> None:
    Fill.objects.create(
        order=order, timeline=order.timeline, broker_account=order.broker_account, exchange="NSE",
        trading_day=DAY, trade_id=f"t{order.pk}", side=order.side, quantity=order.quantity,
        price=price, at=order.finished_at,
    )  # fmt: skip
    OrderEvent.objects.create(
        order=order, kind="fill", source="push", dedupe_key=f"fill:t{order.pk}",
        payload={"quantity": order.quantity, "price": str(price)}, at=order.finished_at,
    )  # fmt: skip
    signed = order.quantity if order.side == "BUY" else -order.quantity
    Position.objects.create(
        allocation=order.allocation, timeline=order.timeline, contract=order.contract,
        product="NRML", leg_number=order.leg_number, quantity=signed, cost=signed * price,
        average_price=price, charges=order.charges, day=DAY, opened_at=order.finished_at,
        updated_at=order.finished_at,
    )  # fmt: skip


def _metric(run: StrategyExecution) -> None:
    PerformanceMetric.objects.create(
        allocation=run.allocation, timeline=run.timeline, trading_day=DAY,
        realised=Decimal(0), unrealised=Decimal("1250.50") * run.lots, charges=Decimal("124.80"),
        net=Decimal("1250.50") * run.lots - Decimal("124.80"), peak_margin=Decimal(150000) * run.lots,
        orders=4, fills=4, lots=run.lots, updated_at=NOW,
    )  # fmt: skip
