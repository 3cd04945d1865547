"""How far the index may go by a date, and how likely a profit is: one lognormal, named.

The settlement S at a date `years` away is lognormal with mean `forward` and standard deviation of
ln S of vol x sqrt(years); the vol is one number, that of the at-the-money strike. It is the market's
price of risk, not a forecast, and it knows no smile: far wings are likelier than it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from scipy.special import ndtr

DEFINITION = "lognormal on the forward at the at-the-money implied volatility"
SIGMAS = (1, 2)
HALF_A_PAISA = 0.005  # rupees of profit below it are none


@dataclass(frozen=True, slots=True)
class Band:
    """The index ends between `low` and `high` with `probability`: `sigma` deviations of its log."""

    sigma: int
    low: float
    high: float
    probability: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """The lognormal of the index at a date: forward in points, vol a year (0.13), years above 0."""

    forward: float
    vol: float
    years: float

    def __post_init__(self) -> None:
        for name in ("forward", "vol", "years"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be above 0, not {value}.")

    @property
    def deviation(self) -> float:
        return self.vol * sqrt(self.years)

    @property
    def median(self) -> float:
        return self.forward * exp(-0.5 * self.deviation**2)

    def below(self, level: float) -> float:
        """Probability that the index ends below the level."""
        if level <= 0:
            return 0.0
        return float(ndtr(log(level / self.median) / self.deviation))

    def bands(self) -> tuple[Band, ...]:
        """One and two sigma around the median: 68.27% and 95.45%."""
        return tuple(
            Band(
                n,
                self.median * exp(-n * self.deviation),
                self.median * exp(n * self.deviation),
                float(ndtr(n) - ndtr(-n)),
            )
            for n in SIGMAS
        )

    def probability_of_profit(
        self, profit: Callable[[np.ndarray], np.ndarray], breakevens: Sequence[float]
    ) -> float:
        """Probability that the profit at that date, before charges, is above 0.

        `breakevens` are all its zeros; its sign between two of them is that of the middle.
        """
        cuts = [0.0, *sorted(even for even in breakevens if even > 0)]
        total = 0.0
        for index, low in enumerate(cuts):
            high = cuts[index + 1] if index + 1 < len(cuts) else None
            inside = max(2 * low, self.forward) if high is None else (low + high) / 2
            if profit(np.array([inside]))[0] > HALF_A_PAISA:
                total += (1.0 if high is None else self.below(high)) - self.below(low)
        return total
