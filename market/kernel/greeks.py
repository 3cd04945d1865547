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
same strike, which `normalised.mean_slope` gives without cancellation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from market.kernel.flags import NAMES
from market.kernel.normalised import FAR, ISQ2PI, NEAR_T, WIDE, mean_slope
from market.kernel.scratch import GREEKS, LIVING, PLACE, VALUE


class Options(NamedTuple):
    """Columns of equal length: forward, strike, years, discount factor, vol, and 1.0 for a call."""

    f: np.ndarray
    k: np.ndarray
    t: np.ndarray
    df: np.ndarray
    vol: np.ndarray
    call: np.ndarray


class Place(NamedTuple):
    """Where options stand, in rows of a scratch: `apart` = F - K, `side` its sign, `inside` the
    option's own sign where it is in the money and 0 where not, `low` = min(F, K), `m` = |F - K|/low,
    `y` = |ln(F/K)| and `root` = sqrt(t)."""

    apart: np.ndarray
    side: np.ndarray
    inside: np.ndarray
    low: np.ndarray
    m: np.ndarray
    y: np.ndarray
    root: np.ndarray


class Living(NamedTuple):
    """The rest of what value and Greeks share: s, h = y/s, -s/2, -d1 and df n(d1)."""

    s: np.ndarray
    h: np.ndarray
    minus_half: np.ndarray
    minus_d1: np.ndarray
    density: np.ndarray


def place(f: np.ndarray, k: np.ndarray, t: np.ndarray, call: np.ndarray) -> Place:
    apart, side, inside, low, m, y, root = rows = PLACE.of(f.size)
    np.subtract(f, k, apart)
    np.copysign(1.0, apart, side)
    stand_inside(call, side, inside)
    np.minimum(f, k, out=low)
    np.abs(apart, m)
    m /= low
    np.log1p(m, y)  # accurate to the last digits however near they are
    np.sqrt(t, root)
    return Place(*rows)


def values(out: np.ndarray, *columns: np.ndarray) -> None:
    """Black-76 values of the columns of Options; the discounted intrinsic where nothing lives."""
    of = Options(*columns)
    at = place(of.f, of.k, of.t, of.call)
    value = out[0]
    _out_of_the_money(of, at, _living_at(of.vol, of, at), value)
    intrinsic = at.apart
    intrinsic *= at.inside
    intrinsic *= of.df
    value += intrinsic
    dead = (of.t <= 0) | (of.vol <= 0)
    if dead.any():
        value[dead] = _settled(Options(*(column[dead] for column in of)))["price"]


def all_greeks(out: np.ndarray, *columns: np.ndarray) -> None:
    """NAMES for the columns of Options; those of the discounted intrinsic where nothing lives."""
    of = Options(*columns)
    at = place(of.f, of.k, of.t, of.call)
    alive, (value, _) = _living_at(of.vol, of, at), VALUE.of(of.f.size)
    _out_of_the_money(of, at, alive, value)
    _assemble(of, at, alive, value, out)
    _settle(of, out)


def greeks_at(
    out: np.ndarray, value: np.ndarray, at: Place, *columns: np.ndarray, sure: bool
) -> None:
    """As `all_greeks` where `value` is that of the out-of-the-money option of each strike, not
    discounted, and the vol is the one that it implies: NaN where there is none. `sure` says that
    every option lives and has a vol."""
    of = Options(*columns)
    value *= of.df
    _assemble(of, at, _living_at(of.vol, of, at), value, out)
    if not sure:
        _settle(of, out)
        out[:, np.isnan(of.vol) & ~(of.t <= 0)] = np.nan


def stand_inside(call: np.ndarray, side: np.ndarray, inside: np.ndarray) -> None:
    """Into `inside` what Place says, for these sides: 1.0 a call, 0.0 a put."""
    np.multiply(side, 0.5, inside)
    inside += call
    inside -= 0.5


def _living_at(vol: np.ndarray, of: Options, at: Place) -> Living:
    s, h, minus_half, minus_d1, density = rows = LIVING.of(vol.size)
    np.multiply(vol, at.root, s)
    np.divide(at.y, s, h)
    np.minimum(h, FAR, out=h)
    np.multiply(s, -0.5, minus_half)
    np.copysign(h, at.apart, minus_d1)
    np.subtract(minus_half, minus_d1, minus_d1)
    np.multiply(minus_d1, minus_d1, density)
    density *= -0.5
    np.exp(density, density)
    density *= of.df
    density *= ISQ2PI
    return Living(*rows)


def _out_of_the_money(of: Options, at: Place, alive: Living, value: np.ndarray) -> None:
    """Into `value` the discounted value of the out-of-the-money option of each strike."""
    np.multiply(alive.s, 0.5, alive.minus_half)
    mean_slope(alive.h, alive.minus_half, value)
    np.negative(alive.minus_half, alive.minus_half)
    value *= alive.s
    value *= alive.density
    value *= of.f
    wide = alive.minus_half + alive.h < -WIDE
    if wide.any():
        side, h = at.side[wide], alive.h[wide]
        inner = -side * alive.minus_half[wide]
        upper, lower = ndtr(inner - h), ndtr(-inner - h)
        value[wide] = side * of.df[wide] * (of.k[wide] * upper - of.f[wide] * lower)


def _deltas(
    of: Options, at: Place, alive: Living, value: np.ndarray, delta: np.ndarray, dual: np.ndarray
) -> None:
    """Those of the out-of-the-money options, of the other sign, from the tails on their side of the
    strike."""
    np.multiply(at.side, alive.minus_d1, delta)
    ndtr(delta, delta)
    np.multiply(at.side, of.df, dual)
    delta *= dual
    if (
        np.minimum.reduce(alive.minus_half) > -NEAR_T
    ):  # then K dual - F delta is far from cancelling
        np.multiply(of.f, delta, dual)
        dual += value
        dual /= of.k
    else:
        dual *= ndtr(-at.side * alive.minus_half - alive.h)


def _assemble(of: Options, at: Place, alive: Living, value: np.ndarray, out: np.ndarray) -> None:
    """Into `out` NAMES, from the discounted value of the out-of-the-money option of each strike."""
    price, delta, gamma, vega, theta, *_, dual_delta = out
    base, fs, *_ = GREEKS.of(value.size)
    np.multiply(at.inside, of.df, base)
    np.multiply(base, at.apart, price)
    price += value
    _deltas(of, at, alive, value, delta, dual_delta)
    np.subtract(base, delta, delta)
    dual_delta -= base
    np.multiply(of.f, alive.s, fs)
    np.divide(alive.density, fs, gamma)
    np.multiply(of.f, alive.density, vega)
    np.multiply(vega, alive.s, theta)  # vega vol
    vega *= at.root
    _in_price_and_vol(of, alive, out)
    _in_time(of, out)


def _in_price_and_vol(of: Options, alive: Living, out: np.ndarray) -> None:
    """vanna, volga, speed and zomma."""
    _, _, gamma, vega, _, _, vanna, volga, _, speed, zomma, *_ = out
    _, fs, slide, d12, per_vol = GREEKS.rows
    minus_d1 = alive.minus_d1
    np.add(minus_d1, alive.s, slide)
    np.multiply(minus_d1, slide, d12)
    slide *= alive.density  # -df n(d1) d2
    np.divide(1.0, of.vol, per_vol)
    np.multiply(slide, per_vol, vanna)
    np.multiply(vega, d12, volga)
    volga *= per_vol
    np.subtract(minus_d1, alive.s, speed)
    speed /= fs
    speed *= gamma
    np.subtract(d12, 1.0, zomma)
    zomma *= gamma
    zomma *= per_vol


def _in_time(of: Options, out: np.ndarray) -> None:
    """theta, rho, charm, color and veta; theta is still vega vol, `slide` -df n(d1) d2."""
    price, delta, gamma, vega, theta, rho, _, _, charm, _, _, color, veta, _ = out
    r, decay, slide, d12, work = GREEKS.rows
    np.divide(-1.0, of.t, work)
    np.multiply(work, -0.5, decay)
    np.log(of.df, r)
    r *= work
    np.divide(price, work, rho)
    theta *= decay
    np.multiply(r, price, work)
    np.subtract(work, theta, theta)
    slide *= decay
    np.multiply(r, delta, charm)
    charm -= slide
    d12 *= decay
    r -= d12
    np.add(r, decay, color)
    color *= gamma
    np.subtract(r, decay, veta)
    veta *= vega


def _settle(of: Options, out: np.ndarray) -> None:
    dead = (of.t <= 0) | (of.vol <= 0)
    if dead.any():
        settled = _settled(Options(*(column[dead] for column in of)))
        for name, column in zip(NAMES, out, strict=True):
            column[dead] = settled[name]


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
