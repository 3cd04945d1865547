"""Implied volatility with a reason for every answer; never a made-up number."""

from enum import IntEnum
from typing import Any

import numpy as np

from market.kernel.normalised import ISQ2PI, implied_s, log_ratio

TICK = 0.05
ILL_FROM = 0.25
"""ILL_CONDITIONED when one tick of price would move the vol by more than this fraction of itself."""


class Flag(IntEnum):
    """What the volatility beside it is worth: only OK and ILL_CONDITIONED carry a positive vol."""

    OK = 0
    EXPIRED = 1
    BELOW_INTRINSIC = 2
    ABOVE_MAX = 3
    AT_INTRINSIC = 4
    ILL_CONDITIONED = 5
    INVALID = 6


def implied_vol(price: Any, forward: Any, strike: Any, t: Any, df: Any, is_call: Any) -> Any:
    """(vol, flag) of a Black-76 price; arrays in give an array of vols and one of int8 flags.

    vol is NaN for EXPIRED (t <= 0), BELOW_INTRINSIC, ABOVE_MAX (a call at its discounted forward or
    more, a put at its discounted strike or more) and INVALID (an input is not finite, or forward,
    strike or df is not above 0); 0.0 for AT_INTRINSIC. ILL_CONDITIONED keeps its vol: the price
    hardly depends on it.
    """
    values = [np.asarray(value, dtype=float) for value in (price, forward, strike, t, df)]
    shape = np.broadcast_shapes(*(value.shape for value in values), np.shape(is_call))
    p, f, k, years, discount, call = (
        np.broadcast_to(value, shape).ravel()
        for value in (*values, np.asarray(is_call, dtype=bool))
    )
    with np.errstate(all="ignore"):
        vol, flag = _solve(p / discount, f, k, years, call)
        flag[_invalid(p, f, k, years, discount)] = Flag.INVALID
        vol[flag == Flag.INVALID] = np.nan
        _mark_ill_conditioned(flag, vol, f, k, years, discount)
    if shape == ():
        return float(vol[0]), Flag(int(flag[0]))
    return vol.reshape(shape), flag.reshape(shape)


def _solve(
    undiscounted: np.ndarray, f: np.ndarray, k: np.ndarray, t: np.ndarray, call: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Vols and flags, from the out-of-the-money side of each strike (put-call parity)."""
    value = undiscounted - np.maximum(np.where(call, f - k, k - f), 0.0)
    x = -np.abs(log_ratio(f, k))
    scale = 1 / np.sqrt(f * k)
    b, distance = value * scale, np.abs(f - k) * scale
    flag = np.select(
        [t <= 0, b < 0, b == 0, b >= np.exp(0.5 * x)],
        [Flag.EXPIRED, Flag.BELOW_INTRINSIC, Flag.AT_INTRINSIC, Flag.ABOVE_MAX],
        Flag.OK,
    ).astype(np.int8)
    vol = np.full(b.shape, np.nan)
    vol[flag == Flag.AT_INTRINSIC] = 0.0
    good = (flag == Flag.OK) & np.isfinite(b)
    vol[good] = implied_s(b[good], x[good], distance[good]) / np.sqrt(t[good])
    flag[(flag == Flag.OK) & ~np.isfinite(vol)] = Flag.INVALID
    return vol, flag


def _invalid(
    p: np.ndarray, f: np.ndarray, k: np.ndarray, t: np.ndarray, df: np.ndarray
) -> np.ndarray:
    finite = np.isfinite(p) & np.isfinite(f) & np.isfinite(k) & np.isfinite(t) & np.isfinite(df)
    return ~finite | (f <= 0) | (k <= 0) | (df <= 0)


def _mark_ill_conditioned(
    flag: np.ndarray, vol: np.ndarray, f: np.ndarray, k: np.ndarray, t: np.ndarray, df: np.ndarray
) -> None:
    s = vol * np.sqrt(t)
    d1 = log_ratio(f, k) / s + 0.5 * s
    vol_times_vega = f * df * ISQ2PI * np.exp(-0.5 * d1 * d1) * s
    weak = vol_times_vega * ILL_FROM < TICK
    flag[(flag == Flag.OK) & weak] = Flag.ILL_CONDITIONED
