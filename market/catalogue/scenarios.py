"""Profit of priced legs over a grid of index moves, days passed and volatility shifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from market.catalogue.legs import Priced
from market.kernel import pricing
from market.kernel.scenario import ScenarioLegs, scenario_grid
from users.errors import Refused

DAYS_A_YEAR = 365
POINTS = 100


@dataclass(frozen=True, slots=True)
class Scenarios:
    """The index levels, and profit in rupees by [level][day][shift], before charges."""

    spots: np.ndarray
    profit: np.ndarray


def scenarios(
    legs: Sequence[Priced],
    spot: float,
    *,
    percents: Sequence[float],
    days: Sequence[int],
    points: Sequence[float],
) -> Scenarios:
    """`percents` of the spot, calendar `days` from now, `points` of volatility on every leg.

    Refused names the first option whose price implies no volatility: its future value is unknown.
    """
    spots = spot * (1 + np.asarray(percents, dtype=float) / 100)
    value = scenario_grid(
        _columns(legs, spot),
        spots,
        np.asarray(days, dtype=float) / DAYS_A_YEAR,
        np.asarray(points, dtype=float) / POINTS,
        spot=spot,
        rate=pricing.RATE,
    )
    paid = sum(each.leg.units * each.leg.price for each in legs)
    return Scenarios(spots, value - paid)


def _columns(legs: Sequence[Priced], spot: float) -> ScenarioLegs:
    for index, each in enumerate(legs):
        if each.wanted.contract.is_option and each.iv is None:
            raise Refused(
                "no_volatility",
                f"The price of {each.wanted.contract.symbol} implies no volatility now.",
                fix="Leave the scenarios out, or choose a strike with time value.",
                field=f"legs/{index}",
            )
    return ScenarioLegs(
        units=np.array([each.leg.units for each in legs], dtype=float),
        strike=np.array([np.nan if each.leg.strike is None else each.leg.strike for each in legs]),
        t=np.array([each.years for each in legs]),
        vol=np.array([each.iv or 0.0 for each in legs]),
        is_call=np.array([each.wanted.contract.is_call for each in legs]),
        forward=np.array([each.carry * spot for each in legs]),
    )
