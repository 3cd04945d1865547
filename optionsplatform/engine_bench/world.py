"""The bench's world: one owner, many paper accounts, four-leg pairs, and a simulated market with depth."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal

import httpx
from django.conf import settings
from django.db import connection

from allocations.models import StrategyBrokerAllocation
from baskets.models import Basket
from brokers.models import BrokerAccount
from brokers.services import Act, add_account
from market import feed, quotes
from market.kernel.clock import at
from market.kernel.frame import Frame
from market.models import Timeline
from market.services import activate_timeline, create_timeline
from market.sources.simulated import World
from strategies.models import Leg, Strategy, StrategyVersion
from users.models import User

DAY = date(2026, 8, 3)
DEPTH = 10_000_000  # units shown on each side: the storm is about us, not about who gets the quote
CAPITAL = Decimal(1_000_000_000)
CONDOR = ((1, "BUY", "CE", 1), (2, "BUY", "PE", -1), (3, "SELL", "CE", 1), (4, "SELL", "PE", -1))
SPREAD_STEPS = 4


def make_timeline(seed: int) -> Timeline:
    timeline = create_timeline(key="bench", source="simulated", first_day=DAY, seed=seed)
    return activate_timeline(timeline=timeline, now=datetime.now(UTC))


def make_accounts(user: User, count: int) -> list[BrokerAccount]:
    """Paper accounts over the three brokers, each with a login at the simulator."""
    act = Act(actor=user, source="bench", now=datetime.now(UTC))
    brokers = BrokerAccount.Broker.values
    return [
        add_account(
            user=user, broker=brokers[n % len(brokers)], mode="paper", client_id=f"B{n:04}",
            label=f"Account {n}", capital=CAPITAL, act=act,
        )
        for n in range(count)
    ]  # fmt: skip


def make_strategy(basket: Basket, number: int, entry: clock_time) -> StrategyVersion:
    """An iron condor whose distance from the money depends on its number, held until it is exited."""
    strategy = Strategy.objects.create(basket=basket, name=f"Condor {number}", underlying="NIFTY")
    version = StrategyVersion.objects.create(
        strategy=strategy, number=1, entry_time=entry, weekdays=[0, 1, 2, 3, 4],
        entry_tolerance_seconds=600,
    )  # fmt: skip
    near = 2 + number % 5
    Leg.objects.bulk_create(
        Leg(
            version=version, number=leg, side=side, option_type=kind, strike_rule="atm",
            strike_value=sign * (near + (SPREAD_STEPS if side == "BUY" else 0)), expiry_rule="this_week",
        )
        for leg, side, kind, sign in CONDOR
    )  # fmt: skip
    return version


def make_pairs(version: StrategyVersion, accounts: list[BrokerAccount]) -> None:
    StrategyBrokerAllocation.objects.bulk_create(
        StrategyBrokerAllocation(
            strategy=version.strategy, broker_account=account, strategy_version=version, lots=1,
            max_lots=1, max_day_loss=CAPITAL, max_margin=CAPITAL, max_open_positions=4,
        )
        for account in accounts
    )  # fmt: skip


class Market(threading.Thread):
    """A frame a second, at the pace of the wall: to the simulator, then to Valkey, as `run_market` does."""

    def __init__(self, timeline: Timeline, seed: int, start: datetime, redis_client: object) -> None:
        super().__init__(daemon=True)
        self._timeline, self._start = timeline, start
        self._world = World(seed, DAY, underlyings={"NIFTY"})
        self._valkey = redis_client
        self._client = feed.simulator_client(settings.SIMULATOR_URL, settings.SIMULATOR_TOKEN)
        self._halt = threading.Event()
        self.published: dict[datetime, float] = {}  # wall time at which a frame began its way
        self.slowest = 0.0

    def stop(self) -> None:
        self._halt.set()
        self.join(timeout=30)

    def run(self) -> None:
        began, n = time.monotonic(), 0
        while not self._halt.is_set():
            n += 1
            now = self._start + timedelta(seconds=n)
            frame = self.frame(now, n)
            self._halt.wait(began + n - time.monotonic())
            self._publish(frame)
        connection.close()

    def frame(self, now: datetime, n: int) -> Frame:
        made = self._world.frame_at(now, timeline=self._timeline.key, n=n, cadence=1.0)
        deep = {
            symbol: quote._replace(bid_quantity=DEPTH, ask_quantity=DEPTH)
            for symbol, quote in made.quotes.items()
        }
        return replace(made, quotes=deep)

    def _publish(self, frame: Frame) -> None:
        began = time.time()
        self.published[frame.now] = began
        try:
            feed.hand_over(self._client, frame)
        except (feed.NotAcknowledged, httpx.HTTPError):
            return  # the next frame comes in a second
        Timeline.objects.filter(pk=self._timeline.pk).update(market_now=frame.now, frame=frame.n)
        quotes.publish(frame, client=self._valkey)  # type: ignore[arg-type]
        self.slowest = max(self.slowest, time.time() - began)


def moment(hour: int, minute: int, second: int = 0) -> datetime:
    return at(DAY, clock_time(hour, minute, second))
