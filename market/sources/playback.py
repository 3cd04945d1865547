"""What the market process plays: a timeline's source as its next frame and the wait before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

from market.kernel import calendar
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import ist_day
from market.kernel.contracts import exchange_of
from market.kernel.frame import Frame
from market.sources import recorded, simulated

WALL_STEP = 0.5  # seconds of wall time between simulated frames
LONGEST_STEP = 30.0  # seconds of market time between simulated frames
OVERNIGHT_PAUSE = 3.0  # seconds of wall time from a day's last frame to the next day's first


class NoSource(ValueError):
    """Nothing here plays such a timeline."""


class Source(Protocol):
    """One timeline's market."""

    def next_frame(self, after: datetime | None, *, n: int, speed: int) -> Frame | None:
        """The first frame later than `after`, numbered n; None when there is no more."""
        ...

    def wait(self, after: datetime | None, frame: Frame, *, speed: int) -> float:
        """Seconds of wall time between the frame at `after` and this one."""
        ...

    def settlements(self, frame: Frame) -> dict[str, Decimal]:
        """Official settlement values, by underlying, of contracts expiring that day and struck by now."""
        ...


def source_of(
    source: str, *, key: str, first_day: date, seed: int = 0, files: Sequence[str] = ()
) -> Source:
    """The player of a timeline's source; NoSource says why there is none."""
    if source == "simulated":
        return Simulated(key, seed, first_day)
    if source == "recorded":
        return Recorded(key, recorded.days(files), first_day)
    raise NoSource(
        f"Timeline {key!r} is {source}: no broker feed is built in yet. "
        "Activate a recorded or a simulated timeline."
    )


class Simulated:
    """Plays a World, a frame every half second of wall time or oftener at high speeds."""

    def __init__(self, key: str, seed: int, first_day: date) -> None:
        self._key = key
        self._world = simulated.World(seed, first_day)

    def next_frame(self, after: datetime | None, *, n: int, speed: int) -> Frame | None:
        step = market_step(speed)
        try:
            now = self._world.next_moment(after, timedelta(seconds=step))
        except OutsideCoverage:  # the dated facts end, and so does the world: nothing is guessed
            return None
        return self._world.frame_at(now, timeline=self._key, n=n, cadence=step)

    def wait(self, after: datetime | None, frame: Frame, *, speed: int) -> float:
        if after is None:
            return 0.0
        if ist_day(after) != ist_day(frame.now):
            return OVERNIGHT_PAUSE
        return market_step(speed) / speed

    def settlements(self, frame: Frame) -> dict[str, Decimal]:
        return settlement_values(self._world, frame)


class Recorded:
    """Plays recorded days from first_day on, each gap as long as it was, divided by the speed."""

    def __init__(self, key: str, days: list[recorded.RecordedDay], first_day: date) -> None:
        self._key = key
        self.days = [day for day in days if day.day >= first_day]
        if not self.days:
            found = ", ".join(day.day.isoformat() for day in days)
            raise NoSource(f"Timeline {key!r} begins on {first_day}, its files hold {found}.")
        self._frames: Iterator[Frame] | None = None

    def next_frame(self, after: datetime | None, *, n: int, speed: int) -> Frame | None:
        if self._frames is None:
            self._frames = self._from(after)
        frame = next(self._frames, None)
        return None if frame is None else replace(frame, n=n)

    def wait(self, after: datetime | None, frame: Frame, *, speed: int) -> float:
        if after is None:
            return 0.0
        if ist_day(after) != ist_day(frame.now):
            return OVERNIGHT_PAUSE
        return (frame.now - after).total_seconds() / speed

    def settlements(self, frame: Frame) -> dict[str, Decimal]:
        return {}

    def _from(self, after: datetime | None) -> Iterator[Frame]:
        for day in self.days:
            if after is not None and day.moments[-1] <= after:
                continue
            for frame in day.frames(self._key):
                if after is None or frame.now > after:
                    yield frame


def settlement_values(world: simulated.World, frame: Frame) -> dict[str, Decimal]:
    """By underlying whose contracts expire on the frame's day, the value once it has been struck."""
    today = ist_day(frame.now)
    expiring = {name for name, expiry in frame.forwards if expiry == today}
    return {
        name: world.day(today).settlement_value(name)
        for name in sorted(expiring)
        if frame.now >= calendar.settlement_time(exchange_of(name), today)
    }


def market_step(speed: int) -> float:
    """Seconds of market time from one simulated frame to the next."""
    return min(LONGEST_STEP, WALL_STEP * speed)
