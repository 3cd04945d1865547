"""The forward of an expiry: its listed future, else put-call parity, else spot carried (synthetic)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

PARITY_STRIKES = 5
FEWEST_PARITY_STRIKES = 3


class Source(StrEnum):
    """Where a forward came from, best first."""

    FUTURE = "future"
    PARITY = "parity"
    SYNTHETIC = "synthetic"


class Forward(NamedTuple):
    value: float
    source: Source


class Ladder(NamedTuple):
    """Strikes with the mid of the call and of the put, NaN where that side is not two-sided."""

    strikes: Sequence[float]
    calls: Sequence[float]
    puts: Sequence[float]


def select(
    *, future: float | None, ladder: Ladder | None, spot: float | None, df: float, growth: float
) -> Forward | None:
    """The first of the sources that answers, and which it was; None when none does.

    `future` is the mid of the listed future of the *same* expiry (weeklies have none), `growth`
    exp((r - q) t) carries the living spot; a spot that is dead or unknown is passed as None.
    """
    if future is not None:
        return Forward(future, Source.FUTURE)
    implied = None if ladder is None else parity_forward(*ladder, df)
    if implied is not None:
        return Forward(implied, Source.PARITY)
    return None if spot is None else Forward(spot * growth, Source.SYNTHETIC)


def parity_forward(
    strikes: Sequence[float], calls: Sequence[float], puts: Sequence[float], df: float
) -> float | None:
    """The forward that put-call parity implies: the median over the 5 strikes nearest the money.

    A strike counts when both quotes are finite and above 0; the money is where call and put are
    closest. None with fewer than 3 such strikes.
    """
    k, c, p = (np.asarray(values, dtype=float) for values in (strikes, calls, puts))
    quoted = np.isfinite(c) & np.isfinite(p) & (c > 0) & (p > 0)
    if np.count_nonzero(quoted) < FEWEST_PARITY_STRIKES:
        return None
    k, gap = k[quoted], (c - p)[quoted]
    nearest = np.argsort(np.abs(gap), kind="stable")[:PARITY_STRIKES]
    return float(np.median(k[nearest] + gap[nearest] / df))
