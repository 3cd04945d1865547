"""Black-76 values and Greeks of arrays, each accurate to the last digits near and far.

With x = ln(F/K), s = vol sqrt(t), d1 = x/s + s/2, d2 = d1 - s, n the normal density and N its
integral, sign +1 for a call and -1 for a put (Haug 2007, chapter 2, for the option on a future):

    value = df sign (F N(sign d1) - K N(sign d2))     delta = df sign N(sign d1)
    gamma = df n(d1) / (F s)                          vega  = df F n(d1) sqrt(t)
    theta = r value - vega vol / (2t)                 rho   = -t value
    vanna = -df n(d1) d2 / vol                        volga = vega d1 d2 / vol
    charm = r delta + df n(d1) d2 / (2t)              speed = -gamma (d1/s + 1) / F
    zomma = gamma (d1 d2 - 1) / vol                   color = r gamma + gamma (1 - d1 d2) / (2t)
    veta  = r vega - vega (1 + d1 d2) / (2t)          dual delta = -df sign N(sign d2)

theta, charm, color and veta are per year of calendar time passing; r = -ln(df)/t.

The value is taken as the discounted intrinsic plus the value of the out-of-the-money option of the
same strike, which `normalised.gap` gives without cancellation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from market.kernel.flags import NAMES
from market.kernel.normalised import FAR, ISQ2PI, NEAR_T, WIDE, gap


class Options(NamedTuple):
    """Columns of equal length: forward, strike, years, discount factor, vol, and whether a call."""

    f: np.ndarray
    k: np.ndarray
    t: np.ndarray
    df: np.ndarray
    vol: np.ndarray
    call: np.ndarray


class Known(NamedTuple):
    """What the search for the vol has already computed: x = -|ln(F/K)| and sqrt(t)."""

    x: np.ndarray
    root: np.ndarray


class Living(NamedTuple):
    """What value and Greeks share. `side` is +1 where F > K and -1 elsewhere; `base` is the discount
    factor with the option's sign where it is in the money, 0 where not; `density` is df n(d1)."""

    x: np.ndarray
    root: np.ndarray
    s: np.ndarray
    h: np.ndarray
    half: np.ndarray
    side: np.ndarray
    base: np.ndarray
    d1: np.ndarray
    density: np.ndarray


def values(*columns: np.ndarray) -> tuple[np.ndarray]:
    """Black-76 values of the columns of Options; the discounted intrinsic where nothing lives."""
    of = Options(*columns)
    at = _living(of)
    value = _out_of_the_money(of, at)
    value += at.base * (of.f - of.k)
    dead = (of.t <= 0) | (of.vol <= 0)
    if dead.any():
        value[dead] = _settled(Options(*(column[dead] for column in of)))["price"]
    return (value,)


def all_greeks(*columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """NAMES for the columns of Options; those of the discounted intrinsic where nothing lives."""
    of = Options(*columns)
    at = _living(of)
    return _settle(of, _assembled(of, at, _out_of_the_money(of, at)))


def greeks_at(
    price: np.ndarray, known: Known | None, *columns: np.ndarray
) -> tuple[np.ndarray, ...]:
    """As `all_greeks` where the vol is the one that the price implies: NaN where there is none.

    `known` says that every option lives and has a vol.
    """
    of = Options(*columns)
    at = _living(of, known)
    found = _assembled(of, at, price - at.base * (of.f - of.k))
    if known is None:
        _settle(of, found)
        unknown = np.isnan(of.vol) & ~(of.t <= 0)
        for column in found:
            column[unknown] = np.nan
    return found


def _living(of: Options, known: Known | None = None) -> Living:
    above = of.f > of.k
    x, root = known or Known(_log_distance(of), np.sqrt(of.t))
    s = of.vol * root
    h = np.maximum(x / s, -FAR)
    half = 0.5 * s
    side = 2.0 * above
    side -= 1.0
    base = np.add(of.call, above, dtype=float)
    base -= 1.0
    base *= of.df
    d1 = half - side * h
    density = d1 * d1
    density *= -0.5
    np.exp(density, out=density)
    density *= of.df
    density *= ISQ2PI
    return Living(x, root, s, h, half, side, base, d1, density)


def _log_distance(of: Options) -> np.ndarray:
    """-|ln(F/K)|, accurate to the last digits however near they are."""
    low = np.minimum(of.f, of.k)
    x = np.maximum(of.f, of.k)
    x -= low
    x /= low
    np.log1p(x, out=x)
    return np.negative(x, out=x)


def _out_of_the_money(of: Options, at: Living) -> np.ndarray:
    """The value of the out-of-the-money option of each strike."""
    value = gap(at.x, at.h, at.half)
    value *= at.density
    value *= of.f
    wide = at.h + at.half > WIDE
    if wide.any():
        side, inner = at.side[wide], at.side[wide] * at.half[wide]
        upper, lower = ndtr(at.h[wide] + inner), ndtr(at.h[wide] - inner)
        value[wide] = side * of.df[wide] * (of.k[wide] * upper - of.f[wide] * lower)
    return value


def _deltas(of: Options, at: Living, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Delta and dual delta, from the tails on the out-of-the-money side of the strike."""
    side = at.side
    delta = ndtr(-side * at.d1)
    delta *= of.df
    if at.half.max(initial=0.0) < NEAR_T:  # then value = side (K dual - F delta) is far from cancelling
        dual = of.f * delta
        dual *= side
        dual += value
        dual /= of.k
    else:
        dual = ndtr(at.h + side * at.half)
        dual *= of.df
        dual *= side
    dual -= at.base
    delta *= side
    return np.subtract(at.base, delta, out=delta), dual


def _assembled(of: Options, at: Living, value: np.ndarray) -> tuple[np.ndarray, ...]:
    """NAMES, from the discounted value of the out-of-the-money option of each strike."""
    delta, dual_delta = _deltas(of, at, value)
    price = value + at.base * (of.f - of.k)
    d1, s = at.d1, at.s
    d2 = d1 - s
    d12 = d1 * d2
    ahead = -of.t
    r = np.log(of.df) / ahead
    decay = 0.5 / of.t
    fs = of.f * s
    gamma = at.density / fs
    vega = of.f * at.density
    vega *= at.root
    slide = at.density * d2
    vanna = slide / -of.vol
    slide *= decay
    slide += r * delta
    theta = r * price - vega * of.vol * decay
    speed = (d1 + s) * gamma
    speed /= -fs
    volga = vega * d12 / of.vol
    zomma = d12 - 1.0
    zomma *= gamma
    color = r * gamma - decay * zomma
    zomma /= of.vol
    d12 += 1.0
    d12 *= decay
    veta = vega * (r - d12)
    return (
        price, delta, gamma, vega, theta, ahead * price, vanna, volga, slide, speed, zomma, color,
        veta, dual_delta,
    )  # fmt: skip


def _settle(of: Options, found: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    dead = (of.t <= 0) | (of.vol <= 0)
    if dead.any():
        settled = _settled(Options(*(column[dead] for column in of)))
        for name, column in zip(NAMES, found, strict=True):
            column[dead] = settled[name]
    return found


def _settled(of: Options) -> dict[str, np.ndarray]:
    """Value and Greeks of the discounted intrinsic value: a step in delta, half at the money."""
    sign = np.where(of.call, 1.0, -1.0)
    years = np.maximum(of.t, 0.0)
    r = np.where(years > 0, -np.log(of.df) / np.where(years > 0, years, 1.0), 0.0)
    apart = sign * (of.f - of.k)
    value = of.df * np.maximum(apart, 0.0)
    delta = sign * of.df * np.heaviside(apart, 0.5)
    return dict.fromkeys(NAMES, np.zeros_like(value)) | {
        "price": value,
        "delta": delta,
        "theta": r * value,
        "rho": -years * value,
        "charm": r * delta,
        "dual_delta": -delta,
    }
