"""Implied volatility with a reason for every answer; never a made-up number."""

from __future__ import annotations

from typing import Any

import numpy as np

from market.kernel import scalar
from market.kernel.blocks import are_scalars, broadcast, in_blocks
from market.kernel.flags import WEAKEST, Flag
from market.kernel.greeks import Known
from market.kernel.inverse import implied_s

FEW = 40
"""Up to here a loop over the scalar path is quicker than arrays."""


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
        with np.errstate(all="ignore"):
            vol, flag = in_blocks(_vols_and_flags, columns)
    if shape == ():
        return float(vol[0]), Flag(int(flag[0]))
    return vol.reshape(shape), flag.reshape(shape)


def _one_by_one(columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    rows = zip(*(column.tolist() for column in columns), strict=True)
    found = [scalar.implied_vol(*row) for row in rows]
    vols, flags = ([pair[n] for pair in found] for n in (0, 1))
    return np.array(vols, dtype=float), np.array(flags, dtype=np.int8)


def _vols_and_flags(*columns: np.ndarray) -> tuple[np.ndarray, ...]:
    return solve(*columns)[:2]


def solve(
    p: np.ndarray, f: np.ndarray, k: np.ndarray, t: np.ndarray, df: np.ndarray, call: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Known | None]:
    """Vols and flags of equally long 1-d columns, and x and sqrt(t) when every price has a vol.

    The caller silences numpy's warnings.
    """
    low, high = np.minimum(f, k), np.maximum(f, k)
    apart = high - low
    value = p / df - apart * (call == (f > k))
    good = np.minimum(np.minimum(value, low), np.minimum(t, df)) > 0
    good &= value < low
    good &= high + t + df < np.inf
    if good.all():
        return _vols(value, low, apart, t, df)
    vol = np.full(p.shape, np.nan)
    flag = _refusals(p, value, low, high, t, df)
    vol[flag == Flag.AT_INTRINSIC] = 0.0
    chosen = np.flatnonzero(good)
    if chosen.size:
        columns = (a[chosen] for a in (value, low, apart, t, df))
        vol[chosen], flag[chosen], _ = _vols(*columns)
    return vol, flag, None


def _vols(
    value: np.ndarray, low: np.ndarray, apart: np.ndarray, t: np.ndarray, df: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Known | None]:
    """Vols of undiscounted out-of-the-money values in (0, low), and OK or ILL_CONDITIONED."""
    m = apart / low
    known = Known(-np.log1p(m), np.sqrt(t))
    s, elasticity = implied_s(value / low, m, known.x)
    vol = s / known.root
    elasticity *= value
    elasticity *= df
    flag = (elasticity < WEAKEST).astype(np.int8)
    flag *= Flag.ILL_CONDITIONED
    if np.isfinite(vol).all():
        return vol, flag, known
    flag[~np.isfinite(vol)] = Flag.INVALID  # beyond what doubles hold
    vol[~np.isfinite(vol)] = np.nan
    return vol, flag, None


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
