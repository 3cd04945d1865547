"""Black-76 on the forward: prices, Greeks, year fractions and parity forwards.

Conventions, the same everywhere: `forward` per unit, `t` in years (calendar seconds over 365
days), `df` the discount factor to expiry, `vol` annualised. Greeks are raw: per unit of forward, of
vol (1.00, not a point), of year and of rate; presentation scales them. Scalars in give floats out,
arrays in give arrays out. `implied_vol` and its flags come from `implied.py`.
"""

from typing import Any

import numpy as np

from market.kernel import scalar
from market.kernel.blocks import are_scalars, broadcast, in_blocks
from market.kernel.daycount import CONVENTIONS, DAY_COUNT, year_fraction
from market.kernel.flags import NAMES, Flag
from market.kernel.forwards import parity_forward
from market.kernel.greeks import all_greeks, greeks_at, stand_inside, values
from market.kernel.implied import implied_vol, solve

__all__ = [
    "CONVENTIONS", "DAY_COUNT", "RATE", "Flag", "greeks", "implied_greeks", "implied_vol",
    "parity_forward", "price", "year_fraction",
]  # fmt: skip

FEW = 20
"""Up to here a loop over the scalar path is quicker than arrays."""

RATE = 0.065
"""Default risk-free rate a year, continuously compounded: an input of our valuations, not a fact.
Index options are priced off their own forward, so it only discounts, which moves little."""


def price(forward: Any, strike: Any, t: Any, df: Any, vol: Any, is_call: Any) -> Any:
    """Black-76 value; the discounted intrinsic value when t or vol is 0 or less.

    Shapes broadcast; NaN where an input is; nothing raises for its values. Source: Black (1976).
    """
    if are_scalars(forward, strike, t, df, vol, is_call):
        return scalar.price(forward, strike, t, df, vol, is_call)
    shape, columns = broadcast(forward, strike, t, df, vol, is_call)
    value = np.empty((1, columns[0].size))
    in_blocks(values, (value, *columns))
    return _as_given(value[0], shape)


def greeks(forward: Any, strike: Any, t: Any, df: Any, vol: Any, is_call: Any) -> dict[str, Any]:
    """The price and its 13 Greeks with respect to the forward; formulas in greeks.py.

    delta, gamma, vega, theta (a year of calendar time passing), rho (forward held), vanna, volga,
    charm, speed, zomma, color, veta and dual_delta. At t or vol of 0 or less they are those of the
    discounted intrinsic value: a step in delta (half at the money), never infinite. Shapes
    broadcast; NaN where an input is.
    """
    if are_scalars(forward, strike, t, df, vol, is_call):
        return scalar.greeks(forward, strike, t, df, vol, is_call)
    shape, columns = broadcast(forward, strike, t, df, vol, is_call)
    found = np.empty((len(NAMES), columns[0].size))
    in_blocks(all_greeks, (found, *columns))
    return {name: _as_given(column, shape) for name, column in zip(NAMES, found, strict=True)}


def implied_greeks(  # noqa: PLR0913 the columns of a market price, as everywhere here
    price: Any, forward: Any, strike: Any, t: Any, df: Any, is_call: Any, *, wanted: Any = None
) -> tuple[Any, Any, dict[str, Any]]:
    """(vol, flag, greeks) of market prices in one go: `implied_vol`, then `greeks` at that vol.

    `wanted` tells the side (True for a call) whose Greeks are asked, where the price is that of its
    twin of the same strike. Shapes broadcast; scalars give floats. An expired option has the Greeks
    of its intrinsic value; all Greeks are NaN where the price implies no vol.
    """
    sides = (is_call,) if wanted is None else (is_call, wanted)
    if are_scalars(price, forward, strike, t, df, is_call):
        return _solved_one(price, forward, strike, t, df, *sides)
    shape, columns = broadcast(price, forward, strike, t, df, *sides)
    size = columns[0].size
    vol, flag = np.empty(size), np.empty(size, dtype=np.int8)
    found = np.empty((len(NAMES), size))
    if size <= FEW:
        _solve_few(found, vol, flag, columns)
    else:
        in_blocks(_solve, (found, vol, flag, *columns))
    named = {name: column.reshape(shape) for name, column in zip(NAMES, found, strict=True)}
    return vol.reshape(shape), flag.reshape(shape), named


def _solve(
    found: np.ndarray, vol: np.ndarray, flag: np.ndarray, price: np.ndarray, *columns: np.ndarray
) -> None:
    f, k, t, df, call, *wanted = columns
    value, at, all_solved = solve(vol, flag, price, f, k, t, df, call)
    if wanted:
        (call,) = wanted
        stand_inside(call, at.side, at.inside)
    greeks_at(found, value, at, f, k, t, df, vol, call, sure=all_solved)


def _solve_few(
    found: np.ndarray, vol: np.ndarray, flag: np.ndarray, columns: list[np.ndarray]
) -> None:
    for n, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        vol[n], flag[n], named = _solved_one(*row)
        found[:, n] = [named[name] for name in NAMES]


def _solved_one(
    price: float, forward: float, strike: float, t: float, df: float, *sides: Any
) -> tuple[float, Flag, dict[str, float]]:
    """`sides`: of the option whose price it is, and of the wanted one where that is its twin."""
    vol, flag = scalar.implied_vol(price, forward, strike, t, df, sides[0])
    return vol, flag, scalar.greeks(forward, strike, t, df, vol, sides[-1])


def _as_given(value: np.ndarray, shape: tuple[int, ...]) -> Any:
    return float(value[0]) if shape == () else value.reshape(shape)
