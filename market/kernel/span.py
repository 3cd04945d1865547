"""The scan of a portfolio: 16 scenarios, the calendar charge and what a spread's width can cost.

Arrays in, rupees out; `margin` adds exposure and the day of expiry. The parameters are dated facts
(`margin_rates`); the formulas are in docs/algorithms/margin.md.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from functools import lru_cache

import numpy as np

from market.facts import tables
from market.facts.values import Facts
from market.kernel import pricing
from market.kernel.calendar import OutsideCoverage

NINE_MONTHS = 0.75
LOWEST_VOL = 0.01
LOOK_AHEAD = 1 / 365


@dataclass(frozen=True, slots=True)
class Rates:
    """The parameters of one day; `expiry_apart` 1: what expires today gets no offset from later."""

    price_scan: Decimal
    price_scan_long: Decimal
    vol_scan: Decimal
    vol_scan_floor: Decimal
    extreme_move: Decimal
    extreme_cover: Decimal
    calendar_charge: Decimal
    exposure: Decimal
    deep_otm: Decimal
    deep_otm_from: Decimal
    expiry_day: Decimal
    expiry_apart: Decimal

    def scenarios(self) -> np.ndarray:
        """(price move in scan ranges, vol move in scan ranges, share of the loss counted) x 16."""
        regular = [(0.0, v, 1.0) for v in (1, -1)] + [
            (sign * thirds / 3, v, 1.0) for thirds in (1, 2, 3) for sign in (1, -1) for v in (1, -1)
        ]
        move, cover = float(self.extreme_move), float(self.extreme_cover)
        return np.array([*regular, (move, 0, cover), (-move, 0, cover)])


@dataclass(frozen=True, slots=True)
class Book:
    """The legs of one underlying as arrays, one entry a leg; prices and strikes in rupees."""

    units: np.ndarray
    future: np.ndarray
    call: np.ndarray
    strike: np.ndarray
    price: np.ndarray
    vol: np.ndarray
    forward: np.ndarray
    years: np.ndarray

    def only(self, chosen: np.ndarray) -> Book:
        return Book(*(getattr(self, each.name)[chosen] for each in fields(self)))


def rates_on(day: date, *, facts: Facts | None = None) -> Rates:
    """The parameters in force; OutsideCoverage names the one that the facts lack on that day."""
    return _rates_on(day, facts or tables.in_force())


@lru_cache(maxsize=64)
def _rates_on(day: date, facts: Facts) -> Rates:
    in_force = {row.component: row.rate for row in facts.margin_rates if row.first <= day <= row.last}
    missing = [each.name for each in fields(Rates) if each.name not in in_force]
    if missing:
        raise OutsideCoverage(f"No margin parameter {missing[0]} on {day}.")
    return Rates(**{each.name: in_force[each.name] for each in fields(Rates)})


def span(book: Book, rates: Rates) -> float:
    """Scan and calendar charge less the net option value; never below the defined risk, nor 0."""
    scan = max(0.0, float(_scenario_losses(book, rates).max())) + _calendar_charge(book, rates)
    net_option_value = float((book.units * book.price)[~book.future].sum())
    return max(0.0, scan - net_option_value, _defined_risk(book, rates))


def _scenario_losses(book: Book, rates: Rates) -> np.ndarray:
    """What each scenario would cost, one day on: futures by their move, options revalued."""
    moves, vol_moves, cover = (column[:, None] for column in rates.scenarios().T)
    scan = _price_scan(book, rates)
    shock = np.maximum(float(rates.vol_scan) * book.vol, float(rates.vol_scan_floor))
    years = np.maximum(book.years - LOOK_AHEAD, 0.0)
    values = pricing.price(
        book.forward * (1 + moves * scan),
        book.strike,
        years,
        np.exp(-pricing.RATE * years),
        np.maximum(book.vol + vol_moves * shock, LOWEST_VOL),
        book.call,
    )
    change = np.where(book.future, book.forward * moves * scan, values - book.price)
    return -cover[:, 0] * (change @ book.units)


def _defined_risk(book: Book, rates: Rates) -> float:
    """The worst settlement value within the price scan range: what a spread's width can cost.

    Taken at both ends of the range and at every strike inside it, all expiries moving together.
    """
    scan = float(_price_scan(book, rates).max())
    strikes = (book.strike / book.forward - 1)[~book.future]
    moves = np.concatenate(([-scan, 0.0, scan], strikes[np.abs(strikes) < scan]))
    settled = book.forward * (1 + moves[:, None])
    sign = np.where(book.call, 1.0, -1.0)
    worth = np.where(
        book.future, settled - book.forward, np.maximum(sign * (settled - book.strike), 0.0)
    )
    return -float((worth @ book.units).min())


def _calendar_charge(book: Book, rates: Rates) -> float:
    """The charge on the far contract of every unit of delta that offsets another expiry's."""
    dates = np.unique(book.years)
    if dates.size < 2:
        return 0.0
    delta = book.units * np.where(book.future, 1.0, _deltas(book))
    open_nets: list[float] = []
    charge = 0.0
    for years in dates:
        of_date = book.years == years
        net = float(delta[of_date].sum())
        far = float(book.forward[of_date][0])
        for i, nearer in enumerate(open_nets):
            if nearer * net < 0:
                matched = min(abs(nearer), abs(net))
                charge += float(rates.calendar_charge) * far * matched
                open_nets[i] -= np.copysign(matched, nearer)
                net -= np.copysign(matched, net)
        open_nets.append(net)
    return charge


def _deltas(book: Book) -> np.ndarray:
    df = np.exp(-pricing.RATE * book.years)
    found = pricing.greeks(book.forward, book.strike, book.years, df, book.vol, book.call)
    return np.asarray(found["delta"])


def _price_scan(book: Book, rates: Rates) -> np.ndarray:
    long_dated = book.years > NINE_MONTHS
    return np.where(long_dated, float(rates.price_scan_long), float(rates.price_scan))
