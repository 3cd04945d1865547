import math

import numpy as np
import pytest

from market.kernel.pricing import price
from market.kernel.scenario import ScenarioLegs, scenario_grid

SPOT, RATE = 24_500.0, 0.065
NEVER = float("nan")


def legs(*rows):
    """units, strike, t, vol, is_call, forward"""
    return ScenarioLegs(*(np.array(column) for column in zip(*rows, strict=True)))


def carried(t):
    return SPOT * math.exp(RATE * t)


def test_a_cell_is_the_sum_of_black_76_values_on_each_legs_own_forward():
    near, far = 5 / 365, 33 / 365
    book = legs(
        (-75.0, 24_500.0, near, 0.13, True, carried(near)),
        (75.0, 24_300.0, far, 0.15, False, carried(far)),
    )
    spots, times, vols = [23_800.0, 24_500.0, 25_200.0], [0.0, 2 / 365], [-0.02, 0.0, 0.03]

    found = scenario_grid(book, spots, times, vols, spot=SPOT, rate=RATE)

    assert found.shape == (3, 2, 3)
    for i, spot in enumerate(spots):
        for j, passed in enumerate(times):
            for k, shift in enumerate(vols):
                expected = 0.0
                for units, strike, t, vol, is_call, _ in zip(
                    *(c.tolist() for c in book), strict=True
                ):
                    left = t - passed
                    forward, df = spot * math.exp(RATE * left), math.exp(-RATE * left)
                    expected += units * price(forward, strike, left, df, vol + shift, is_call)
                assert found[i, j, k] == pytest.approx(expected, abs=1e-6)


def test_a_leg_past_its_expiry_is_worth_its_intrinsic_value():
    book = legs((75.0, 24_500.0, 2 / 365, 0.13, True, carried(2 / 365)))

    found = scenario_grid(
        book, [24_400.0, 24_500.0, 24_650.0], [3 / 365], [0.0], spot=SPOT, rate=RATE
    )

    assert found[:, 0, 0] == pytest.approx([0.0, 0.0, 150.0 * 75], abs=1e-8)


def test_a_future_counts_with_its_forward_and_knows_no_vol():
    t = 30 / 365
    book = legs((65.0, NEVER, t, 0.0, False, carried(t)))

    found = scenario_grid(book, [24_000.0], [0.0, t], [-0.05, 0.05], spot=SPOT, rate=RATE)

    assert found[0, 0] == pytest.approx([65 * 24_000 * math.exp(RATE * t)] * 2)
    assert found[0, 1] == pytest.approx([65 * 24_000.0] * 2)


def test_a_fall_in_vol_stops_above_zero():
    t = 10 / 365
    book = legs((75.0, 24_000.0, t, 0.10, True, carried(t)))

    found = scenario_grid(book, [24_500.0], [0.0], [-0.5], spot=SPOT, rate=RATE)

    assert found[0, 0, 0] == pytest.approx(75 * (24_500 - 24_000 * math.exp(-RATE * t)))


@pytest.mark.parametrize(
    ("spots", "vol", "words"), [([0.0], 0.1, "above 0"), ([24_500.0], math.nan, "finite")]
)
def test_a_market_that_cannot_be_is_refused(spots, vol, words):
    book = legs((75.0, 24_000.0, 0.1, vol, True, carried(0.1)))

    with pytest.raises(ValueError, match=words):
        scenario_grid(book, spots, [0.0], [0.0], spot=SPOT, rate=RATE)
