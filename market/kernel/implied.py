"""Implied volatility with a reason for every answer; never a made-up number."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from market.kernel import scalar
from market.kernel.blocks import are_scalars, broadcast, in_blocks
from market.kernel.flags import WEAKEST, Flag
from market.kernel.greeks import Place, place
from market.kernel.inverse import implied_s
from market.kernel.scratch import VALUE

FEW = 40
"""Up to here a loop over the scalar path is quicker than arrays."""


class Solved(NamedTuple):
    """What was computed on the way to the vols, in rows of a scratch: the value, not discounted, of
    the out-of-the-money option of each strike, and the place of each."""

    value: np.ndarray
    at: Place
    all_solved: bool


def implied_vol(price: Any, forward: Any, strike: Any, t: Any, df: Any, is_call: Any) -> Any:
    """(vol, flag) of a Black-76 price; arrays in give an array of vols and one of int8 flags.

    Formula: the vol at which `pricing.price` gives that price, found from the out-of-the-money side
    of the strike by put-call parity (Jaeckel 2015; see inverse.py). Units as in pricing.py; shapes
    broadcast. vol is NaN for EXPIRED (t <= 0), BELOW_INTRINSIC, ABOVE_MAX (a call at its discounted
    forward or more, a put at its discounted strike or more) and INVALID (an input is not finite, or
    forward, strike or df is not above 0); 0.0 for AT_INTRINSIC. ILL_CONDITIONED keeps its vol: one
    tick of price would move it by more than a quarter of itself. Nothing raises for its values.
    """
    if are_scalars(price, forward, strike, t, df, is_call):
        return scalar.implied_vol(price, forward, strike, t, df, is_call)
    shape, columns = broadcast(price, forward, strike, t, df, is_call)
    if columns[0].size <= FEW:
        vol, flag = _one_by_one(columns)
    else:
        vol, flag = np.empty(columns[0].size), np.empty(columns[0].size, dtype=np.int8)
        in_blocks(solve, (vol, flag, *columns))
    if shape == ():
        return float(vol[0]), Flag(int(flag[0]))
    return vol.reshape(shape), flag.reshape(shape)


def _one_by_one(columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    rows = zip(*(column.tolist() for column in columns), strict=True)
    found = [scalar.implied_vol(*row) for row in rows]
    vols, flags = ([pair[n] for pair in found] for n in (0, 1))
    return np.array(vols, dtype=float), np.array(flags, dtype=np.int8)


def solve(vol: np.ndarray, flag: np.ndarray, p: np.ndarray, *columns: np.ndarray) -> Solved:
    """Vols and flags, into the first two, of prices and their columns forward, strike, t, df and
    is_call, all 1-d and equally long. The caller silences numpy's warnings."""
    f, k, t, df, call = columns
    at = place(f, k, t, call)
    value, c = VALUE.of(p.size)
    np.divide(p, df, value)
    np.multiply(at.inside, at.apart, c)
    value -= c
    np.divide(value, at.low, c)
    if _may_have_vols(at, c, df) and _vols(vol, flag, value, c, at, df):
        return Solved(value, at, all_solved=True)
    _solve_some(vol, flag, value, c, at, (p, *columns))
    return Solved(value, at, all_solved=False)


def _solve_some(
    vol: np.ndarray,
    flag: np.ndarray,
    value: np.ndarray,
    c: np.ndarray,
    at: Place,
    given: tuple[np.ndarray, ...],
) -> None:
    """As `solve` where some prices have no vol: these get their reason, the others go apart."""
    p, f, k, t, df, _ = given
    flag[:] = _refusals(p, value, at.low, np.maximum(f, k), t, df)
    vol[:] = np.where(flag == Flag.AT_INTRINSIC, 0.0, np.nan)
    chosen = np.flatnonzero(flag == Flag.OK)
    if chosen.size:
        vols, flags = np.empty(chosen.size), np.empty(chosen.size, dtype=np.int8)
        those = Place(*(row[chosen] for row in at))
        _vols(vols, flags, value[chosen], c[chosen], those, df[chosen])
        vol[chosen], flag[chosen] = vols, flags


def _may_have_vols(at: Place, c: np.ndarray, df: np.ndarray) -> bool:
    """Whether everything is above 0 and no t infinite; what else is wrong ends as no number."""
    least = np.minimum.reduce
    above = least(c) > 0 and least(at.low) > 0 and least(df) > 0
    return bool(above and np.maximum.reduce(at.root) < np.inf)


def _vols(
    vol: np.ndarray, flag: np.ndarray, value: np.ndarray, c: np.ndarray, at: Place, df: np.ndarray
) -> bool:
    """Vols of undiscounted out-of-the-money values in (0, low), and OK or ILL_CONDITIONED; whether
    doubles hold them all."""
    s, inverse = implied_s(c, at.m, at.y)
    np.divide(s, at.root, vol)
    np.multiply(value, df, s)
    inverse *= WEAKEST  # vol x vega = price x elasticity
    np.less(s, inverse, out=flag.view(bool))
    flag *= Flag.ILL_CONDITIONED
    if np.isfinite(np.add.reduce(vol)):
        return True
    lost = ~np.isfinite(vol)
    flag[lost] = Flag.INVALID
    vol[lost] = np.nan
    return False


def _refusals(
    p: np.ndarray,
    value: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    t: np.ndarray,
    df: np.ndarray,
) -> np.ndarray:
    finite = np.isfinite(p) & np.isfinite(high) & np.isfinite(t) & np.isfinite(df)
    known = finite & (low > 0) & (df > 0)
    return np.select(
        [~known, t <= 0, value < 0, value == 0, value >= low],
        [Flag.INVALID, Flag.EXPIRED, Flag.BELOW_INTRINSIC, Flag.AT_INTRINSIC, Flag.ABOVE_MAX],
        Flag.OK,
    ).astype(np.int8)
