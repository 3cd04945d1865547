"""The margin of contracts at the current frame, for limits and for what an order would need."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import numpy as np

from market.kernel import calendar, margin, pricing
from market.kernel.clock import ist_day
from market.kernel.contracts import Contract
from market.kernel.frame import Frame
from market.kernel.money import ZERO


class NoMargin(LookupError):
    """The frame lacks the price or forward of a contract, so its margin cannot be said."""


def requirement(holdings: Iterable[tuple[Contract, int]], frame: Frame) -> Decimal:
    """Rupees blocked for these signed units held together; underlyings do not offset each other."""
    by_underlying: dict[str, list[tuple[Contract, int]]] = {}
    for contract, quantity in holdings:
        if quantity:
            by_underlying.setdefault(contract.underlying, []).append((contract, quantity))
    return sum((_of_one(name, held, frame) for name, held in by_underlying.items()), ZERO)


def _of_one(underlying: str, held: list[tuple[Contract, int]], frame: Frame) -> Decimal:
    legs = [_leg(contract, quantity, frame) for contract, quantity in held]
    nearest = min(legs, key=lambda leg: leg.contract.expiry)
    spot = frame.spots.get(underlying)
    level = nearest.forward if spot is None else float(spot)
    return margin.requirement(legs, level, frame.now).total


def _leg(contract: Contract, quantity: int, frame: Frame) -> margin.MarginLeg:
    quote = frame.quote(contract.symbol)
    forward = frame.forwards.get((contract.underlying, contract.expiry))
    if quote is None or forward is None:
        raise NoMargin(f"{contract.symbol} has no quote or its expiry no forward in this frame.")
    price = float(quote.mid)
    expires_today = contract.expiry == ist_day(frame.now)
    if not contract.is_option:
        return margin.MarginLeg(contract, quantity, price, 0.0, float(forward), expires_today)
    vol = _vol(contract, price, float(forward), frame)
    return margin.MarginLeg(contract, quantity, price, vol, float(forward), expires_today)


def _vol(contract: Contract, price: float, forward: float, frame: Frame) -> float:
    """Implied from the mid; one without a solution is priced by its intrinsic value (vol 0)."""
    t = pricing.year_fraction(
        frame.now, calendar.settlement_time(contract.exchange, contract.expiry)
    )
    df = float(np.exp(-pricing.RATE * t))
    vol, _ = pricing.implied_vol(price, forward, float(contract.strike or 0), t, df, contract.is_call)
    return 0.0 if np.isnan(vol) else vol
