"""What a headless run plays: recorded days as their files hold them, or simulated days of a seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from execution.headless.play import Player
from market.kernel import calendar
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import IST, at
from market.kernel.frame import Frame
from market.services import set_settlement_price
from market.sources.playback import settlement_values
from market.sources.quality import Quality
from market.sources.recorded import RecordedDay
from market.sources.simulated import World, playable

Document = dict[str, Any]
Expiry = tuple[str, date]
EXCHANGES = ("NSE", "BSE")
OFFICIAL = "given to trade_day"
STRUCK = "the simulated index at its settlement time"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDays:
    """Days that were recorded, ascending, and the official settlement values that are known."""

    days: Sequence[RecordedDay]
    names: Sequence[str]
    official: Mapping[Expiry, Decimal] = field(default_factory=dict)
    seed: int = 0

    @property
    def played(self) -> list[date]:
        return [day.day for day in self.days]

    def play(self, player: Player) -> None:
        """All days in a row: what is open at a close is carried to the next recorded day."""
        for (underlying, day), price in self.official.items():
            set_settlement_price(
                timeline=player.timeline, underlying=underlying, day=day, price=price,
                source=OFFICIAL, now=player.wall,
            )  # fmt: skip
        for recorded in self.days:
            player.play(recorded.frames(player.timeline.key, first_n=player.next_n))

    def inputs(self) -> Document:
        values = {f"{name}@{day}": str(price) for (name, day), price in self.official.items()}
        return {"files": list(self.names), "settlement": values}

    def data(self) -> list[Document]:
        return [quality(day.day, day.quality) for day in self.days]


@dataclass(frozen=True, kw_only=True)
class SimulatedDays:
    """So many trading days of one seed from a first day on, a frame every so many seconds and at
    the times of day at which the strategies act."""

    seed: int
    first_day: date
    count: int
    every: int
    underlyings: frozenset[str]
    acting: frozenset[time] = frozenset()
    names: Sequence[str] = ()

    @cached_property
    def played(self) -> list[date]:
        """OutsideCoverage when the dated facts end before the last of them."""
        days: list[date] = []
        day = self.first_day
        while len(days) < self.count:
            if playable(day) is not None:
                days.append(day)
            day += calendar.ONE_DAY
        return days

    def play(self, player: Player) -> None:
        """All days in a row; the settlement value is official from the moment that it is struck."""
        world = World(self.seed, self.first_day, underlyings=self.underlyings)
        for day in self.played:
            player.play(self._frames(world, day, player))

    def inputs(self) -> Document:
        return {
            "seed": self.seed,
            "first_day": self.first_day.isoformat(),
            "simulated_days": self.count,
            "every_seconds": self.every,
        }

    def data(self) -> list[Document]:
        return []

    def _frames(self, world: World, day: date, player: Player) -> Iterator[Frame]:
        known: set[str] = set()
        for n, now in enumerate(self._moments(world, day), player.next_n):
            key = player.timeline.key
            frame = world.frame_at(now, timeline=key, n=n, cadence=float(self.every))
            for underlying, price in settlement_values(world, frame).items():
                if underlying not in known:
                    known.add(underlying)
                    set_settlement_price(
                        timeline=player.timeline, underlying=underlying, day=day, price=price,
                        source=STRUCK, now=now,
                    )  # fmt: skip
            yield frame

    def _moments(self, world: World, day: date) -> list[datetime]:
        """Every so many seconds from the open, at the close, and when the strategies act."""
        session, step = world.day(day).session, timedelta(seconds=self.every)
        acting = [at(day, each) for each in self.acting]
        found = {moment for moment in acting if session.is_open(moment)}
        now = session.open
        while now < session.close:
            found.add(now)
            now = world.next_moment(now, step)
        return sorted(found | {session.close})


Days = RecordedDays | SimulatedDays


def missing(played: Sequence[date]) -> list[date]:
    """Trading days of both exchanges between the first and the last that were not played."""
    gone = []
    day = played[0]
    while day <= played[-1]:
        if day not in played and _trades(day):
            gone.append(day)
        day += calendar.ONE_DAY
    return gone


def _trades(day: date) -> bool:
    try:
        return all(calendar.is_trading_day(exchange, day) for exchange in EXCHANGES)
    except OutsideCoverage:
        return False


def quality(day: date, found: Quality) -> Document:
    """A recorded day's account of itself."""
    return {
        "day": day.isoformat(),
        "rows": found.rows,
        "kept": found.kept,
        "stale_skipped": found.stale,
        "flagged": dict(found.flagged),
        "broken": [{"file": b.file, "line": b.line, "reason": b.reason} for b in found.broken],
        "duplicates": found.duplicates,
        "gaps": [
            [a.astimezone(IST).isoformat(), b.astimezone(IST).isoformat()] for a, b in found.gaps
        ],
        "cadence_seconds": found.cadence,
        "spot": found.spot_source,
        "bid_ask": found.spread_model,
        "forward": found.forward_source,
    }
