"""Breakevens and bounds of a profit that is not made of straight lines: by searching, not by kinks.

Where legs outlive the first expiry (calendars, diagonals) the profit at that expiry is a smooth
curve between the strikes that expire. Its extremes are refined and its zeros are bracketed on a
grid that has every such strike as a node, so no crossing inside the searched range is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Profit = Callable[[np.ndarray], np.ndarray]

CLOSE, FAR = 600, 120  # nodes around the strikes, and in the rest of the range
AROUND = 0.15  # the close nodes reach this far beyond the outer strikes
FARTHEST = 2.0  # times the highest strike: where the search ends
PAISA = 0.01  # rises below it are rounding, not an extreme


@dataclass(frozen=True, slots=True)
class Bounds:
    """Breakevens ascending; `max_profit` and `max_loss` as in `payoff.PayoffSummary`.

    They were looked for at spots from `low` to `high`; a bound of None has no end beyond it.
    """

    breakevens: tuple[float, ...]
    max_profit: float | None
    max_loss: float | None
    low: float
    high: float


def search(profit: Profit, corners: Sequence[float], *, slope: float) -> Bounds:
    """The zeros and extremes of `profit` for spots of 0 to twice the highest corner.

    `corners` are the strikes (or, without any, a spot) and must be above 0; between them the profit
    is smooth. `slope` is its slope far above them, in units: above 0 the best has no end, below 0
    the worst has none. Zeros are to a millionth of a point; one that only touches 0 between two
    nodes is not reported.
    """
    if not corners or min(corners) <= 0:
        raise ValueError("corners must be strikes or spots above 0; give at least one.")
    nodes = _nodes(corners)
    values = profit(nodes)
    found = _refined(profit, nodes, values)
    if found:
        nodes = np.unique(np.concatenate([nodes, found]))
        values = profit(nodes)
    return Bounds(
        breakevens=_zeros(profit, nodes, values),
        max_profit=None if slope > 0 else float(values.max()),
        max_loss=None if slope < 0 else float(values.min()),
        low=0.0,
        high=float(nodes[-1]),
    )


def _nodes(corners: Sequence[float]) -> np.ndarray:
    low, high = min(corners), max(corners)
    return np.unique(
        np.concatenate([
            np.linspace(0.0, FARTHEST * high, FAR),
            np.linspace(low * (1 - AROUND), high * (1 + AROUND), CLOSE),
            np.asarray(corners, dtype=float),
        ])
    )  # fmt: skip


def _refined(profit: Profit, nodes: np.ndarray, values: np.ndarray) -> list[float]:
    """Where the profit turns between nodes, looked for on both sides of each node that stands out."""
    from scipy.optimize import minimize_scalar  # late, as brentq below

    rise, fall = np.diff(values)[:-1], -np.diff(values)[1:]
    turns = (rise * fall > 0) & (np.maximum(np.abs(rise), np.abs(fall)) > PAISA)
    found = []
    for index in np.flatnonzero(turns) + 1:
        sign = -1.0 if values[index] > values[index - 1] else 1.0
        for left in (index - 1, index):
            answer = minimize_scalar(
                lambda x, sign=sign: sign * _at(profit, x),
                bounds=(nodes[left], nodes[left + 1]),
                method="bounded",
                options={"xatol": 1e-4},
            )
            found.append(float(answer.x))
    return found


def _zeros(profit: Profit, nodes: np.ndarray, values: np.ndarray) -> tuple[float, ...]:
    found = {float(x) for x, y in zip(nodes, values, strict=True) if y == 0}
    from scipy.optimize import (
        brentq,  # a third of a second, in every process, for a page a few ask for
    )

    for index in np.flatnonzero(values[:-1] * values[1:] < 0):
        low, high = float(nodes[index]), float(nodes[index + 1])
        found.add(float(brentq(lambda x: _at(profit, x), low, high, xtol=1e-6)))
    return tuple(sorted(found))


def _at(profit: Profit, spot: float) -> float:
    return float(profit(np.array([spot]))[0])
