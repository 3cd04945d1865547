"""The normalised Black function of out-of-the-money options, without cancellation.

After P. Jaeckel, "Let's Be Rational" (2015): with h = -|ln(F/K)| / s, t = s / 2, s = vol sqrt(T),
an out-of-the-money price is df F phi(d1) (Y(h + t) - Y(h - t)), where Y = Phi / phi is the normal
distribution over its density. That difference keeps its digits as s goes to 0: near the money it is
summed as a series in t, whose terms follow from Y' = 1 + hY by the recurrence
Y^(n+2) = (h^2 + 2n + 1) Y^(n) - n (n - 1) Y^(n-2).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erfcx

SQ2PI = math.sqrt(2 * math.pi)
ISQ2PI = 1 / SQ2PI
ISQ2 = math.sqrt(0.5)
SQPI2 = math.sqrt(math.pi / 2)
LOG_SQ2PI = math.log(SQ2PI)

FAR = 1e8
"""|h| from which every density has long been 0; keeps 0 x inf out of the products."""
WIDE = 5.0
"""h + t above which Y is about to overflow and Phi itself, near 1, is taken instead."""

NEAR_T = 0.1
NEAR_X = 0.9
"""The series serves t < NEAR_T and |ln(F/K)| < NEAR_X; outside, the plain difference loses less."""

SERIES_T = (1.3e-4, 0.0036, 0.0192, 0.054)
"""Largest t for which 2, 3, ... terms leave less than 2e-17: the next is t^2n / (2n+1)!! at h = 0."""


def tail_ratio(z: np.ndarray) -> np.ndarray:
    """Y(z) = Phi(z) / phi(z)."""
    return SQPI2 * erfcx(-ISQ2 * z)


def gap(x: np.ndarray, h: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Y(h+t) - Y(h-t) for x = -|ln(F/K)| = 2ht <= 0 < t, in full relative accuracy."""
    near = is_near(x, t)
    if near.all():
        return _series(h, t)
    if not near.any():
        return _difference(h, t)
    out = np.empty_like(h)
    inside, outside = np.flatnonzero(near), np.flatnonzero(~near)
    out[inside] = _series(h[inside], t[inside])
    out[outside] = _difference(h[outside], t[outside])
    return out


def is_near(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    near: np.ndarray = (t < NEAR_T) & (x > -NEAR_X)
    return near


def _difference(h: np.ndarray, t: np.ndarray) -> np.ndarray:
    return SQPI2 * (erfcx(-ISQ2 * (h + t)) - erfcx(-ISQ2 * (h - t)))


def _series(h: np.ndarray, t: np.ndarray) -> np.ndarray:
    """2 * sum over odd n of Y^(n)(h) t^n / n!; as many terms as the largest t needs."""
    w, v = t * t, h * t
    v *= v
    before = 1 + h * tail_ratio(h)
    term = 3 * w
    term += v
    term *= before
    term -= w
    term *= 1 / 6
    total = before + term
    square = w * w
    for k in range(1, 1 + int(np.searchsorted(SERIES_T, t.max(initial=0.0)))):
        factor = (4 * k + 3) * w
        factor += v
        factor *= term
        factor -= square * before
        factor *= 1 / ((2 * k + 2) * (2 * k + 3))
        before, term = term, factor
        total += term
    total *= 2
    total *= t
    return total
