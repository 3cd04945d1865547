"""The payoff of a few legs against one frame: at the first expiry, and as the market stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np

from market.catalogue import chain
from market.kernel import payoff, pricing
from market.kernel.contracts import Contract
from market.kernel.frame import Frame
from market.kernel.payoff import PayoffLeg
from users.errors import Refused

POINTS = 121
AROUND = 0.08  # the chart reaches this far on each side of the spot, and beyond every strike


@dataclass(frozen=True, slots=True)
class Wanted:
    """A leg as asked for: units above 0, side +1 or -1, its price or None for the market's middle."""

    contract: Contract
    side: int
    quantity: int
    price: float | None


@dataclass(frozen=True, slots=True)
class Priced:
    """A leg with what it was valued at."""

    wanted: Wanted
    leg: PayoffLeg
    iv: float | None
    years: float
    carry: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Payoff:
    """Money is float: this is a chart. `exact` is False when legs outlive the first expiry:
    then bounds and breakevens are read off the charted range, and None means not known."""

    legs: tuple[Priced, ...]
    spot: float
    exact: bool
    premium: float
    breakevens: tuple[float, ...]
    max_profit: float | None
    max_loss: float | None
    spots: tuple[float, ...]
    at_expiry: tuple[float, ...]
    today: tuple[float, ...]


def payoff_of(frame: Frame, wanted: Sequence[Wanted]) -> Payoff:
    """The legs of one underlying; Refused names the leg that the frame cannot price."""
    spot = _spot(frame, wanted)
    legs = _priced(frame, wanted, spot)
    values = [each.leg for each in legs]
    spots = _range(spot, legs)
    vols = np.array([each.iv or 0.0 for each in legs])
    t = np.array([each.years for each in legs])
    carry = np.array([each.carry for each in legs])
    today = payoff.curve(values, spots, t, vols, basis=carry)
    summary = payoff.summary(values)
    exact = len({each.wanted.contract.expiry for each in legs}) == 1
    if exact:
        ends = payoff.expiry_payoff(values, spots)
        breakevens, best, worst = summary.breakevens, summary.max_profit, summary.max_loss
    else:
        left = t - t.min()
        ends = payoff.curve(values, spots, left, vols, basis=np.exp(pricing.RATE * left))
        breakevens, best, worst = _crossings(spots, ends), None, None
    return Payoff(
        legs=tuple(legs),
        spot=spot,
        exact=exact,
        premium=summary.premium,
        breakevens=breakevens,
        max_profit=best,
        max_loss=worst,
        spots=tuple(spots.tolist()),
        at_expiry=tuple(ends.tolist()),
        today=tuple(today.tolist()),
    )


def _spot(frame: Frame, wanted: Sequence[Wanted]) -> float:
    """The index while it lives, else the first expiry's forward discounted to now."""
    underlying = wanted[0].contract.underlying
    if underlying in frame.spots:
        return float(frame.spots[underlying])
    for name, expiry in sorted(frame.forwards):
        if name == underlying:
            t = chain.years(frame.now, underlying, expiry)
            return float(frame.forwards[name, expiry]) * exp(-pricing.RATE * t)
    raise Refused(
        "no_forward",
        f"The market has neither an index nor a forward of {underlying} now.",
        fix="Choose an underlying that the running timeline plays.",
        field="underlying",
    )


def _priced(frame: Frame, wanted: Sequence[Wanted], spot: float) -> list[Priced]:
    prices = [_price(frame, each, index) for index, each in enumerate(wanted)]
    marks = [_mark(frame, each, price) for each, price in zip(wanted, prices, strict=True)]
    options = [index for index, each in enumerate(wanted) if each.contract.is_option]
    vols: dict[int, float] = {}
    if options:
        found, flags, _ = chain.implied(
            frame, [wanted[i].contract for i in options], [marks[i] for i in options]
        )
        usable = np.isin(flags, chain.VALUED)
        vols = {i: float(found[n]) for n, i in enumerate(options) if usable[n]}
    legs = []
    for index, (each, price) in enumerate(zip(wanted, prices, strict=True)):
        contract = each.contract
        t = chain.years(frame.now, contract.underlying, contract.expiry)
        forward = frame.forwards.get((contract.underlying, contract.expiry))
        carry = float(forward) / spot if forward is not None else exp(pricing.RATE * t)
        strike = None if contract.strike is None else float(contract.strike)
        leg = PayoffLeg(each.side, each.quantity, contract.option_type, strike, price)  # type: ignore[arg-type]  # 1 or -1: a leg of the kernel
        legs.append(Priced(each, leg, vols.get(index), t, carry))
    return legs


def _price(frame: Frame, wanted: Wanted, index: int) -> float:
    if wanted.price is not None:
        return wanted.price
    quote = frame.quotes.get(wanted.contract.symbol)
    if quote is None:
        raise Refused(
            "no_quote",
            f"{wanted.contract.symbol} has no quote now.",
            fix="Choose a listed strike and expiry, or give the leg's price.",
            field=f"legs/{index}/price",
        )
    return float(quote.mid)


def _mark(frame: Frame, wanted: Wanted, price: float) -> float:
    """What the market says it is worth; the given price where it is not quoted."""
    quote = frame.quotes.get(wanted.contract.symbol)
    return price if quote is None else float(quote.mid)


def _range(spot: float, legs: Sequence[Priced]) -> np.ndarray:
    strikes = [each.leg.strike for each in legs if each.leg.strike is not None]
    low = min([spot, *strikes]) - AROUND / 2 * spot
    high = max([spot, *strikes]) + AROUND / 2 * spot
    grid = np.linspace(min(low, spot * (1 - AROUND)), max(high, spot * (1 + AROUND)), POINTS)
    return np.unique(np.concatenate([np.maximum(grid, 1.0).round(2), strikes]))


def _crossings(spots: np.ndarray, profits: np.ndarray) -> tuple[float, ...]:
    """Where the charted profit crosses 0, by straight lines between points."""
    signs = np.sign(profits)
    at = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    share = profits[at] / (profits[at] - profits[at + 1])
    crossed = spots[at] + share * (spots[at + 1] - spots[at])
    return tuple(sorted({*crossed.tolist(), *spots[signs == 0].tolist()}))
