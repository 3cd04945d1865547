"""The payoff of a few legs against one frame: at the first expiry, on a target date, and now.

Volatilities stay what they are now, each leg's own. An option's forward grows from the index at our
rate, a future moves with it point for point, and what the market charges besides stays in points:
so the curves pass through the market's own prices, and far from the strikes they are straight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from math import exp, log

import numpy as np

from market.catalogue.legs import Priced, Wanted, atm_vol, priced, spot_of
from market.kernel import calendar, near_expiry, payoff, pricing
from market.kernel.clock import ist_day
from market.kernel.contracts import Contract
from market.kernel.frame import Frame
from market.kernel.outlook import Band, Outlook
from market.kernel.payoff import PayoffLeg
from users.errors import Refused

POINTS = 121
AROUND = 0.03  # the chart reaches at least this far on each side of the spot
BEYOND = 0.15  # and this share of its width beyond the strikes, breakevens and two sigma
BREAKEVENS_WITHIN = 0.3  # of the spot: farther ones are listed, not charted


@dataclass(frozen=True, slots=True)
class Target:
    """A day between now and the first expiry, at its settlement time, with the curve there."""

    day: date
    at: datetime
    profit: tuple[float, ...]
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Payoff:
    """Money is float: this is a chart. `exact` is False when legs outlive the first expiry: then
    breakevens and bounds were searched for at spots from 0 to `searched_to`.

    `atm_vol` None: the at-the-money strike implies none, so there are no bands and no probability.
    """

    legs: tuple[Priced, ...]
    spot: float
    expiry: date
    exact: bool
    searched_to: float | None
    premium: float
    breakevens: tuple[float, ...]
    max_profit: float | None
    max_loss: float | None
    atm_vol: float | None
    probability_of_profit: float | None
    bands: tuple[Band, ...]
    target: Target | None
    spots: tuple[float, ...]
    at_expiry: tuple[float, ...]
    today: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Book:
    """The legs as arrays; `points` is what their forwards are off the spot's growth now and at the
    first expiry (a row each), between which it moves evenly in time."""

    legs: tuple[Priced, ...]
    spot: float
    values: list[PayoffLeg] = field(init=False)
    vols: np.ndarray = field(init=False)
    years: np.ndarray = field(init=False)
    future: np.ndarray = field(init=False)
    points: np.ndarray = field(init=False)
    first: Priced = field(init=False)

    def __post_init__(self) -> None:
        first = min(self.legs, key=lambda each: each.years)
        years = np.array([each.years for each in self.legs])
        future = np.array([not each.wanted.contract.is_option for each in self.legs])
        forward = self.spot * np.array([each.carry for each in self.legs])
        now = forward - self.spot * _growth(years, future)
        then = forward - self.spot * first.carry * _growth(years - first.years, future)
        arrays = {
            "values": [each.leg for each in self.legs],
            "vols": np.array([each.iv or 0.0 for each in self.legs]),
            "years": years,
            "future": future,
            "points": np.array([now, then]),
            "first": first,
        }
        for name, value in arrays.items():
            object.__setattr__(self, name, value)

    @property
    def exact(self) -> bool:
        return len({each.wanted.contract.expiry for each in self.legs}) == 1

    def profit(self, spots: np.ndarray, left: float) -> np.ndarray:
        """Profit at each spot with `left` years to go to the first expiry."""
        if self.exact and left == 0:
            return payoff.expiry_payoff(self.values, spots)
        t = self.years - self.first.years + left
        share = left / self.first.years if self.first.years else 0.0
        now, then = self.points
        shift = then + (now - then) * share
        basis = _growth(t, self.future)
        return payoff.curve(self.values, spots, t, self.vols, basis=basis, shift=shift)

    def at_expiry(self, spots: np.ndarray) -> np.ndarray:
        return self.profit(spots, 0.0)


def payoff_of(frame: Frame, wanted: Sequence[Wanted], target: date | None = None) -> Payoff:
    """The legs of one underlying; Refused names the leg that the frame cannot price.

    `target` is a trading day from today to the first expiry; without one the day halfway.
    """
    spot = spot_of(frame, wanted)
    book = _Book(tuple(priced(frame, wanted, spot)), spot)
    first = book.first
    expiry = first.wanted.contract.expiry
    forward = spot * first.carry
    vol = atm_vol(frame, first.wanted.contract.underlying, expiry)
    outlook = Outlook(forward, vol, first.years) if vol and first.years else None
    summary = payoff.summary(book.values)
    found = None if book.exact else _searched(book, spot)
    ends = found or summary
    bands = outlook.bands() if outlook else ()
    spots = _range(spot, book.values, ends.breakevens, bands)
    return Payoff(
        legs=book.legs,
        spot=spot,
        expiry=expiry,
        exact=book.exact,
        searched_to=found.high if found else None,
        premium=summary.premium,
        breakevens=ends.breakevens,
        max_profit=ends.max_profit,
        max_loss=ends.max_loss,
        atm_vol=vol,
        probability_of_profit=(
            outlook.probability_of_profit(book.at_expiry, ends.breakevens) if outlook else None
        ),
        bands=bands,
        target=_target(frame, book, spots, target, spot=spot, vol=vol),
        spots=tuple(spots.tolist()),
        at_expiry=tuple(book.at_expiry(spots).tolist()),
        today=tuple(book.profit(spots, first.years).tolist()),
    )


def _growth(years: np.ndarray, future: np.ndarray) -> np.ndarray:
    """What an option's forward grows by over these years; a future's is one for one."""
    return np.where(future, 1.0, np.exp(pricing.RATE * years))


def _searched(book: _Book, spot: float) -> near_expiry.Bounds:
    strikes = {leg.strike for leg in book.values if leg.strike is not None}
    slope = sum(leg.units for leg in book.values if leg.option_type != "PE")
    return near_expiry.search(book.at_expiry, sorted({spot, *strikes}), slope=slope)


def _target(
    frame: Frame,
    book: _Book,
    spots: np.ndarray,
    day: date | None,
    *,
    spot: float,
    vol: float | None,
) -> Target | None:
    contract = book.first.wanted.contract
    chosen = _halfway(frame, contract) if day is None else _trading_day(frame, contract, day)
    if chosen is None:
        return None
    at = calendar.settlement_time(contract.exchange, chosen)
    passed = pricing.year_fraction(frame.now, at)
    left = max(book.first.years - passed, 0.0)
    growth = log(book.first.carry) / book.first.years if book.first.years else 0.0
    bands = Outlook(spot * exp(growth * passed), vol, passed).bands() if vol and passed else ()
    return Target(chosen, at, tuple(book.profit(spots, left).tolist()), bands)


def _halfway(frame: Frame, contract: Contract) -> date | None:
    """The trading day halfway to the expiry, on its eve today; None on its day and on that evening."""
    exchange, day = contract.exchange, ist_day(frame.now)
    for _ in range(calendar.trading_days_between(exchange, day, contract.expiry) // 2):
        day = calendar.next_trading_day(exchange, day)
    ahead = day < contract.expiry and frame.now < calendar.settlement_time(exchange, day)
    return day if ahead else None


def _trading_day(frame: Frame, contract: Contract, day: date) -> date:
    today = ist_day(frame.now)
    inside = today <= day <= contract.expiry
    if inside and calendar.can_expire(contract.exchange, day):
        return day
    raise Refused(
        "bad_target",
        f"{day} is not a trading day from {today} to the first expiry, {contract.expiry}.",
        fix="Choose a trading day up to the first expiry, or leave the target out.",
        field="target_date",
    )


def _range(
    spot: float, legs: Sequence[PayoffLeg], breakevens: Sequence[float], bands: Sequence[Band]
) -> np.ndarray:
    """Evenly spaced spots around everything worth seeing, and every strike and near breakeven."""
    strikes = [leg.strike for leg in legs if leg.strike is not None]
    near = [even for even in breakevens if abs(even - spot) < BREAKEVENS_WITHIN * spot]
    sides = [side for band in bands for side in (band.low, band.high)]
    marks = [spot * (1 - AROUND), spot * (1 + AROUND), *strikes, *near, *sides]
    room = BEYOND * (max(marks) - min(marks))
    grid = np.linspace(max(min(marks) - room, 1.0), max(marks) + room, POINTS).round(2)
    return np.unique(np.concatenate([grid, strikes, np.round([spot, *near], 2)]))
