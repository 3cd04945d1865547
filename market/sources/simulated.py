"""Simulated days: a seeded market of the five indices that quotes at any second of its sessions.

Spot paths come from paths.py. Each series is priced by Black-76 on forward = spot x exp(rate x t)
with a smile in standardised log-moneyness and a term structure; bid and ask are rounded outward to
ticks around that price, so quotes never cross and put-call parity holds within them. The same
seed, first day and instant give the same frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import repeat

import numpy as np

from market.kernel import calendar, pricing
from market.kernel.clock import IST, ist_day
from market.kernel.contracts import Contract, exchange_of, kind_of, strike_step
from market.kernel.frame import Frame, Quote
from market.kernel.money import rupees
from market.sources.paths import NAMES, SEED_RANGE, Chain, DayPath, playable
from market.sources.spot import spot_lives

SKEW = -0.07
CURVE = 0.025
WING = 4.0  # standard deviations beyond which the smile stays level
SHORT_END = 0.15  # extra volatility of the nearest expiries, fading over a week
WEEK = 7 / 365
LEVERAGE = -5.0  # volatility rises as the index falls: relative change per unit of log spot
HALF_SPREAD = 0.0015
LEAST_HALF_SPREAD = 0.03
FEWEST_LOTS, MOST_LOTS = 5, 60
AVERAGED = timedelta(minutes=30)  # the settlement value's window where it is an average
NEAREST_T = 1 / 365


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """One expiry of one index, with its block of options."""

    underlying: str
    column: int
    expiry: date
    settles: datetime
    numbers: range
    strikes: np.ndarray
    block: slice
    monthly: bool


class World:
    """A simulated timeline's market, from its first day to the end of the calendar."""

    def __init__(self, seed: int, first_day: date) -> None:
        self._chain = Chain(seed, first_day)
        self._days: dict[date, Day] = {}

    def day(self, day: date) -> Day:
        """That day; LookupError when this world does not play it."""
        if day not in self._days:
            self._days = {day: Day(self._chain.path(day), self._chain.seed)}
        return self._days[day]

    def frame_at(self, now: datetime, *, timeline: str, n: int, cadence: float) -> Frame:
        """The market at that instant of a session."""
        return self.day(ist_day(now)).frame_at(now, timeline=timeline, n=n, cadence=cadence)

    def next_moment(self, after: datetime | None, step: timedelta) -> datetime:
        """The next instant to play: a step on, the close at the latest, then the next day's open."""
        if after is None:
            return self._first_open(self._chain.first_day)
        after = after.astimezone(IST)
        session = playable(ist_day(after))
        if session is None or after >= session.close:
            return self._first_open(ist_day(after) + calendar.ONE_DAY)
        now = max(after + step, session.open)
        for start, end in session.parts:
            if now <= end or after < end:
                return min(max(now, start), end)
        return session.close

    @staticmethod
    def _first_open(day: date) -> datetime:
        while (session := playable(day)) is None:
            day += calendar.ONE_DAY
        return session.open


class Day:
    """One simulated trading day."""

    def __init__(self, path: DayPath, seed: int) -> None:
        self._path = path
        self._seed = seed % SEED_RANGE
        self._series = list(_all_series(path))
        self.contracts = _options(self._series)
        self._symbols = [each.symbol for each in self.contracts]
        self._lots = np.array([each.lot_size for each in self.contracts])
        self._is_call = np.array([each.is_call for each in self.contracts])
        self._futures = [
            (each, Contract(each.underlying, each.expiry, "FUT"))
            for each in self._series if each.monthly
        ]  # fmt: skip
        self._future_facts = [(f.symbol, f.tick_size, f.lot_size) for _, f in self._futures]

    @property
    def session(self) -> calendar.Session:
        return self._path.session

    def frame_at(self, now: datetime, *, timeline: str, n: int, cadence: float) -> Frame:
        """Every quote at that instant; ValueError outside the session."""
        now = now.astimezone(IST)  # so that a frame's bytes do not depend on who asks
        second = self._path.second(now)
        rng = np.random.default_rng([self._seed, self._path.day.toordinal(), second])
        forwards = [self._forward(each, now, second) for each in self._series]
        quotes = self._option_quotes(now, second, forwards, rng)
        quotes |= self._future_quotes(now, forwards, rng)
        return Frame(
            timeline=timeline,
            n=n,
            now=now,
            cadence=cadence,
            quotes=quotes,
            spots=self._spots(now, second),
            forwards={
                (each.underlying, each.expiry): rupees(forward)
                for each, forward in zip(self._series, forwards, strict=True)
            },
        )

    def settlement_value(self, underlying: str) -> Decimal:
        """The official settlement value that this day's path gives the index."""
        exchange = exchange_of(underlying)
        settles = calendar.settlement_time(exchange, self._path.day)
        column = NAMES.index(underlying)
        return rupees(self._settled(column, settles, self._path.second(settles)))

    def _spots(self, now: datetime, second: int) -> dict[str, Decimal]:
        levels = self._path.levels[second].tolist()
        return {
            name: rupees(round(level, 2))
            for name, level in zip(NAMES, levels, strict=True)
            if spot_lives(exchange_of(name), now)
        }

    def _forward(self, series: _Series, now: datetime, second: int) -> float:
        if series.expiry == self._path.day:
            return self._settled(series.column, series.settles, second)
        spot = float(self._path.levels[second, series.column])
        return spot * np.exp(pricing.RATE * pricing.year_fraction(now, series.settles))

    def _settled(self, column: int, settles: datetime, second: int) -> float:
        """The settlement value as expected at this second: exact once it is struck."""
        last = self._path.second(settles)
        path = self._path.levels[:, column]
        if settles != self._path.session.close:
            return float(path[min(second, last)])
        first = max(0, last - int(AVERAGED.total_seconds()) + 1)
        if second < first:
            return float(path[second])
        known = path[first : min(second, last) + 1]
        to_come = max(0, last - second)
        return float((known.sum() + to_come * path[second]) / (len(known) + to_come))

    def _option_quotes(
        self, now: datetime, second: int, forwards: list[float], rng: np.random.Generator
    ) -> dict[str, Quote]:
        price = np.empty(len(self.contracts))
        for series, forward in zip(self._series, forwards, strict=True):
            price[series.block] = self._prices(series, forward, now, second)
        half = np.maximum(LEAST_HALF_SPREAD, HALF_SPREAD * price)
        bids = np.floor((price - half) * 20 + 1e-9).astype(int)
        asks = np.maximum(np.ceil((price + half) * 20 - 1e-9).astype(int), 1)
        last = np.clip(np.rint(price * 20).astype(int), np.maximum(bids, 1), asks)
        lots = rng.integers(FEWEST_LOTS, MOST_LOTS, (2, len(price))) * self._lots
        shown = np.where(bids > 0, lots[0], 0)
        columns = (
            map(_option_price, bids.tolist()), map(_option_price, asks.tolist()),
            map(_option_price, last.tolist()), shown.tolist(), lots[1].tolist(), repeat(now),
        )  # fmt: skip
        return dict(zip(self._symbols, map(Quote, *columns), strict=True))

    def _prices(self, series: _Series, forward: float, now: datetime, second: int) -> np.ndarray:
        t = pricing.year_fraction(now, series.settles)
        df = np.exp(-pricing.RATE * t)
        column = series.column
        moved = np.log(self._path.levels[second, column] / self._path.levels[0, column])
        level = self._path.vols[column] * np.exp(LEVERAGE * moved)
        atm = level * (1 + SHORT_END * np.exp(-t / WEEK))
        x = np.log(series.strikes / forward) / (atm * np.sqrt(max(t, NEAREST_T)))
        x = np.clip(x, -WING, WING)
        vol = np.tile(atm * (1 + SKEW * x + CURVE * x * x), 2)
        strikes = np.tile(series.strikes, 2)
        return pricing.price(forward, strikes, t, df, vol, self._is_call[series.block])

    def _future_quotes(
        self, now: datetime, forwards: list[float], rng: np.random.Generator
    ) -> dict[str, Quote]:
        by_series = dict(zip(map(id, self._series), forwards, strict=True))
        lots = rng.integers(FEWEST_LOTS, MOST_LOTS, (len(self._futures), 2)).tolist()
        quotes = {}
        for (series, _), facts, shown in zip(self._futures, self._future_facts, lots, strict=True):
            symbol, tick, lot = facts
            ticks = by_series[id(series)] / float(tick)
            bid, ask = int(np.floor(ticks - 0.5)), int(np.ceil(ticks + 0.5))
            quotes[symbol] = Quote(
                bid * tick, ask * tick, round(ticks) * tick, shown[0] * lot, shown[1] * lot, now
            )
        return quotes


def _all_series(path: DayPath) -> Iterator[_Series]:
    at = 0
    for (underlying, expiry), (low, high) in path.listed.items():
        step = float(strike_step(underlying))
        numbers = range(low, high + 1)
        exchange = exchange_of(underlying)
        yield _Series(
            underlying=underlying,
            column=NAMES.index(underlying),
            expiry=expiry,
            settles=calendar.settlement_time(exchange, expiry),
            numbers=numbers,
            strikes=np.array(numbers) * step,
            block=slice(at, at + 2 * len(numbers)),
            monthly=kind_of(underlying, expiry) == "monthly",
        )
        at += 2 * len(numbers)


def _options(series: list[_Series]) -> list[Contract]:
    """The options in the order of the blocks: calls by strike, then puts by strike."""
    return [
        Contract(each.underlying, each.expiry, option_type, number * strike_step(each.underlying))
        for each in series
        for option_type in ("CE", "PE")
        for number in each.numbers
    ]


@cache
def _option_price(ticks: int) -> Decimal | None:
    """That many ticks of 0.05 in rupees; None for an empty side."""
    return Decimal(5 * ticks).scaleb(-2) if ticks > 0 else None
