"""Delta and vega of what is held, for limits: by the conventions of the live feed's rows."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from market.catalogue import chain
from market.kernel import pricing
from market.kernel.calendar import OutsideCoverage
from market.kernel.contracts import Contract
from market.kernel.frame import Frame
from market.kernel.money import ZERO, rupees

VOL_POINTS = 100
Amounts = tuple[Decimal | None, Decimal | None]
UNKNOWN: Amounts = (None, None)


class NoVol(LookupError):
    """An option's price implies no vol in this frame."""


def amounts(holdings: Mapping[Contract, int], frame: Frame) -> Amounts:
    """(delta in rupees an index point, vega in rupees a vol point) without their signs.

    Each underlying's is netted, then the underlyings' amounts are added: a point of one index does
    not offset a point of another. Both are unknown while an option has no implied vol.
    """
    held = {contract: quantity for contract, quantity in holdings.items() if quantity}
    options = [contract for contract in held if contract.is_option]
    if any(option.symbol not in frame.quotes for option in options):
        return UNKNOWN
    try:
        delta, vega = _of_options(options, held, frame)
    except (OutsideCoverage, NoVol):
        return UNKNOWN
    for future in held.keys() - set(options):
        delta[future.underlying] = delta.get(future.underlying, 0.0) + held[future]
    return _added(delta), _added(vega)


def _of_options(
    options: list[Contract], held: Mapping[Contract, int], frame: Frame
) -> tuple[dict[str, float], dict[str, float]]:
    """By underlying; NoVol when an option has none."""
    delta: dict[str, float] = {}
    vega: dict[str, float] = {}
    if not options:
        return delta, vega
    vols, flags, years = chain.implied_of_strikes(frame, options)
    if not np.isin(flags, chain.VALUED).all():
        raise NoVol("a price that implies no vol")
    forward = np.array([float(frame.forwards[o.underlying, o.expiry]) for o in options])
    strike = np.array([float(o.strike or 0) for o in options])
    calls = np.array([o.is_call for o in options], dtype=bool)
    unit = pricing.greeks(forward, strike, years, np.exp(-pricing.RATE * years), vols, calls)
    for n, option in enumerate(options):
        name, quantity = option.underlying, held[option]
        delta[name] = delta.get(name, 0.0) + float(unit["delta"][n]) * quantity
        vega[name] = vega.get(name, 0.0) + float(unit["vega"][n]) / VOL_POINTS * quantity
    return delta, vega


def _added(by_underlying: Mapping[str, float]) -> Decimal:
    return rupees(sum((Decimal(abs(value)) for value in by_underlying.values()), ZERO))
