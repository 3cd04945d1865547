"""Samples with answers of 50 digits (mpmath), for `bin/bench pricing`: what is right, and how nearly."""

from __future__ import annotations

from typing import Any, NamedTuple

import mpmath
import numpy as np

from market.kernel.flags import NAMES, TICK

DIGITS = 50
RATE = 0.065
ROUNDING = 2.0**-52


class Sample(NamedTuple):
    """Columns of market prices, and the vol that each implies: exact for the doubles given.

    `cond` is the relative error of the vol for one of the price: price / (vol x vega).
    """

    price: np.ndarray
    forward: np.ndarray
    strike: np.ndarray
    t: np.ndarray
    df: np.ndarray
    is_call: np.ndarray
    vol: np.ndarray
    cond: np.ndarray

    @property
    def inputs(self) -> tuple[np.ndarray, ...]:
        return (self.price, self.forward, self.strike, self.t, self.df, self.is_call)


def chain_columns(size: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Forward, strike, t, df, vol and side of an index chain: four expiries, both sides' own."""
    forward = np.full(size, 24_612.35)
    t = rng.choice([2, 9, 30, 58], size) / 365 + rng.uniform(0, 1 / 365)
    vol = rng.uniform(0.10, 0.25, size)
    spread = np.clip(rng.normal(0, 1.2, size), -2.5, 2.5)
    strike = np.round(forward * np.exp(spread * vol * np.sqrt(t)) / 50) * 50
    return forward, strike, t, np.exp(-RATE * t), vol, strike >= forward


def chain_sample(size: int, rng: np.random.Generator) -> Sample:
    """Out-of-the-money options at a tick or more, as a chain has them."""
    return _priced(*chain_columns(size, rng))


def wide_sample(size: int, rng: np.random.Generator) -> Sample:
    """Days to years, vols of 1% to 300%, up to eight deviations out; prices far below a tick too."""
    forward = 10 ** rng.uniform(3, 5.5, size)
    t, vol = 10 ** rng.uniform(-4.5, 0.7, size), 10 ** rng.uniform(-2, 0.5, size)
    away = rng.uniform(-8, 8, size) * rng.choice([1.0, 1.0, 1e-3], size)
    strike = forward * np.exp(away * vol * np.sqrt(t))
    return _priced(forward, strike, t, np.exp(-RATE * t), vol, strike >= forward)


def above_a_tick(sample: Sample) -> Sample:
    return Sample(*(column[sample.price >= TICK] for column in sample))


def _priced(*columns: np.ndarray) -> Sample:
    rows = [_row(*values) for values in zip(*(c.tolist() for c in columns), strict=True)]
    price, vol, cond = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    forward, strike, t, df, _, is_call = columns
    found = Sample(price, forward, strike, t, df, is_call, vol, cond)
    seen = (price > 1e-250) & (cond < 1e3)
    return Sample(*(column[seen] for column in found))


def _row(
    forward: float, strike: float, t: float, df: float, vol: float, is_call: Any
) -> tuple[float, float, float]:
    """The price as a double, the vol of that double, and its condition."""
    with mpmath.workdps(DIGITS):
        exact, _ = exact_greeks(forward, strike, t, df, vol, is_call)
        price = float(exact["price"])
        if not exact["vega"]:
            return 0.0, vol, np.inf
        shift = (mpmath.mpf(price) - exact["price"]) / exact["vega"]
        return price, float(vol + shift), float(exact["price"] / (exact["vega"] * vol))


def exact_greeks(
    forward: float, strike: float, t: float, df: float, vol: float, is_call: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Price and Greeks in 50 digits, and for each the size of the terms that its formula adds."""
    f, k, t, df, vol = (mpmath.mpf(value) for value in (forward, strike, t, df, vol))
    sign = 1 if is_call else -1
    s, r = vol * mpmath.sqrt(t), -mpmath.log(df) / t
    x = mpmath.log(f / k) / s
    d1, d2, far = x + s / 2, x - s / 2, abs(x) + s / 2
    density = df * mpmath.npdf(d1)
    delta, dual = df * sign * _phi(sign * d1), -df * sign * _phi(sign * d2)
    price, gamma, vega = f * delta + k * dual, density / (f * s), f * density * mpmath.sqrt(t)

    def pair(*terms: Any) -> tuple[Any, Any]:
        return sum(terms), sum(abs(term) for term in terms)

    found = {
        "price": pair(price),
        "delta": pair(delta),
        "gamma": pair(gamma),
        "vega": pair(vega),
        "theta": pair(r * price, -vega * vol / (2 * t)),
        "rho": pair(-t * price),
        "vanna": (-density * d2 / vol, density * far / vol),
        "volga": (vega * d1 * d2 / vol, vega * far * far / vol),
        "charm": (r * delta + density * d2 / (2 * t), abs(r * delta) + density * far / (2 * t)),
        "speed": (-gamma * (d1 / s + 1) / f, gamma * (far / s + 1) / f),
        "zomma": (gamma * (d1 * d2 - 1) / vol, gamma * (far * far + 1) / vol),
        "color": (
            r * gamma + gamma * (1 - d1 * d2) / (2 * t),
            abs(r) * gamma + gamma * (1 + far * far) / (2 * t),
        ),
        "veta": (
            r * vega - vega * (1 + d1 * d2) / (2 * t),
            abs(r) * vega + vega * (1 + far * far) / (2 * t),
        ),
        "dual_delta": pair(dual),
    }
    return {n: v[0] for n, v in found.items()}, {n: v[1] for n, v in found.items()}


def _phi(z: Any) -> Any:
    return mpmath.erfc(-z / mpmath.sqrt(2)) / 2


def greek_errors(found: dict[str, np.ndarray], *columns: np.ndarray) -> dict[str, float]:
    """The largest error of each name that was found, relative to the terms of its formula."""
    worst = dict.fromkeys((name for name in NAMES if name in found), 0.0)
    with mpmath.workdps(DIGITS):
        for row, values in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            exact, size = exact_greeks(*values)
            for name, so_far in worst.items():
                error = abs(mpmath.mpf(float(found[name][row])) - exact[name]) / size[name]
                worst[name] = max(so_far, float(error))
    return worst
