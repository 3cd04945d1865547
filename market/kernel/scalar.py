"""One option at a time in plain `math`: the same formulas as the arrays, in microseconds.

Quicker than arrays up to some 40 options, where numpy's price is the call. Formulas and conventions
are those of greeks.py, normalised.py and inverse.py; every function takes plain numbers.
"""

from __future__ import annotations

from math import erfc, exp, inf, log, log1p, nan, sqrt
from statistics import NormalDist
from typing import Any

from market.kernel.flags import NAMES, WEAKEST, Flag
from market.kernel.inverse import (
    FIT,
    FROM_BACHELIER,
    INFLECTION_Y,
    LONG_STEP,
    MORE_STEPS,
    TINY,
    UPPER_FROM,
    UPPER_STEPS,
)
from market.kernel.normalised import (
    FAR,
    ISQ2,
    ISQ2PI,
    LOG_SQ2PI,
    NEAR_T,
    NEAR_X,
    SQ2PI,
    WIDE,
)

(A1, A2, A3, A4, A5, A6), (B1, B2, B3, B4, B5, B6) = FIT.tolist()
W1, W2 = FROM_BACHELIER
HALF_SQ2PI = 0.5 * SQ2PI
SPLIT_FROM = 1.5
ASYMPTOTIC_FROM = 20.0
ENOUGH = 1e-17
SHARES = tuple(1.0 / ((2 * k + 2) * (2 * k + 3)) for k in range(1, 8))
HALF_NEAR_X = 0.5 * NEAR_X
inverse_normal = NormalDist().inv_cdf
_OK, _WEAK = Flag.OK, Flag.ILL_CONDITIONED


def implied_vol(
    price: float, forward: float, strike: float, t: float, df: float, is_call: Any
) -> tuple[float, Flag]:
    """(vol, flag), as `implied.implied_vol` says."""
    if forward > strike:
        low, apart = strike, forward - strike
        intrinsic = apart if is_call else 0.0
    else:
        low, apart = forward, strike - forward
        intrinsic = 0.0 if is_call else apart
    if not (low > 0.0 and apart < inf and 0.0 < df < inf and -inf < price < inf and -inf < t < inf):
        return nan, Flag.INVALID
    value = price / df - intrinsic
    if t <= 0.0 or not 0.0 < value < low:
        return _refusal(value, t)
    try:
        s, inverse = _implied_s(value / low, apart / low)
        vol = s / sqrt(t)
    except (ArithmeticError, ValueError):  # beyond what doubles hold
        return nan, Flag.INVALID
    return vol, _WEAK if value * df < WEAKEST * inverse else _OK


def _refusal(value: float, t: float) -> tuple[float, Flag]:
    if t <= 0.0:
        return nan, Flag.EXPIRED
    if value < 0.0:
        return nan, Flag.BELOW_INTRINSIC
    return (0.0, Flag.AT_INTRINSIC) if value == 0.0 else (nan, Flag.ABOVE_MAX)


def _implied_s(c: float, m: float) -> tuple[float, float]:
    """(s, 1 / elasticity), as `inverse.implied_s`."""
    y = log1p(m)
    if c > UPPER_FROM:
        return _upper(c, y)
    if m < TINY:
        m = y = TINY
    far = log1p(m / c)
    z = 1.0 / sqrt(1.0 + 0.25 * far)
    s = (y * ((((((B6 * z + B5) * z + B4) * z + B3) * z + B2) * z + B1) * z + 1.0)
         / (far * (((((A6 * z + A5) * z + A4) * z + A3) * z + A2) * z + A1) * z))  # fmt: skip
    w = s * s
    s *= 1.0 + w * (W1 + w * W2)
    if y > INFLECTION_Y:
        s = min(s, sqrt(2.0 * y))
    log_c = log(c)
    for _ in range(1 + MORE_STEPS):
        h, t = y / s, 0.5 * s
        inverse, end = mean_slope(h, t), t - h
        off = log_c - log(s * inverse) + 0.5 * end * end + LOG_SQ2PI
        newton = off * inverse
        step = newton / (1.0 - 0.5 * (newton * end * (t + h) + off))
        s += s * (step if step > -0.5 else -0.5)
        if -LONG_STEP < step < LONG_STEP:
            return s, inverse
    raise ArithmeticError("the steps did not settle")


def _upper(c: float, y: float) -> tuple[float, float]:
    x = -y
    largest = exp(0.5 * x)
    distance = (1.0 - c) * largest
    half = 0.5 * distance
    s = max(-2.0 * inverse_normal(half), 1.0)
    s = max(-2.0 * inverse_normal(min(half * exp(0.5 * (x / s) ** 2), 0.45)), 0.3)
    for _ in range(UPPER_STEPS):
        h, t = x / s, 0.5 * s
        h2 = h * h
        density = ISQ2PI * exp(-0.5 * (h2 + t * t))
        left = largest * ndtr(-h - t) + ndtr(h - t) / largest
        slope = density / left
        curve = h2 / s - 0.5 * t
        third = curve * curve - 3.0 * h2 / (s * s) - 0.25 + slope * (2.0 * slope + 3.0 * curve)
        s += _householder(-log(distance / left) / slope, curve + slope, third, s)
    return s, c * largest / (s * density)


def _householder(newton: float, halley: float, third: float, s: float) -> float:
    below = 1.0 + newton * (halley + newton * third / 6.0)
    return max(newton * (1.0 + 0.5 * halley * newton) / below, -0.5 * s)


def ndtr(z: float) -> float:
    """The normal distribution function."""
    return 0.5 * erfc(-ISQ2 * z)


def tail_ratio(z: float) -> float:
    """Y(z) = Phi(z) / phi(z); OverflowError where it exceeds what a double holds."""
    q = -ISQ2 * z
    if q < SPLIT_FROM:
        return HALF_SQ2PI * erfc(q) * exp(q * q)
    if q < ASYMPTOTIC_FROM:  # the square in two parts, so that its rounding does not show
        near = int(q * 32.0) / 32.0
        return HALF_SQ2PI * erfc(q) * exp(near * near) * exp((q - near) * (q + near))
    term = total = 1.0
    for odd in range(1, 19, 2):
        term *= -odd / (z * z)
        total += term
    return -total / z


def mean_slope(h: float, t: float) -> float:
    """(Y(t-h) - Y(-t-h)) / 2t, as `normalised.mean_slope`."""
    v = h * t
    if t >= NEAR_T or v >= HALF_NEAR_X:
        return (tail_ratio(t - h) - tail_ratio(-t - h)) / (2.0 * t)
    w = t * t
    before = 1.0 - h * tail_ratio(-h)
    v = v * v + 3.0 * w
    term = (v * before - w) / 6.0
    total = before + term
    square, more = w * w, 4.0 * w
    for share in SHARES:
        if term < ENOUGH * total:
            break
        v += more
        before, term = term, (v * term - square * before) * share
        total += term
    return total


def price(f: float, k: float, t: float, df: float, vol: float, is_call: Any) -> float:
    """The Black-76 value, as `pricing.price` says."""
    try:
        if t <= 0.0 or vol <= 0.0:
            return _settled(f, k, t, df, is_call)["price"]
        value = _otm(f, k, vol * sqrt(t), df)[0]
        return value + df * abs(f - k) if is_call == (f > k) else value
    except (ArithmeticError, ValueError):  # a market that cannot be
        return nan


def greeks(f: float, k: float, t: float, df: float, vol: float, is_call: Any) -> dict[str, float]:
    """The price and its 13 Greeks, as `pricing.greeks` says."""
    try:
        if t <= 0.0 or vol <= 0.0:
            return _settled(f, k, t, df, is_call)
        return _living(f, k, t, df, vol, is_call)
    except (ArithmeticError, ValueError):  # a market that cannot be
        return dict.fromkeys(NAMES, nan)


def _otm(f: float, k: float, s: float, df: float) -> tuple[float, float, float, float]:
    """(value of the out-of-the-money option, h, d1, df n(d1))."""
    low, apart, side = (k, f - k, 1.0) if f > k else (f, k - f, -1.0)
    half = 0.5 * s
    h = min(log1p(apart / low) / s, FAR)
    d1 = half + side * h
    density = df * ISQ2PI * exp(-0.5 * d1 * d1)
    if half - h <= WIDE:
        return f * density * s * mean_slope(h, half), h, d1, density
    inner = side * half
    return side * df * (k * ndtr(inner - h) - f * ndtr(-inner - h)), h, d1, density


def _living(f: float, k: float, t: float, df: float, vol: float, is_call: Any) -> dict[str, float]:
    root = sqrt(t)
    s = vol * root
    value, h, d1, density = _otm(f, k, s, df)
    side = 1.0 if f > k else -1.0
    inner = 0.5 * side * s
    base = (df if is_call else -df) if is_call == (f > k) else 0.0
    delta = base - side * df * ndtr(-h - inner)
    dual_delta = side * df * ndtr(inner - h) - base
    value += base * (f - k)
    d2 = d1 - s
    d12 = d1 * d2
    r, decay = -log(df) / t, 0.5 / t
    gamma, vega, slide = density / (f * s), f * density * root, density * d2
    return {
        "price": value,
        "delta": delta,
        "gamma": gamma,
        "vega": vega,
        "theta": r * value - vega * vol * decay,
        "rho": -t * value,
        "vanna": -slide / vol,
        "volga": vega * d12 / vol,
        "charm": r * delta + slide * decay,
        "speed": -gamma * (d1 / s + 1.0) / f,
        "zomma": gamma * (d12 - 1.0) / vol,
        "color": r * gamma + decay * gamma * (1.0 - d12),
        "veta": vega * (r - decay * (d12 + 1.0)),
        "dual_delta": dual_delta,
    }


def _settled(f: float, k: float, t: float, df: float, is_call: Any) -> dict[str, float]:
    if not f + k + t + df < inf:
        return dict.fromkeys(NAMES, nan)
    sign = 1.0 if is_call else -1.0
    apart = sign * (f - k)
    years = max(t, 0.0)
    r = -log(df) / years if years > 0.0 else 0.0
    value = df * max(apart, 0.0)
    delta = sign * df * (0.5 if apart == 0.0 else float(apart > 0.0))
    return dict.fromkeys(NAMES, 0.0) | {
        "price": value,
        "delta": delta,
        "theta": r * value,
        "rho": -years * value,
        "charm": r * delta,
        "dual_delta": -delta,
    }
