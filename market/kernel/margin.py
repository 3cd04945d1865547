"""A SPAN-like margin from the exchange's public parameters: an estimate, not the exchange's file.

`requirement` is for the whole portfolio of one account in one underlying. The formulas, and how
far they are from brokers' figures, are in docs/algorithms/margin.md.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from typing import TypeVar

import numpy as np

from market.kernel import calendar, pricing
from market.kernel.clock import ist_day
from market.kernel.contracts import Contract
from market.kernel.money import PAISA, ZERO, rupees

PRICE_SCAN = 0.093
PRICE_SCAN_LONG = 0.177  # contracts with more than nine months left
NINE_MONTHS = 0.75
VOL_SCAN = 0.25
VOL_SCAN_FLOOR = 0.04
LOWEST_VOL = 0.01
LOOK_AHEAD = 1 / 365
EXTREME_MOVE = 2.0
EXTREME_COVER = 0.35
CALENDAR_CHARGE = 0.0175
EXPOSURE = Decimal("0.02")
EXPIRY_DAY = Decimal("0.02")

# The 16 scenarios: price move in scan ranges, vol move in scan ranges, share of the loss counted.
_REGULAR = [(0.0, v, 1.0) for v in (1, -1)] + [
    (sign * thirds / 3, v, 1.0) for thirds in (1, 2, 3) for sign in (1, -1) for v in (1, -1)
]
SCENARIOS = np.array(
    [*_REGULAR, (EXTREME_MOVE, 0, EXTREME_COVER), (-EXTREME_MOVE, 0, EXTREME_COVER)]
)

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class MarginLeg:
    """A position in one contract: signed units, its price, vol, and the forward of its expiry."""

    contract: Contract
    quantity: int
    price: float
    vol: float
    forward: float
    expires_today: bool = False


@dataclass(frozen=True, slots=True)
class Margin:
    """Blocked money in rupees. `span` includes the calendar spread charge."""

    span: Decimal = ZERO
    exposure: Decimal = ZERO
    expiry_day: Decimal = ZERO
    total: Decimal = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", self.span + self.exposure + self.expiry_day)


@dataclass(frozen=True, slots=True)
class _Book:
    """The legs as arrays, one entry a leg."""

    units: np.ndarray
    future: np.ndarray
    call: np.ndarray
    strike: np.ndarray
    price: np.ndarray
    vol: np.ndarray
    forward: np.ndarray
    years: np.ndarray

    def only(self, chosen: np.ndarray) -> "_Book":
        return _Book(*(getattr(self, name)[chosen] for name in _Book.__slots__))


def requirement(legs: Sequence[MarginLeg], spot: float, now: datetime) -> Margin:
    """The margin of these legs together: SPAN, exposure, and the expiry-day addition.

    Legs of one underlying; bought premium is paid in cash and is no part of it. Legs that expire
    today get no offset from later ones.
    """
    held = [leg for leg in legs if leg.quantity]
    if not held:
        return Margin()
    _require_priced(held, spot)
    book = _book(held, now)
    today = np.array([_expires_today(leg, now) for leg in held])
    span = sum(_span(book.only(group)) for group in (today, ~today) if group.any())
    short = [leg for leg in held if leg.contract.is_option and leg.quantity < 0]
    exposed = sum(
        abs(leg.quantity) for leg in held if not leg.contract.is_option or leg.quantity < 0
    )
    expiring = -sum(leg.quantity for leg in short if _expires_today(leg, now))
    index = Decimal(str(spot))
    return Margin(
        span=rupees(float(span)),
        exposure=rupees(EXPOSURE * index * exposed),
        expiry_day=rupees(EXPIRY_DAY * index * expiring),
    )


def attributed(total: Decimal, stand_alone: Mapping[Key, Decimal]) -> dict[Key, Decimal]:
    """The portfolio's margin split in proportion to each stand-alone margin, exact to the paisa.

    Left-over paise go to the largest remainders, the earlier key first among equals; a total with
    nothing to scale by is split evenly.
    """
    if not stand_alone:
        if total:
            raise ValueError(f"{total} cannot be attributed to nobody.")
        return {}
    whole = sum(stand_alone.values(), ZERO)
    weights = stand_alone if whole else dict.fromkeys(stand_alone, Decimal(1))
    base = whole or Decimal(len(stand_alone))
    exact = {key: rupees(total) * weight / base for key, weight in weights.items()}
    shares = {key: value.quantize(PAISA, rounding=ROUND_FLOOR) for key, value in exact.items()}
    spare = int((rupees(total) - sum(shares.values(), ZERO)) / PAISA)
    for key in sorted(exact, key=lambda key: shares[key] - exact[key])[:spare]:
        shares[key] += PAISA
    return shares


def _span(book: _Book) -> float:
    scan = max(0.0, float(_scenario_losses(book).max())) + _calendar_charge(book)
    net_option_value = float((book.units * book.price)[~book.future].sum())
    return max(scan - net_option_value, _defined_risk(book), 0.0)


def _scenario_losses(book: _Book) -> np.ndarray:
    """What each scenario would cost, one day on: futures by their move, options revalued."""
    moves, vol_moves, cover = (column[:, None] for column in SCENARIOS.T)
    scan = _price_scan(book)
    shock = np.maximum(VOL_SCAN * book.vol, VOL_SCAN_FLOOR)
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


def _defined_risk(book: _Book) -> float:
    """The worst settlement value within the price scan range: what a spread's width can cost.

    Taken at both ends of the range and at every strike inside it, all expiries moving together.
    """
    scan = float(_price_scan(book).max())
    strikes = (book.strike / book.forward - 1)[~book.future]
    moves = np.concatenate(([-scan, 0.0, scan], strikes[np.abs(strikes) < scan]))
    settled = book.forward * (1 + moves[:, None])
    sign = np.where(book.call, 1.0, -1.0)
    worth = np.where(
        book.future, settled - book.forward, np.maximum(sign * (settled - book.strike), 0.0)
    )
    return -float((worth @ book.units).min())


def _calendar_charge(book: _Book) -> float:
    """1.75% of the far contract on every unit of delta that offsets another expiry's."""
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
                charge += CALENDAR_CHARGE * far * matched
                open_nets[i] -= np.copysign(matched, nearer)
                net -= np.copysign(matched, net)
        open_nets.append(net)
    return charge


def _deltas(book: _Book) -> np.ndarray:
    df = np.exp(-pricing.RATE * book.years)
    found = pricing.greeks(book.forward, book.strike, book.years, df, book.vol, book.call)
    return np.asarray(found["delta"])


def _price_scan(book: _Book) -> np.ndarray:
    return np.where(book.years > NINE_MONTHS, PRICE_SCAN_LONG, PRICE_SCAN)


def _book(legs: Sequence[MarginLeg], now: datetime) -> _Book:
    def column(values: list[float]) -> np.ndarray:
        return np.array(values, dtype=float)

    contracts = [leg.contract for leg in legs]
    return _Book(
        units=column([leg.quantity for leg in legs]),
        future=np.array([not contract.is_option for contract in contracts]),
        call=np.array([contract.is_call for contract in contracts]),
        strike=column([float(contract.strike or 1) for contract in contracts]),
        price=column([leg.price for leg in legs]),
        vol=column([leg.vol for leg in legs]),
        forward=column([leg.forward for leg in legs]),
        years=column([_years(contract, now) for contract in contracts]),
    )


def _expires_today(leg: MarginLeg, now: datetime) -> bool:
    return leg.expires_today or leg.contract.expiry == ist_day(now)


def _years(contract: Contract, now: datetime) -> float:
    settled = calendar.settlement_time(contract.exchange, contract.expiry)
    return pricing.year_fraction(now, settled)


def _require_priced(legs: Sequence[MarginLeg], spot: float) -> None:
    if len({leg.contract.underlying for leg in legs}) > 1:
        raise ValueError("legs must be of one underlying; ask once for each.")
    if not (np.isfinite(spot) and spot > 0):
        raise ValueError(f"spot must be above 0, not {spot}.")
    for leg in legs:
        numbers = [leg.price, leg.forward] + ([leg.vol] if leg.contract.is_option else [])
        if not all(np.isfinite(number) and number >= 0 for number in numbers) or leg.forward == 0:
            raise ValueError(
                f"{leg.contract.symbol}: price, vol and forward must be known numbers."
            )
