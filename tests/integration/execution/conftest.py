"""A headless world: the engine, an in-process simulator and a seeded market, in one thread."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from allocations.models import StrategyBrokerAllocation
from execution import story
from execution.headless.play import Player
from execution.headless.world import open_world
from execution.models import Order, Position, StrategyExecution
from market.kernel.clock import at
from market.sources.simulated import World
from tests.integration.execution import remembered

MONDAY, EXPIRY_TUESDAY = date(2026, 8, 3), date(2026, 8, 4)
MINUTE = timedelta(minutes=1)


class Desk:
    """Plays a seeded day by the clock and reads what the engine made of it."""

    def __init__(self, player: Player, day: date, beginning: remembered.Beginning | None = None) -> None:
        self.player, self.day, self.n = player, day, 0
        self.market = World(14, day)
        self.beginning = beginning

    def at(self, hour: int, minute: int, second: int = 0, *, change=None) -> None:
        """Push the one frame of that instant; `change` may edit its quotes first."""
        first, self.beginning = self.beginning, None
        tampered = change is not None or self.player._adapters  # a test's own wire, say
        if first is None or tampered or not first.is_unchanged:
            self._push(hour, minute, second, change)
            return

        def play() -> Player:
            self._push(hour, minute, second, None)
            return self.player

        self.player = first.then((hour, minute, second), play)
        self.n = 1

    def _push(self, hour: int, minute: int, second: int, change) -> None:
        self.n += 1
        now = at(self.day, time(hour, minute, second))
        frame = self.market.frame_at(now, timeline=self.player.timeline.key, n=self.n, cadence=60)
        self.player.push(frame if change is None else replace(frame, quotes=change(dict(frame.quotes))))

    def minutes(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """A frame a minute from start to end, both played."""
        now, last = at(self.day, time(*start)), at(self.day, time(*end))
        while now <= last:
            self.at(now.hour, now.minute)
            now += MINUTE

    def close(self) -> None:
        self.player.close_day()

    def fault(self, kind: str, **which) -> None:
        """Arm a failure at the simulator."""
        self.beginning = None
        self.player._operator("POST", "/admin/faults", {"kind": kind, **which})

    def pair(self, strategy: str, broker: str) -> StrategyBrokerAllocation:
        return StrategyBrokerAllocation.objects.get(
            strategy__name=strategy, broker_account__broker=broker
        )

    def run(self, pair: StrategyBrokerAllocation, phase: str = "entry") -> StrategyExecution:
        return StrategyExecution.objects.get(allocation=pair, phase=phase)

    def orders(self, pair: StrategyBrokerAllocation, **which) -> list[Order]:
        return list(Order.objects.filter(allocation=pair, **which).order_by("pk"))

    def held(self, pair: StrategyBrokerAllocation) -> dict[str, int]:
        """Open units by contract."""
        rows = Position.objects.filter(allocation=pair).exclude(quantity=0)
        return dict(rows.values_list("contract__symbol", "quantity"))

    def ledger(self) -> list[dict]:
        return self.player.ledger()["accounts"]

    def change_pair(self, pair: StrategyBrokerAllocation, **fields) -> StrategyBrokerAllocation:
        StrategyBrokerAllocation.objects.filter(pk=pair.pk).update(**fields)
        pair.refresh_from_db()
        return pair


def opened(document: dict, day: date) -> Iterator[Desk]:
    """A desk whose opening, and first frame while nothing is changed, are played once a worker."""
    key = (json.dumps(document, sort_keys=True, default=str), day)
    with remembered.Beginning(key) as beginning:
        player = beginning.open(lambda: open_world(document, first_day=day))
        yield Desk(player, day, beginning)


@pytest.fixture
def conservative_income() -> dict:
    return story.read(story.CONSERVATIVE_INCOME)


@pytest.fixture
def desk(db, conservative_income) -> Iterator[Desk]:
    """The story's basket on a Monday, the day before its options expire."""
    yield from opened(conservative_income, MONDAY)


@pytest.fixture
def expiry_desk(db, conservative_income) -> Iterator[Desk]:
    """The story's basket on the Tuesday on which its options expire."""
    yield from opened(conservative_income, EXPIRY_TUESDAY)


def one_strategy(name: str, *, broker: str, lots: int, terms: dict | None = None, **limits) -> dict:
    """A story with one strategy of the standard one on one broker."""
    document = story.read(story.CONSERVATIVE_INCOME)
    chosen = next(row for row in document["strategies"] if row["name"] == name)
    pair = {
        "broker": broker, "lots": lots, "max_lots": lots, "max_day_loss": "500000",
        "max_margin": "20000000", "max_open_positions": 10,
    }  # fmt: skip
    chosen = {**chosen, "terms": {**chosen["terms"], **(terms or {})}, "allocations": [{**pair, **limits}]}
    accounts = [{**row, "capital": "50000000"} for row in document["accounts"]]
    return {**document, "accounts": accounts, "strategies": [chosen]}


@pytest.fixture
def desk_of(db):
    """desk_of(one_strategy(...)): another story, on the Monday before the expiry unless said."""

    with ExitStack() as stack:

        def make(document: dict, *, day: date = MONDAY) -> Desk:
            return stack.enter_context(contextmanager(opened)(document, day))

        yield make


