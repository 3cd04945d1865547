"""What a strategy is worth: exactly at expiry (piecewise linear), and before it by Black-76.

Money here is float: these are charts and summaries, not the ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from market.kernel import pricing


@dataclass(frozen=True, slots=True)
class PayoffLeg:
    """One leg: side +1 bought or -1 sold, quantity in units, price paid or received per unit."""

    side: Literal[1, -1]
    quantity: int
    option_type: Literal["CE", "PE", "FUT"]
    strike: float | None
    price: float

    @property
    def units(self) -> int:
        return self.side * self.quantity


@dataclass(frozen=True, slots=True)
class PayoffSummary:
    """The expiry payoff in words: every figure is profit (negative: a loss) for spots of 0 or more.

    `max_profit` is the highest profit, None when it has no upper bound; `max_loss` is the lowest
    profit (a negative number where money can be lost), None when losses have no bound.
    `kinks` are the strikes, ascending. `premium` is received (above 0) or paid for the options.
    """

    kinks: tuple[float, ...]
    breakevens: tuple[float, ...]
    max_profit: float | None
    max_loss: float | None
    premium: float


def expiry_payoff(legs: Sequence[PayoffLeg], spots: Any) -> np.ndarray:
    """Profit at expiry at each spot, all legs expiring together, before charges."""
    settled = np.asarray(spots, dtype=float)
    profit = np.zeros_like(settled)
    for leg in legs:
        profit += leg.units * (_value_at_expiry(leg, settled) - leg.price)
    return profit


def summary(legs: Sequence[PayoffLeg]) -> PayoffSummary:
    """Kinks, breakevens, and the best and worst profit at expiry."""
    strikes = tuple(sorted({float(leg.strike) for leg in legs if leg.strike is not None}))
    corners = np.array([0.0, *strikes])
    profits = expiry_payoff(legs, corners)
    slope = float(sum(leg.units for leg in legs if leg.option_type != "PE"))
    return PayoffSummary(
        kinks=strikes,
        breakevens=_breakevens(corners, profits, slope),
        max_profit=None if slope > 0 else float(profits.max()),
        max_loss=None if slope < 0 else float(profits.min()),
        premium=-float(sum(leg.units * leg.price for leg in legs if leg.option_type != "FUT")),
    )


def curve(  # noqa: PLR0913 - the last three are keywords with a usual value
    legs: Sequence[PayoffLeg],
    spots: Any,
    t: Any,
    vols: Any,
    *,
    rate: float = pricing.RATE,
    basis: Any = None,
    shift: Any = 0.0,
) -> np.ndarray:
    """Profit at each spot if it stood there now: `t` years and `vols` one number or one per leg.

    A leg's forward is spot x basis + shift points (one number or one per leg), never below 0; the
    default basis is exp(rate x t). A leg whose t is 0 is at expiry.
    """
    count = len(legs)
    settled = np.asarray(spots, dtype=float)
    years = np.broadcast_to(np.asarray(t, dtype=float), (count,))
    sigma = np.broadcast_to(np.asarray(vols, dtype=float), (count,))
    carry = np.exp(rate * years) if basis is None else np.broadcast_to(basis, (count,))
    strikes = np.array([leg.strike or 1.0 for leg in legs], dtype=float)
    calls = np.array([leg.option_type == "CE" for leg in legs])
    futures = np.array([leg.option_type == "FUT" for leg in legs])
    forwards = np.maximum(np.multiply.outer(settled, carry) + shift, 0.0)
    values = pricing.price(forwards, strikes, years, np.exp(-rate * years), sigma, calls)
    marks = np.where(futures, forwards, values) - np.array([leg.price for leg in legs])
    return marks @ np.array([leg.units for leg in legs], dtype=float)


def _value_at_expiry(leg: PayoffLeg, settled: np.ndarray) -> np.ndarray:
    if leg.strike is None:
        return settled
    sign = 1.0 if leg.option_type == "CE" else -1.0
    return np.maximum(sign * (settled - leg.strike), 0.0)


def _breakevens(corners: np.ndarray, profits: np.ndarray, slope: float) -> tuple[float, ...]:
    """Spots where the profit is exactly 0: at corners, within segments, and beyond the last one.

    On a stretch that is flat at 0 only its corners are named.
    """
    found = {float(x) for x, y in zip(corners, profits, strict=True) if y == 0}
    for i in np.flatnonzero(profits[:-1] * profits[1:] < 0):
        width, rise = corners[i + 1] - corners[i], profits[i + 1] - profits[i]
        found.add(float(corners[i] - profits[i] * width / rise))
    if slope * profits[-1] < 0:
        found.add(float(corners[-1] - profits[-1] / slope))
    return tuple(sorted(found))
