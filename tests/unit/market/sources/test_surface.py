"""The simulated surface allows no free money at any strike, in any expiry, at any level."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.sources import surface
from market.sources.surface import prices, theta, total_variance

FORWARD = 24_500.0
STRIKES = np.linspace(0.6, 1.6, 401) * FORWARD
variances = st.floats(1e-7, 0.5)
moneyness = st.floats(-0.5, 0.5)


@given(atm=variances)
def test_calls_fall_with_the_strike_and_are_convex_in_it(atm):
    calls = prices(FORWARD, STRIKES, atm, 1.0, True)  # noqa: FBT003 - a call

    slopes = np.diff(calls) / np.diff(STRIKES)
    assert (slopes <= 1e-9).all()
    assert (slopes >= -1 - 1e-9).all()
    assert (np.diff(slopes) >= -1e-9).all()


@given(k=moneyness, near=variances, more=st.floats(0, 0.5))
def test_total_variance_does_not_fall_with_the_expiry(k, near, more):
    assert total_variance(k, near + more) >= total_variance(k, near) * (1 - 1e-12)


@given(level=st.floats(0.05, 1), tau=st.floats(0, 3), more=st.floats(0, 3))
def test_at_the_money_variance_does_not_fall_with_time(level, tau, more):
    assert theta(level, tau + more) >= theta(level, tau) * (1 - 1e-12)


@given(atm=variances)
def test_at_the_money_it_is_the_given_variance(atm):
    assert total_variance(0.0, atm) == pytest.approx(atm, rel=1e-12)


@given(atm=variances, df=st.floats(0.9, 1))
def test_put_call_parity_holds(atm, df):
    gap = prices(FORWARD, STRIKES, atm, df, True) - prices(FORWARD, STRIKES, atm, df, False)  # noqa: FBT003

    assert gap == pytest.approx(df * (FORWARD - STRIKES), abs=1e-6)


def test_nothing_to_come_is_worth_its_intrinsic_value():
    assert prices(FORWARD, np.array([24_000.0, 25_000.0]), 0.0, 1.0, True).tolist() == [500.0, 0.0]  # noqa: FBT003


def test_the_worked_table_of_the_page():
    """docs/algorithms/simulated-market.md: a week at 12.5%, in percent a year."""
    tau = 5 / 252
    atm = theta(0.125, tau)
    vols = [
        float(np.sqrt(total_variance(np.log(k), atm) / tau)) for k in (0.96, 0.98, 1.0, 1.02, 1.04)
    ]

    assert [f"{vol:.2%}" for vol in vols] == VOLS
    assert atm == pytest.approx((0.125 * (1 + 0.15 * exp(-1))) ** 2 * tau)
    assert surface.ETA**2 * (1 + abs(surface.RHO)) <= 4


VOLS = ["16.10%", "14.50%", "13.19%", "12.63%", "12.90%"]
