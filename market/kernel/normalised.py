"""The normalised Black function of out-of-the-money options, without cancellation.

After P. Jaeckel, "Let's Be Rational" (2015): with h = |ln(F/K)| / s, t = s / 2, s = vol sqrt(T),
an out-of-the-money price is df F phi(d1) (Y(t - h) - Y(-t - h)), where Y = Phi / phi is the normal
distribution over its density. That difference keeps its digits as s goes to 0: near the money it is
summed as a series in t, whose terms follow from Y' = 1 + hY by the recurrence
Y^(n+2) = (h^2 + 2n + 1) Y^(n) - n (n - 1) Y^(n-2).
"""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
from scipy.special import erfcx

from market.kernel.scratch import SERIES

SQ2PI = math.sqrt(2 * math.pi)
ISQ2PI = 1 / SQ2PI
ISQ2 = math.sqrt(0.5)
SQPI2 = math.sqrt(math.pi / 2)
LOG_SQ2PI = math.log(SQ2PI)

FAR = 1e8
"""h from which every density has long been 0; keeps 0 x inf out of the products."""
WIDE = 5.0
"""t - h above which Y is about to overflow and Phi itself, near 1, is taken instead."""

NEAR_T = 0.1
NEAR_X = 0.9
"""The series serves t < NEAR_T and |ln(F/K)| < NEAR_X; outside, the plain difference loses less."""

SERIES_T = (1.3e-4, 0.0036, 0.0192, 0.054)
"""Largest t for which 2, 3, ... terms leave less than 2e-17: the next is t^2n / (2n+1)!! at h = 0."""


def mean_slope(h: np.ndarray, t: np.ndarray, out: np.ndarray) -> None:
    """(Y(t-h) - Y(-t-h)) / 2t for h >= 0 and t > 0, in full relative accuracy, into `out`."""
    widest = np.maximum.reduce(t)
    if widest < NEAR_T and np.maximum.reduce(h) * widest < 0.5 * NEAR_X:
        return _series(h, t, widest, out)
    near = (t < NEAR_T) & (h * t < 0.5 * NEAR_X)
    inside, outside = np.flatnonzero(near), np.flatnonzero(~near)
    if inside.size:
        part, h_near, t_near = np.empty(inside.size), h[inside], t[inside]
        _series(h_near, t_near, t_near.max(), part)
        out[inside] = part
    out[outside] = _difference(h[outside], t[outside])
    return None


def _difference(h: np.ndarray, t: np.ndarray) -> np.ndarray:
    return SQPI2 * (erfcx(ISQ2 * (h - t)) - erfcx(ISQ2 * (h + t))) / (2.0 * t)


def _series(h: np.ndarray, t: np.ndarray, widest: float, out: np.ndarray) -> None:
    """The sum over odd n of Y^(n)(-h) t^(n-1) / n!; as many terms as the widest t needs."""
    w, square, sum_of, before, term, after = SERIES.of(h.size)
    np.multiply(t, t, w)
    np.multiply(h, t, sum_of)
    sum_of *= sum_of
    np.multiply(h, ISQ2, term)
    erfcx(term, before)
    before *= h
    before *= -SQPI2
    before += 1.0  # Y' = 1 - hY
    np.multiply(w, 3.0, after)
    sum_of += after  # (h^2 + 2n + 1) t^2, n = 1
    np.multiply(sum_of, before, term)
    term -= w
    term *= 1 / 6
    np.add(before, term, out)
    if widest <= SERIES_T[0]:
        return
    np.multiply(w, w, square)
    w *= 4.0
    for k in range(1, 1 + bisect_left(SERIES_T, widest)):
        sum_of += w
        np.multiply(sum_of, term, after)
        before *= square
        after -= before
        after *= 1 / ((2 * k + 2) * (2 * k + 3))
        out += after
        before, term, after = term, after, before
