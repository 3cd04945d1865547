"""Simulated days: a seeded market of the five indices that quotes at any second of its sessions.

Spot paths come from paths.py, prices from the arbitrage-free surface of surface.py on forward =
spot x exp(rate x t), depth, open interest and volume from activity.py. Bid and ask are rounded
outward to ticks around the price, so quotes never cross, and put-call parity, the order and the
convexity of strikes hold within them. The same seed, first day and instant give the same frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, cached_property
from itertools import repeat

import numpy as np

from market.kernel import calendar, pricing
from market.kernel.clock import IST, ist_day
from market.kernel.contracts import Contract, exchange_of, strike_step
from market.kernel.frame import Frame, Quote
from market.kernel.money import rupees
from market.kernel.spot import spot_lives
from market.sources import surface
from market.sources.activity import Activity, activity, keys
from market.sources.paths import INDICES, NAMES, OVERNIGHT, SEED_RANGE, Chain, DayPath, playable
from market.sources.series import Series, all_series, options

HALF_SPREAD = 0.0015
LEAST_HALF_SPREAD = 0.03
FUTURES_BUSIER = 4  # times the busiest strike's open interest
AVERAGED = timedelta(minutes=30)  # the settlement value's window where it is an average
DAYS_A_YEAR = 252
VIX_OF, VIX_YEARS = "NIFTY", 21 / DAYS_A_YEAR  # 30 calendar days in trading time
IN_SESSION = 1 / (1 + OVERNIGHT**2)  # of a day's variance
TICKS = 20  # of an option, a rupee
SPREAD = (
    f"bid and ask are modelled: half-spread {HALF_SPREAD:.2%} of the price, at least "
    f"{LEAST_HALF_SPREAD:.2f} rupees, rounded outward to ticks; no bid where it would be below one tick"
)


class NotSimulated(ValueError):
    """An index that this market does not have."""


class World:
    """A simulated timeline's market, from its first day to the end of the calendar.

    With fewer underlyings those alone are quoted, each exactly as in the whole market.
    """

    def __init__(self, seed: int, first_day: date, *, underlyings: Set[str] | None = None) -> None:
        unknown = set(underlyings or ()) - set(NAMES)
        if unknown:
            raise NotSimulated(
                f"{', '.join(sorted(unknown))} is not simulated; use {', '.join(NAMES)}."
            )
        self._chain = Chain(seed, first_day)
        self._underlyings = frozenset(NAMES if underlyings is None else underlyings)
        self._days: dict[date, Day] = {}

    def day(self, day: date) -> Day:
        """That day; LookupError when this world does not play it."""
        if day not in self._days:
            self._days = {day: Day(self._chain.path(day), self._chain.seed, self._underlyings)}
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

    def __init__(self, path: DayPath, seed: int, underlyings: Set[str] = frozenset(NAMES)) -> None:
        self._path = path
        self._columns = [column for column, name in enumerate(NAMES) if name in underlyings]
        self._series = list(all_series(path, underlyings))
        self.contracts = options(self._series)
        self._futures = [
            (at, Contract(each.underlying, each.expiry, "FUT"))
            for at, each in enumerate(self._series) if each.monthly
        ]  # fmt: skip
        self._future_ticks = [each.tick_size for _, each in self._futures]
        everything = [*self.contracts, *(each for _, each in self._futures)]
        self._symbols = [each.symbol for each in everything]
        self._lots = np.array([each.lot_size for each in everything])
        self._strikes = np.array([float(each.strike or 0) for each in self.contracts])
        self._is_call = np.array([each.is_call for each in self.contracts])
        sizes = [2 * len(each.numbers) for each in self._series]
        self._of_series = np.repeat(np.arange(len(sizes)), sizes)
        self._activity = self._busy(everything, seed % SEED_RANGE)

    @property
    def session(self) -> calendar.Session:
        return self._path.session

    def frame_at(self, now: datetime, *, timeline: str, n: int, cadence: float) -> Frame:
        """Every quote at that instant; ValueError outside the session."""
        now = now.astimezone(IST)  # so that a frame's bytes do not depend on who asks
        second = self._path.second(now)
        forwards = [self._forward(each, now, second) for each in self._series]
        quotes = self._quotes(now, second, np.array(forwards))
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
            vix=self._vix(second),
            gaps=self._gaps,
        )

    def settlement_value(self, underlying: str) -> Decimal:
        """The official settlement value that this day's path gives the index."""
        exchange = exchange_of(underlying)
        settles = calendar.settlement_time(exchange, self._path.day)
        column = NAMES.index(underlying)
        return rupees(self._settled(column, settles, self._path.second(settles)))

    def _vix(self, second: int) -> Decimal | None:
        """At-the-money volatility of NIFTY over 30 days, in per cent a year."""
        column = NAMES.index(VIX_OF)
        if column not in self._columns:
            return None
        level = float(self._levels_of_vol([column], second)[0])
        return rupees(100 * (float(surface.theta(level, VIX_YEARS)) / VIX_YEARS) ** 0.5)

    @cached_property
    def _gaps(self) -> dict[str, Decimal]:
        """The opening gap by index; none on a world's first day."""
        if self._path.before is None:
            return {}
        moved = 100 * (self._path.levels[0] / self._path.before - 1)
        return {NAMES[column]: rupees(float(moved[column])) for column in self._columns}

    def _spots(self, now: datetime, second: int) -> dict[str, Decimal]:
        levels = self._path.levels[second].tolist()
        return {
            NAMES[column]: rupees(round(levels[column], 2))
            for column in self._columns
            if spot_lives(exchange_of(NAMES[column]), now)
        }

    def _forward(self, series: Series, now: datetime, second: int) -> float:
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

    def _quotes(self, now: datetime, second: int, forwards: np.ndarray) -> dict[str, Quote]:
        if not self._series:  # the facts end before the next expiry
            return {}
        sides = [*zip(*self._option_sides(now, second, forwards), strict=True)]
        sides += [
            self._future_sides(float(forwards[at]), tick)
            for (at, _), tick in zip(self._futures, self._future_ticks, strict=True)
        ]
        bids, asks, last = zip(*sides, strict=True)
        quoted = np.array([bid is not None for bid in bids])
        depth = self._activity.depth(self._path.day.toordinal() * 86400 + second)
        share = float(self._path.done[second])
        lots = (
            depth[0] * quoted,
            depth[1],
            self._activity.open_interest(share),
            self._activity.volume(share),
        )
        shown, offered, interest, volume = ((each * self._lots).tolist() for each in lots)
        rows = zip(bids, asks, last, shown, offered, repeat(now), interest, volume)
        return dict(zip(self._symbols, map(Quote._make, rows), strict=True))

    def _option_sides(
        self, now: datetime, second: int, forwards: np.ndarray
    ) -> tuple[Iterator[Decimal | None], ...]:
        price = self._prices(now, second, forwards)
        half = np.maximum(LEAST_HALF_SPREAD, HALF_SPREAD * price)
        bids = np.floor((price - half) * TICKS + 1e-9).astype(int)
        asks = np.maximum(np.ceil((price + half) * TICKS - 1e-9).astype(int), 1)
        last = np.clip(np.rint(price * TICKS).astype(int), np.maximum(bids, 1), asks)
        return tuple(map(_option_price, ticks.tolist()) for ticks in (bids, asks, last))

    def _prices(self, now: datetime, second: int, forwards: np.ndarray) -> np.ndarray:
        columns = [each.column for each in self._series]
        level = self._levels_of_vol(columns, second)
        years = [pricing.year_fraction(now, each.settles) for each in self._series]
        df = np.exp(-pricing.RATE * np.array(years))
        atm = surface.theta(level, self.variance_days(second) / DAYS_A_YEAR)
        at = self._of_series
        value: np.ndarray = surface.prices(
            forwards[at], self._strikes, atm[at], df[at], self._is_call
        )
        return value

    def _levels_of_vol(self, columns: list[int], second: int) -> np.ndarray:
        """Volatility a year of these indices: it rises as they fall through the day."""
        moved = np.log(self._path.levels[second, columns] / self._path.levels[0, columns])
        level: np.ndarray = self._path.vols[columns] * np.exp(surface.LEVERAGE * moved)
        return level

    def variance_days(self, second: int) -> np.ndarray:
        """By series, the days' variance that is still to come: sessions and nights until it settles."""
        done = self._path.done
        until = np.array([each.nights for each in self._series])
        last = np.array([done[min(each.last_second, len(done) - 1)] for each in self._series])
        in_sessions: np.ndarray = until + last - done[second]
        return np.maximum(in_sessions, 0.0) * IN_SESSION + until * (1 - IN_SESSION)

    @staticmethod
    def _future_sides(forward: float, tick: Decimal) -> tuple[Decimal, Decimal, Decimal]:
        ticks = forward / float(tick)
        return (
            int(np.floor(ticks - 0.5)) * tick,
            int(np.ceil(ticks + 0.5)) * tick,
            round(ticks) * tick,
        )

    def _busy(self, contracts: list[Contract], seed: int) -> Activity:
        columns = np.array([NAMES.index(each.underlying) for each in contracts], dtype=int)
        steps = np.array([float(strike_step(each.underlying)) for each in contracts])
        money = np.rint(self._path.levels[0, columns] / steps).astype(int)
        strikes = np.array([float(each.strike or 0) for each in contracts])
        is_option = np.array([each.is_option for each in contracts], dtype=bool)
        numbers = np.where(is_option, np.rint(strikes / steps).astype(int), money)
        is_call = np.array([each.is_call for each in contracts], dtype=bool)
        expiries = np.array([each.expiry.toordinal() for each in contracts], dtype=int)
        busiest = np.array([INDICES[each.underlying].interest for each in contracts])
        return activity(
            keys(seed, columns, expiries, np.where(is_option, numbers, 0), is_call),
            np.where(is_option, numbers, 1),
            numbers - money,
            is_call,
            np.where(is_option, 1, FUTURES_BUSIER) * busiest,
            expiries - self._path.day.toordinal(),
        )


@cache
def _option_price(ticks: int) -> Decimal | None:
    """That many ticks of 0.05 in rupees; None for an empty side."""
    return Decimal(5 * ticks).scaleb(-2) if ticks > 0 else None
