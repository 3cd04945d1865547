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

from market.kernel import calendar, pricing, span
from market.kernel.clock import ist_day
from market.kernel.contracts import Contract
from market.kernel.money import PAISA, ZERO, rupees
from market.kernel.span import Book, Rates

Key = TypeVar("Key", bound=Hashable)

ATTRIBUTION = "stand-alone scaled to the portfolio's"
"""The method of `attributed`, as it is named wherever a share is shown."""


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


def requirement(legs: Sequence[MarginLeg], spot: float, now: datetime) -> Margin:
    """The margin of these legs together: SPAN, exposure, and the expiry-day addition.

    Legs of one underlying, one leg a contract; bought premium is paid in cash and is no part of it.
    Since 10 February 2025 legs that expire today get no offset from later ones.
    """
    held = [leg for leg in legs if leg.quantity]
    if not held:
        return Margin()
    _require_priced(held, spot)
    rates = span.rates_on(ist_day(now))
    today = np.array([_expires_today(leg, now) for leg in held])
    short = [leg for leg in held if leg.contract.is_option and leg.quantity < 0]
    expiring = -sum(leg.quantity for leg in short if _expires_today(leg, now))
    index = Decimal(str(spot))
    return Margin(
        span=rupees(_span(_book(held, now), today, rates)),
        exposure=_exposure(held, index, rates),
        expiry_day=rupees(rates.expiry_day * index * expiring),
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


def _span(book: Book, today: np.ndarray, rates: Rates) -> float:
    if not rates.expiry_apart:
        return span.span(book, rates)
    return sum(span.span(book.only(group), rates) for group in (today, ~today) if group.any())


def _exposure(held: Sequence[MarginLeg], index: Decimal, rates: Rates) -> Decimal:
    """On every short option and every future, hedged or not; more on a short far from the money."""
    total = ZERO
    for leg in held:
        if leg.contract.is_option and leg.quantity > 0:
            continue
        deep = _out_of_the_money(leg.contract, index) > rates.deep_otm_from * index
        rate = rates.exposure + (rates.deep_otm if deep else ZERO)
        total += rate * index * abs(leg.quantity)
    return rupees(total)


def _out_of_the_money(contract: Contract, index: Decimal) -> Decimal:
    """Points from the index to the strike, above 0 when out of the money; 0 for a future."""
    if contract.strike is None:
        return ZERO
    gap = contract.strike - index
    return gap if contract.is_call else -gap


def _book(legs: Sequence[MarginLeg], now: datetime) -> Book:
    def column(values: list[float]) -> np.ndarray:
        return np.array(values, dtype=float)

    contracts = [leg.contract for leg in legs]
    return Book(
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
