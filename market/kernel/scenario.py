"""What a book of options and futures is worth over a grid of spots, times and volatilities."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from market.kernel.normalised import ISQ2PI

LOWEST_VOL = 1e-4
ALWAYS = 1e300  # stands for d1 of a leg at expiry in the money

STEPS = 512
LAST = 9 * STEPS
_KNOTS = np.arange(-LAST, LAST + 1) / STEPS
_DENSITY = np.exp(-0.5 * _KNOTS * _KNOTS) * ISQ2PI / STEPS
NORMAL = (
    ndtr(_KNOTS),
    _DENSITY,
    _DENSITY * -_KNOTS / (2 * STEPS),
    _DENSITY * (_KNOTS * _KNOTS - 1) / (6 * STEPS * STEPS),
)
"""Taylor's coefficients of the normal distribution at 1/512 apart: the sum is good to 5e-14, which is
a billionth of an index point, at a third of the time of the function itself."""


class ScenarioLegs(NamedTuple):
    """One entry a leg: signed `units` (lots x lot size, sold below 0), `strike` (NaN for a future),
    `t` years to expiry, `vol`, `is_call`, and `forward` at today's `spot`."""

    units: np.ndarray
    strike: np.ndarray
    t: np.ndarray
    vol: np.ndarray
    is_call: np.ndarray
    forward: np.ndarray


def scenario_grid(
    legs: ScenarioLegs, spots: Any, times: Any, vols: Any, *, spot: float, rate: float
) -> np.ndarray:
    """Black-76 value of the book in rupees, shape (spots, times, vols).

    `spots` are levels of the index, `times` years from now, `vols` shifts of every leg's vol (0.01
    is one point; no vol falls below 0.0001). Each leg keeps its own carry ln(forward/spot)/t, so its
    forward meets the spot at its expiry; from then on it is worth its intrinsic value. A future
    counts with its forward price. ValueError for a spot or strike of 0 or less.
    """
    levels, later, shifts = (np.asarray(a, dtype=float).ravel() for a in (spots, times, vols))
    legs = ScenarioLegs(*(np.asarray(column) for column in legs))
    if (levels <= 0).any() or spot <= 0 or (legs.strike <= 0).any():
        raise ValueError("scenario_grid: spots and strikes must be above 0")
    known = (legs.units, legs.t, legs.vol, legs.forward, levels, later, shifts)
    if not all(np.isfinite(column).all() for column in known):
        raise ValueError("scenario_grid: units, t, vol, forwards and the grid must be finite")
    options = ~np.isnan(legs.strike)
    held = ScenarioLegs(*(column[options] for column in legs))
    futures = ScenarioLegs(*(column[~options] for column in legs))
    out = np.empty((levels.size, later.size, shifts.size))
    distance = np.log(np.divide.outer(levels, held.strike))
    for j, passed in enumerate(later):
        growth, _, _ = _carried(futures, passed, spot)
        out[:, j, :] = np.multiply.outer(levels, growth @ futures.units)[:, None]
        _add_options(out[:, j, :], held, distance, levels, (passed, spot, rate), shifts)
    return out


def _carried(
    legs: ScenarioLegs, passed: float, spot: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forward over spot, its logarithm, and the years left, once `passed` years have gone by."""
    left = np.maximum(legs.t - passed, 0.0)
    share = np.divide(left, legs.t, out=np.zeros_like(left), where=legs.t > 0)
    drift = np.log(legs.forward / spot) * share
    return np.exp(drift), drift, left


def _add_options(
    out: np.ndarray,
    legs: ScenarioLegs,
    distance: np.ndarray,
    levels: np.ndarray,
    at: tuple[float, float, float],
    shifts: np.ndarray,
) -> None:
    """All as calls, two matrix products a cell of (time, vol); puts follow by parity."""
    passed, spot, rate = at
    growth, drift, left = _carried(legs, passed, spot)
    weight = legs.units * np.exp(-rate * left)
    per_spot, fixed = weight * growth, weight * legs.strike
    puts = ~legs.is_call.astype(bool)
    parity = levels * per_spot[puts].sum() - fixed[puts].sum()
    x = distance + drift
    alive = left > 0
    x[:, ~alive] = np.where(x[:, ~alive] > 0, ALWAYS, -ALWAYS)
    d = np.empty_like(x)
    for i, shift in enumerate(shifts):
        s = np.where(alive, np.maximum(legs.vol + shift, LOWEST_VOL) * np.sqrt(left), 1.0)
        np.multiply(x, 1.0 / s, out=d)
        d += 0.5 * s
        value = levels * (_normal(d) @ per_spot)
        d -= s
        value -= _normal(d) @ fixed
        out[:, i] += value - parity


def _normal(z: np.ndarray) -> np.ndarray:
    scaled = z * STEPS
    np.clip(scaled, -LAST, LAST, out=scaled)
    knot = np.rint(scaled)
    scaled -= knot
    knot += LAST
    index = knot.astype(np.intp)
    total = NORMAL[-1].take(index)
    for coefficients in NORMAL[-2::-1]:
        total *= scaled
        total += coefficients.take(index)
    return total
