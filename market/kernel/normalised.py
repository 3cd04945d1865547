"""The normalised Black function and its inverse: b(x, s) for out-of-the-money options.

After P. Jaeckel, "Let's Be Rational" (2015): with x = -|ln(F/K)| and s = vol * sqrt(t),
b = undiscounted price / sqrt(F K). The lower branch iterates on 1/ln b and the upper on the
distance to the largest price, so neither loses digits to cancellation; the starting point of the
lower branch is our own fit of the Bachelier vol. Each step is Householder's of third order.
"""

import math

import numpy as np
from scipy.special import erfcx, ndtr, ndtri

SQ2PI = math.sqrt(2 * math.pi)
ISQ2PI = 1 / SQ2PI
ISQ2 = math.sqrt(0.5)
SQPI2 = math.sqrt(math.pi / 2)
LOG_SQ2PI = math.log(SQ2PI)

UPPER_FROM = 0.35  # of the largest price
LOWER_STEPS = 2
UPPER_STEPS = 3

# |F-K|/(s N) as a polynomial in 1/sqrt(1 + L/4), L = log1p(|F-K|/price): least squares, 3e-5.
_BACHELIER = (
    -0.0003041301756421752, 0.7182986696959544, -0.16852195085926708, 0.37544453799302535,
    -1.1984368918360964, -3.0849937905346527, 24.250481545627338, -60.32335433566395,
    73.23017246197864, -43.63157446485945, 10.231742626944758,
)  # fmt: skip


def log_ratio(forward: np.ndarray, strike: np.ndarray) -> np.ndarray:
    """ln(F/K), accurate to the last digits near the money, where F - K is exact."""
    return np.log1p((forward - strike) / strike)


def implied_s(b: np.ndarray, x: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """s of the out-of-the-money price b, with distance = |F-K|/sqrt(FK); 0 < b < exp(x/2)."""
    largest = np.exp(0.5 * x)
    upper = b > UPPER_FROM * largest
    if not upper.any():
        return _lower(b, x, distance)
    s = np.empty_like(x)
    s[~upper] = _lower(b[~upper], x[~upper], distance[~upper])
    s[upper] = _upper(b[upper], x[upper], largest[upper])
    return s


def _lower(b: np.ndarray, x: np.ndarray, distance: np.ndarray) -> np.ndarray:
    s = _bachelier_guess(b, distance, x)
    log_b = np.log(b)
    for _ in range(LOWER_STEPS):
        h, t = x / s, 0.5 * s
        h2 = h * h
        ratio = _price_over_density(h, t)
        log_now = np.log(ratio) - (0.5 * (h2 + t * t) + LOG_SQ2PI)
        slope, inverse = 1.0 / ratio, 1.0 / log_now
        newton = (log_b - log_now) * log_now * ratio / log_b
        curve = h2 / s - 0.5 * t
        pull = slope * (1 + 2 * inverse)
        third = (
            curve * (curve - 3 * pull) - 3 * h2 / (s * s) - 0.25
            + 2 * slope * slope * (1 + 3 * inverse * (1 + inverse))
        )  # fmt: skip
        s = s + _householder(newton, curve - pull, third, s)
    return s


def _upper(b: np.ndarray, x: np.ndarray, largest: np.ndarray) -> np.ndarray:
    half_gap = 0.5 * (largest - b)
    s = np.maximum(-2 * ndtri(half_gap), 1.0)
    s = np.maximum(-2 * ndtri(np.minimum(half_gap * np.exp(0.5 * (x / s) ** 2), 0.45)), 0.3)
    for _ in range(UPPER_STEPS):
        h, t = x / s, 0.5 * s
        h2 = h * h
        density = ISQ2PI * np.exp(-0.5 * (h2 + t * t))
        gap = largest * ndtr(-h - t) + ndtr(h - t) / largest
        slope = density / gap
        newton = -np.log((largest - b) / gap) / slope
        curve = h2 / s - 0.5 * t
        third = curve * curve - 3 * h2 / (s * s) - 0.25 + slope * (2 * slope + 3 * curve)
        s = s + _householder(newton, curve + slope, third, s)
    return s


def _householder(
    newton: np.ndarray, halley: np.ndarray, third: np.ndarray, s: np.ndarray
) -> np.ndarray:
    step = newton * (1 + 0.5 * halley * newton) / (1 + newton * (halley + third * newton / 6))
    return np.maximum(step, -0.5 * s)


def _price_over_density(h: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Y(h+t) - Y(h-t) with Y = Phi/phi; b = phi(h) exp(-t^2/2) times this, for h <= 0 < t."""
    tiny = (t < 0.1) & (h > -8.0)
    if not tiny.any():
        return _difference(h, t)
    if tiny.all():
        return _series(h, t)
    out = np.empty_like(h)
    out[tiny] = _series(h[tiny], t[tiny])
    out[~tiny] = _difference(h[~tiny], t[~tiny])
    return out


def _difference(h: np.ndarray, t: np.ndarray) -> np.ndarray:
    return SQPI2 * (erfcx(-ISQ2 * (h + t)) - erfcx(-ISQ2 * (h - t)))


def _series(h: np.ndarray, t: np.ndarray) -> np.ndarray:
    """2 * sum over odd n of Y^(n)(h) t^n / n!, where Y' = 1 + hY and Y^(n+1) = hY^(n) + nY^(n-1)."""
    y = SQPI2 * erfcx(-ISQ2 * h)
    g, w = h * h, t * t
    a = 1 + h * y
    r = (-6555 + 10395 * a + g * (-4680 + 17325 * a + g * (-840 + 6930 * a + g * (-52 + 990 * a + g * (-1 + 55 * a + a * g))))) / 39916800  # fmt: skip
    r = (-561 + 945 * a + g * (-285 + 1260 * a + g * (-33 + 378 * a + g * (-1 + 36 * a + a * g)))) / 362880 + w * r  # fmt: skip
    r = (-57 + 105 * a + g * (-18 + 105 * a + g * (-1 + 21 * a + a * g))) / 5040 + w * r
    r = (-7 + 15 * a + g * (-1 + 10 * a + a * g)) / 120 + w * r
    r = (-1 + 3 * a + a * g) / 6 + w * r
    return 2 * t * (a + w * r)


def _bachelier_guess(b: np.ndarray, distance: np.ndarray, x: np.ndarray) -> np.ndarray:
    far = np.log1p(distance / b)
    z = 1 / np.sqrt(1 + 0.25 * far)
    fit = np.full_like(z, _BACHELIER[-1])
    for coefficient in _BACHELIER[-2::-1]:
        fit = fit * z + coefficient
    apart = far > 1e-9
    normal = np.where(apart, distance / np.where(apart, far, 1.0), b) / fit
    away = distance > 1e-8
    r = normal * np.where(away, -x / np.where(away, distance, 1.0), 1.0)
    r2 = r * r
    return r * (1 + r2 * (1 / 24 + r2 * (7 / 1920 + r2 * (127 / 322560))))
