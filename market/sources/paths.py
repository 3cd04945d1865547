"""Seeded spot paths of simulated days: one second a step, each day from where the last one ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from math import exp

import numpy as np

from market.kernel import calendar
from market.kernel.calendar import OutsideCoverage, Session
from market.kernel.contracts import expiries, strike_step

JUMPS_A_DAY = 0.7
JUMP = 0.0025
OVERNIGHT = 0.35  # of a day's volatility
SEED_RANGE = 2**63
WEEKLY_STRIKES = 18  # on each side of the day's opening at-the-money strike
MONTHLY_STRIKES = 22
FAR_STRIKES = 8
NEAR_WEEKLIES, NEAR_MONTHLIES = 3, 2

Series = tuple[str, date]
Bounds = dict[Series, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Index:
    """Where an index starts, how far it moves in a day, its at-the-money volatility a year, its
    correlation with the market's common move, and the lots open at its busiest strike."""

    level: float
    daily: float
    vol: float
    common: float
    interest: int


INDICES = {
    "NIFTY": Index(24_500, 0.0075, 0.125, 0.99, 90_000),
    "BANKNIFTY": Index(55_000, 0.0085, 0.14, 0.90, 25_000),
    "FINNIFTY": Index(26_000, 0.0085, 0.14, 0.90, 1_500),
    "MIDCPNIFTY": Index(12_700, 0.0100, 0.17, 0.80, 6_000),
    "SENSEX": Index(80_000, 0.0075, 0.125, 0.99, 40_000),
}
NAMES = tuple(INDICES)
COMMON = np.array([index.common for index in INDICES.values()])


@dataclass(frozen=True, slots=True)
class DayPath:
    """One day: levels by second (row) and index (column), volatility levels, what is listed, and
    the share of the day's activity that is done at each second. `before` has the levels of the last
    close, None on a world's first day."""

    day: date
    session: Session
    levels: np.ndarray
    vols: np.ndarray
    listed: Bounds
    done: np.ndarray
    before: np.ndarray | None

    def second(self, now: datetime) -> int:
        """The row of this instant; ValueError outside the session."""
        if not self.session.open <= now <= self.session.close:
            raise ValueError(f"{now.isoformat()} is outside the session of {self.day}")
        return int((now - self.session.open).total_seconds())


@dataclass(slots=True)
class Chain:
    """The days of one seed from its first day on; any day asked for again is the same day."""

    seed: int
    first_day: date
    _last: DayPath | None = None
    _days: dict[date, DayPath] = field(default_factory=dict)

    def path(self, day: date) -> DayPath:
        """The day's path; LookupError when the day is not played (closed, or before the first)."""
        if day in self._days:
            return self._days[day]
        if self._last is None or day < self._last.day:
            self._last = None
        for each, session in self._sessions_to(day):
            self._last = self._next(each, session)
        if self._last is None or self._last.day != day:
            raise LookupError(f"{day} is not a day of this simulated world from {self.first_day}.")
        self._keep(self._last)
        return self._last

    def _keep(self, path: DayPath) -> None:
        self._days[path.day] = path
        while len(self._days) > 2:
            del self._days[next(iter(self._days))]

    def _sessions_to(self, day: date) -> Iterator[tuple[date, Session]]:
        each = self.first_day if self._last is None else self._last.day + calendar.ONE_DAY
        while each <= day:
            if session := playable(each):
                yield each, session
            each += calendar.ONE_DAY

    def _next(self, day: date, session: Session) -> DayPath:
        rng = np.random.default_rng([self.seed % SEED_RANGE, day.toordinal()])
        before = self._last
        daily = np.array([INDICES[name].daily for name in NAMES])
        if before is None:
            start = np.array([INDICES[name].level for name in NAMES], dtype=float)
            start *= np.exp(0.01 * _together(rng, 1)[0])
            vols = np.array([INDICES[name].vol for name in NAMES])
        else:
            start = before.levels[-1] * np.exp(OVERNIGHT * daily * _together(rng, 1)[0])
            usual = np.array([INDICES[name].vol for name in NAMES])
            vols = usual * (before.vols / usual) ** 0.8
        vols = vols * exp(0.08 * rng.standard_normal())
        seconds = int((session.close - session.open).total_seconds())
        levels = _walk(rng, start, daily * exp(0.25 * rng.standard_normal()), seconds)
        listed = _listed(day, start, {} if before is None else before.listed)
        closed = None if before is None else before.levels[-1]
        return DayPath(day, session, levels, vols, listed, _done(seconds), closed)


def playable(day: date) -> Session | None:
    """The day's session when every simulated index trades with known hours; None otherwise.

    Beyond the calendar's coverage OutsideCoverage is raised: the world ends where the facts do.
    """
    exchanges = ("NSE", "BSE")
    if not all(calendar.is_trading_day(exchange, day) for exchange in exchanges):
        return None
    try:
        return calendar.session("NSE", day)
    except OutsideCoverage:  # a special session whose hours were never published here
        return None


def _together(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Standard normal moves of the indices, correlated through one market move."""
    market = rng.standard_normal((rows, 1))
    own = rng.standard_normal((rows, len(NAMES)))
    return COMMON * market + np.sqrt(1 - COMMON**2) * own


def _walk(
    rng: np.random.Generator, start: np.ndarray, daily: np.ndarray, seconds: int
) -> np.ndarray:
    """Levels at each second: busy at the open and the close, with an occasional jump."""
    scale = np.sqrt(np.diff(_done(seconds)))[:, None] * daily
    moves = scale * _together(rng, seconds) - 0.5 * scale**2
    for second in rng.integers(0, seconds, rng.poisson(JUMPS_A_DAY)):
        moves[second] += JUMP * rng.standard_normal()
    logs = np.vstack([np.zeros(len(NAMES)), np.cumsum(moves, axis=0)])
    return start * np.exp(logs)


def _done(seconds: int) -> np.ndarray:
    """Share of the day's variance and dealing done by each second: 0 at the open, 1 at the close."""
    busy = 1 + 2 * np.linspace(-1.0, 1.0, seconds) ** 2
    return np.concatenate([[0.0], np.cumsum(busy) / busy.sum()])


def _listed(day: date, start: np.ndarray, before: Bounds) -> Bounds:
    """Lowest and highest strike number (strike / step) of each listed series.

    A strike once listed stays until its expiry, so that no position loses its quotes.
    """
    listed: Bounds = {}
    for name, level in zip(NAMES, start, strict=True):
        middle = round(float(level) / float(strike_step(name)))
        for expiry, width in _series(name, day):
            low, high = before.get((name, expiry), (middle - width, middle + width))
            listed[name, expiry] = (min(low, middle - width), max(high, middle + width))
    return listed


def _series(name: str, day: date) -> list[tuple[date, int]]:
    """Every listed expiry and its strikes a side: the far ones have fewer until they come near."""
    known = expiries(name, day)
    near = [each.day for each in known if each.kind == "weekly"][:NEAR_WEEKLIES]
    near += [each.day for each in known if each.kind == "monthly"][:NEAR_MONTHLIES]
    widths = {"weekly": WEEKLY_STRIKES, "monthly": MONTHLY_STRIKES}
    return [(each.day, widths[each.kind] if each.day in near else FAR_STRIKES) for each in known]
