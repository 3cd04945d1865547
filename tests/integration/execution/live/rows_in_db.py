"""A pair with positions, made directly: what the live feed reads, without the engine."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal

from allocations.models import StrategyBrokerAllocation
from baskets.models import Basket
from brokers.models import BrokerAccount
from execution.models import Position
from market.kernel.contracts import parse
from market.models import Contract, Timeline
from strategies.models import Strategy, StrategyVersion

TODAY = date(2026, 8, 4)


def make_timeline(key="live-test", *, active=True) -> Timeline:
    return Timeline.objects.create(key=key, source="simulated", first_day=TODAY, active=active)


def make_pair(user, *, name="Income", owner=None) -> StrategyBrokerAllocation:
    basket = Basket.objects.create(owner=owner or user, name=name)
    strategy = Strategy.objects.create(basket=basket, name=f"{name} condor", underlying="NIFTY")
    version = StrategyVersion.objects.create(strategy=strategy, number=1, entry_time=time(9, 20))
    account = BrokerAccount.objects.create(
        user=user, broker="zerodha", mode="paper", client_id=name[:20], label=name, capital=1_000_000
    )
    return StrategyBrokerAllocation.objects.create(
        strategy=strategy,
        broker_account=account,
        strategy_version=version,
        lots=2,
        max_lots=5,
        max_day_loss=10_000,
        max_margin=500_000,
        max_open_positions=8,
    )


def make_position(pair, timeline, symbol, quantity, *, average="100", day=TODAY, **fields) -> Position:
    spec = parse(symbol)
    contract, _ = Contract.objects.get_or_create(
        symbol=symbol,
        defaults={
            "exchange": "NSE",
            "underlying": spec.underlying,
            "expiry": spec.expiry,
            "option_type": spec.option_type,
            "strike": spec.strike,
            "lot_size": 65,
            "tick_size": Decimal("0.05"),
        },
    )
    return Position.objects.create(
        allocation=pair,
        timeline=timeline,
        contract=contract,
        product="NRML",
        leg_number=1,
        quantity=quantity,
        cost=Decimal(average) * quantity,
        average_price=Decimal(average),
        day=day,
        **fields,
    )
