"""Black-76 on the forward: prices, Greeks, year fractions and parity forwards.

Conventions, the same everywhere: `forward` per unit, `t` in years (calendar seconds over 365
days), `df` the discount factor to expiry, `vol` annualised. Greeks are raw: per unit of forward, of
vol (1.00, not a point), of year and of rate; presentation scales them. Scalars in give floats out,
arrays in give arrays out. `implied_vol` and its flags come from `implied.py`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from scipy.special import ndtr

from market.kernel.implied import Flag, implied_vol
from market.kernel.normalised import ISQ2PI, log_ratio

__all__ = ["RATE", "Flag", "greeks", "implied_vol", "parity_forward", "price", "year_fraction"]

RATE = 0.065
"""Default risk-free rate a year, continuously compounded: an input of our valuations, not a fact.
Index options are priced off their own forward, so it only discounts, which moves little."""

SECONDS_A_YEAR = 365 * 86400
PARITY_STRIKES = 5
FEWEST_PARITY_STRIKES = 3
FAR = 1e8  # |d| beyond which every density is 0 long since; keeps 0 x inf out of the products


def year_fraction(now: datetime, expiry_time: datetime) -> float:
    """Years of 365 calendar days from now to the settlement time, in seconds; 0 once it passed."""
    return max(0.0, (expiry_time - now).total_seconds() / SECONDS_A_YEAR)


def price(forward: Any, strike: Any, t: Any, df: Any, vol: Any, is_call: Any) -> Any:
    """Black-76 value; the discounted intrinsic value when t or vol is 0 or less."""
    forward, strike, t, df, vol = _floats(forward, strike, t, df, vol)
    sign = _signs(is_call)
    s = vol * np.sqrt(np.maximum(t, 0.0))
    with np.errstate(all="ignore"):
        d1 = log_ratio(forward, strike) / s + 0.5 * s
        value = df * sign * (forward * ndtr(sign * d1) - strike * ndtr(sign * (d1 - s)))
    intrinsic = df * np.maximum(sign * (forward - strike), 0.0)
    return _as_given(np.where((t <= 0) | (vol <= 0), intrinsic, value))


def greeks(forward: Any, strike: Any, t: Any, df: Any, vol: Any, is_call: Any) -> dict[str, Any]:
    """The price and its 13 Greeks with respect to the forward.

    delta, gamma, vega, theta (a year of calendar time passing), rho (forward held), vanna, volga,
    charm, speed, zomma, color, veta and dual_delta. At t or vol of 0 or less they are those of the
    discounted intrinsic value: a step in delta (half at the money), never infinite.
    """
    arrays = np.broadcast_arrays(*_floats(forward, strike, t, df, vol), _signs(is_call))
    dead = (arrays[2] <= 0) | (arrays[4] <= 0)
    with np.errstate(all="ignore"):
        found = _living(*arrays)
        if dead.any():
            settled = _settled(*arrays)
            found = {name: np.where(dead, settled[name], found[name]) for name in found}
    return {name: _as_given(value) for name, value in found.items()}


def parity_forward(
    strikes: Sequence[float], calls: Sequence[float], puts: Sequence[float], df: float
) -> float | None:
    """The forward that put-call parity implies: the median over the 5 strikes nearest the money.

    A strike counts when both quotes are finite and above 0; the money is where call and put are
    closest. None with fewer than 3 such strikes.
    """
    k, c, p = (np.asarray(values, dtype=float) for values in (strikes, calls, puts))
    quoted = np.isfinite(c) & np.isfinite(p) & (c > 0) & (p > 0)
    if np.count_nonzero(quoted) < FEWEST_PARITY_STRIKES:
        return None
    k, gap = k[quoted], (c - p)[quoted]
    nearest = np.argsort(np.abs(gap), kind="stable")[:PARITY_STRIKES]
    return float(np.median(k[nearest] + gap[nearest] / df))


def _living(f: Any, k: Any, t: Any, df: Any, vol: Any, sign: Any) -> dict[str, Any]:
    root = np.sqrt(t)
    s = vol * root
    d1 = np.clip(log_ratio(f, k) / s + 0.5 * s, -FAR, FAR)
    d2 = d1 - s
    r = -np.log(df) / t
    density = np.exp(-0.5 * d1 * d1) * (df * ISQ2PI)
    delta = sign * df * ndtr(sign * d1)
    dual_delta = -sign * df * ndtr(sign * d2)
    value = f * delta + k * dual_delta
    gamma = density / (f * s)
    vega = f * density * root
    return {
        "price": value,
        "delta": delta,
        "gamma": gamma,
        "vega": vega,
        "theta": r * value - 0.5 * vega * vol / t,
        "rho": -t * value,
        "vanna": -density * d2 / vol,
        "volga": vega * d1 * d2 / vol,
        "charm": r * delta + density * d2 / (2 * t),
        "speed": -gamma / f * (d1 / s + 1),
        "zomma": gamma * (d1 * d2 - 1) / vol,
        "color": r * gamma + gamma * (1 - d1 * d2) / (2 * t),
        "veta": r * vega - vega * (1 + d1 * d2) / (2 * t),
        "dual_delta": dual_delta,
    }


def _settled(f: Any, k: Any, t: Any, df: Any, vol: Any, sign: Any) -> dict[str, Any]:
    years = np.maximum(t, 0.0)
    r = np.where(years > 0, -np.log(df) / np.where(years > 0, years, 1.0), 0.0)
    step = np.heaviside(sign * (f - k), 0.5)
    value = df * np.maximum(sign * (f - k), 0.0)
    delta = sign * df * step
    flat = dict.fromkeys(
        ("gamma", "vega", "vanna", "volga", "speed", "zomma", "color", "veta"), 0.0 * (value + vol)
    )
    return flat | {
        "price": value,
        "delta": delta,
        "theta": r * value,
        "rho": -years * value,
        "charm": r * delta,
        "dual_delta": -sign * df * step,
    }


def _floats(*values: Any) -> list[np.ndarray]:
    return [np.asarray(value, dtype=float) for value in values]


def _signs(is_call: Any) -> np.ndarray:
    return np.where(np.asarray(is_call, dtype=bool), 1.0, -1.0)


def _as_given(value: np.ndarray) -> Any:
    return float(value) if np.ndim(value) == 0 else value
