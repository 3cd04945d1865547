"""The inverse of the normalised Black function: s of an out-of-the-money price.

Jaeckel's objectives ("Let's Be Rational", 2015): below UPPER_FROM of the largest price ln c, above it
the logarithm of the distance to the largest price, so neither loses digits to cancellation. The
starting point of the lower branch is our own fit of the Bachelier vol, good to a millionth near the
money; one Halley step takes that to the last digits, and only the elements whose first step was long
take others.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from market.kernel.normalised import ISQ2PI, LOG_SQ2PI, mean_slope
from market.kernel.scratch import GUESS, STEP

UPPER_FROM = 0.35  # of the largest price
UPPER_STEPS = 3
MORE_STEPS = 20
LONG_STEP = 2e-5
"""Of s. One step from e off leaves about e^3: from here less than a rounding error."""

# h / L in z = 1/sqrt(1 + L/4), h = |F-K|/(s N) of Bachelier, L = log1p(|F-K|/price): least squares
# on h <= 14, relative error 6e-8. From z on; 1 is added to the second, the denominator.
FIT = np.array([
    (0.7082794125769175, -2.137058504655147, 2.9174547994546147, -1.3745140500445476,
     -0.4799137817884119, 1.0301683498565197),
    (-2.958754838790085, 4.472926654838942, -3.950926262168041, 4.10941089393923,
     -4.169074465331641, 3.1618624209385455),
])  # fmt: skip
FROM_BACHELIER = (1 / 24, 7 / 1920)
"""The vol at the money of the Bachelier vol r: r (1 + r^2 (1/24 + r^2 7/1920))."""
INFLECTION_Y = 4.0
"""Beyond it every price of the lower branch has s below the inflection point sqrt(2y), where the
fit, made near the money, would start too far up."""
TINY = 1e-150  # stands for a distance of 0: the limit at the money comes out exactly

Pair = tuple[np.ndarray, np.ndarray]


def implied_s(c: np.ndarray, m: np.ndarray, y: np.ndarray) -> Pair:
    """(s, elasticity) for c = price / min(F, K) in (0, 1), m = max/min - 1 and y = log1p(m).

    The price is out of the money and not discounted. The elasticity is d ln price / d ln s: the per
    cent of price that one per cent of vol is worth; here its inverse.
    """
    if np.maximum.reduce(c) <= UPPER_FROM:
        return _lower(c, m, y)
    upper = c > UPPER_FROM
    s, inverse = np.empty_like(c), np.empty_like(c)
    high, low = np.flatnonzero(upper), np.flatnonzero(~upper)
    s[high], inverse[high] = _upper(c[high], y[high])
    if low.size:
        s[low], inverse[low] = _lower(c[low], m[low], y[low])
    return s, inverse


def _lower(c: np.ndarray, m: np.ndarray, y: np.ndarray) -> Pair:
    if not np.minimum.reduce(m) > TINY:
        m, y = np.maximum(m, TINY), np.maximum(y, TINY)
    s, inverse = _bachelier_guess(c, m, y), np.empty_like(c)
    if np.maximum.reduce(y) > INFLECTION_Y:
        np.minimum(s, np.sqrt(2 * y), out=s, where=y > INFLECTION_Y)
    log_c = np.log(c)
    step, least = _step_down(log_c, y, s, inverse)
    if least > -LONG_STEP and np.maximum.reduce(step) < LONG_STEP:
        return s, inverse
    long = np.flatnonzero(~(np.abs(step) < LONG_STEP))
    for _ in range(MORE_STEPS):
        if not long.size:
            return s, inverse
        part, worth = s[long], np.empty(long.size)
        step, _ = _step_down(log_c[long], y[long], part, worth)
        s[long], inverse[long] = part, worth
        long = long[~(np.abs(step) < LONG_STEP)]
    s[long] = np.nan  # did not settle: no answer rather than a wrong one
    return s, inverse


def _step_down(
    log_c: np.ndarray, y: np.ndarray, s: np.ndarray, inverse: np.ndarray
) -> tuple[np.ndarray, float]:
    """Halley's step of ln c for every s, in place; the steps as a part of s (in a row of our own),
    and the least of them. Into `inverse` 1 / elasticity where the step began."""
    h, t, off, newton, halley = STEP.of(s.size)
    np.divide(y, s, h)
    np.multiply(s, 0.5, t)
    mean_slope(h, t, inverse)
    np.multiply(s, inverse, off)
    np.log(off, off)
    np.subtract(t, h, newton)
    np.add(t, h, halley)
    halley *= newton  # t^2 - h^2
    newton *= newton
    newton *= 0.5
    newton += LOG_SQ2PI
    newton -= off
    np.add(log_c, newton, off)
    np.multiply(off, inverse, newton)
    halley *= newton
    halley += off
    halley *= -0.5
    halley += 1.0
    newton /= halley
    least = np.minimum.reduce(newton)
    if least < -0.5:
        np.maximum(newton, -0.5, out=newton)
    np.multiply(newton, s, off)
    s += off
    return newton, least


def _upper(c: np.ndarray, y: np.ndarray) -> Pair:
    x = -y
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
    return s, c * largest / (s * density)


def _householder(
    newton: np.ndarray, halley: np.ndarray, third: np.ndarray, s: np.ndarray
) -> np.ndarray:
    below = 1.0 + newton * (halley + newton * third / 6.0)
    return np.maximum(newton * (1.0 + 0.5 * halley * newton) / below, -0.5 * s)


def _bachelier_guess(c: np.ndarray, m: np.ndarray, y: np.ndarray) -> np.ndarray:
    GUESS.of(c.size)
    work, z = GUESS.block[0], GUESS.block[1:]
    s = np.empty_like(c)
    np.divide(m, c, work)
    np.log1p(work, s)
    np.multiply(s, 0.25, work)
    work += 1.0
    np.divide(1.0, work, z[1])
    np.sqrt(z[1], z[0])
    np.multiply(z[:2], z[1], z[2:4])
    np.multiply(z[2:4], z[1], z[4:6])
    above, below = np.dot(FIT, z)
    below += 1.0
    s *= above
    np.divide(y, s, s)
    s *= below
    np.multiply(s, s, work)
    np.multiply(work, FROM_BACHELIER[1], below)
    below += FROM_BACHELIER[0]
    below *= work
    below += 1.0
    s *= below
    return s
