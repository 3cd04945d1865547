"""The inverse of the normalised Black function: s of an out-of-the-money price.

Jaeckel's objectives ("Let's Be Rational", 2015): below UPPER_FROM of the largest price 1/ln b,
above it the logarithm of the distance to the largest price, so neither loses digits to
cancellation. The starting point of the lower branch is our own fit of the Bachelier vol, good to
1e-5 near the money; one Householder step of third order takes that to the last digits, and only
the elements whose first step was long take another.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from market.kernel.normalised import ISQ2PI, LOG_SQ2PI, gap

UPPER_FROM = 0.35  # of the largest price
UPPER_STEPS = 3
MORE_STEPS = 20
LONG_STEP = 2e-4
"""Measured: one step from e off leaves less than e^4, at 4e-4 still below a rounding error."""

# h / L in z = 1/sqrt(1 + L/4), h = |F-K|/(s N) of Bachelier, L = log1p(|F-K|/price): least squares
# on h <= 14, relative error 1e-5. Highest power first.
NUMERATOR, DENOMINATOR = (
    (0.02984200100345169, 0.9941758440167976, -1.3585884109507913, 0.6984861803877749, 0.0006626444616814917),
    (0.997565585362353, -1.0338197130625384, 1.8773048856227774, -1.92718020689566, 1.0),
)  # fmt: skip
INFLECTION_X = -4.0
"""Beyond it every price of the lower branch has s below the inflection point sqrt(2|x|), where the
fit, made near the money, would start too far up."""
TINY = 1e-150  # stands for a distance of 0: the limit at the money comes out exactly

Pair = tuple[np.ndarray, np.ndarray]


def implied_s(c: np.ndarray, m: np.ndarray, x: np.ndarray) -> Pair:
    """(s, elasticity) for c = price / min(F, K) in (0, 1), m = max/min - 1 and x = -log1p(m).

    The price is out of the money and not discounted. The elasticity is d ln price / d ln s: the per
    cent of price that one per cent of vol is worth.
    """
    upper = c > UPPER_FROM
    if not upper.any():
        return _lower(c, m, x)
    s, elasticity = np.empty_like(c), np.empty_like(c)
    high, low = np.flatnonzero(upper), np.flatnonzero(~upper)
    s[high], elasticity[high] = _upper(c[high], x[high])
    if low.size:
        s[low], elasticity[low] = _lower(c[low], m[low], x[low])
    return s, elasticity


def _lower(c: np.ndarray, m: np.ndarray, x: np.ndarray) -> Pair:
    m, x = np.maximum(m, TINY), np.minimum(x, -TINY)
    s = _bachelier_guess(c, m, x)
    if x.min() < INFLECTION_X:
        np.minimum(s, np.sqrt(-2 * x), out=s, where=x < INFLECTION_X)
    log_b = np.log(c) + 0.5 * x
    step, elasticity = _lower_step(log_b, x, s)
    s += step
    long = np.flatnonzero(np.abs(step) > LONG_STEP * s)
    for _ in range(MORE_STEPS):
        if not long.size:
            return s, elasticity
        step, elasticity[long] = _lower_step(log_b[long], x[long], s[long])
        s[long] += step
        long = long[np.abs(step) > LONG_STEP * s[long]]
    s[long] = np.nan  # did not settle: no answer rather than a wrong one
    return s, elasticity


def _lower_step(log_b: np.ndarray, x: np.ndarray, s: np.ndarray) -> Pair:
    """The Householder step of 1/ln b, and the elasticity where it starts."""
    h, t = x / s, 0.5 * s
    ratio = gap(x, h, t)
    h2 = h * h
    log_now = np.log(ratio)
    log_now -= 0.5 * (h2 + t * t)
    log_now -= LOG_SQ2PI
    slope, inverse = 1.0 / ratio, 1.0 / log_now
    newton = (log_b - log_now) * log_now
    newton /= log_b
    newton *= ratio
    curve = h2 / s
    third = curve / s
    third *= -3.0
    third -= 0.25
    curve -= 0.5 * t
    halley = curve - slope * (1 + 2 * inverse)
    third += curve * (3 * halley - 2 * curve)
    third += (2 * slope * slope) * (1 + 3 * inverse * (1 + inverse))
    return _householder(newton, halley, third, s), s * slope


def _upper(c: np.ndarray, x: np.ndarray) -> Pair:
    largest = np.exp(0.5 * x)
    distance = (1 - c) * largest
    half = 0.5 * distance
    s = np.maximum(-2 * ndtri(half), 1.0)
    s = np.maximum(-2 * ndtri(np.minimum(half * np.exp(0.5 * (x / s) ** 2), 0.45)), 0.3)
    for _ in range(UPPER_STEPS):
        h, t = x / s, 0.5 * s
        h2 = h * h
        density = ISQ2PI * np.exp(-0.5 * (h2 + t * t))
        left = largest * ndtr(-h - t) + ndtr(h - t) / largest
        slope = density / left
        newton = -np.log(distance / left) / slope
        curve = h2 / s - 0.5 * t
        third = curve * curve - 3 * h2 / (s * s) - 0.25 + slope * (2 * slope + 3 * curve)
        s = s + _householder(newton, curve + slope, third, s)
    return s, s * density / (c * largest)


def _householder(
    newton: np.ndarray, halley: np.ndarray, third: np.ndarray, s: np.ndarray
) -> np.ndarray:
    below = third * newton
    below /= 6.0
    below += halley
    below *= newton
    below += 1.0
    step = halley * newton
    step *= 0.5
    step += 1.0
    step *= newton
    step /= below
    return np.maximum(step, -0.5 * s)


def _bachelier_guess(c: np.ndarray, m: np.ndarray, x: np.ndarray) -> np.ndarray:
    far = np.log1p(m / c)
    z = 1 / np.sqrt(1 + 0.25 * far)
    r = _polynomial(DENOMINATOR, z)
    r *= x
    r /= _polynomial(NUMERATOR, z)
    r /= far
    r2 = r * r
    return -r * (1 + r2 * (1 / 24 + r2 * (7 / 1920 + r2 * (127 / 322560))))


def _polynomial(coefficients: tuple[float, ...], z: np.ndarray) -> np.ndarray:
    value = coefficients[0] * z
    for coefficient in coefficients[1:-1]:
        value += coefficient
        value *= z
    value += coefficients[-1]
    return value
