"""The lognormal of the index at a date: bands, and the odds of a profit."""

from math import exp, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.outlook import Outlook
from market.kernel.payoff import PayoffLeg, expiry_payoff, summary

WEEK = Outlook(24_600.0, 0.13, 7 / 365)
STRANGLE = [PayoffLeg(-1, 65, "CE", 24_900.0, 100.0), PayoffLeg(-1, 65, "PE", 24_300.0, 80.0)]


@pytest.fixture(scope="module")
def law():
    """The distribution as scipy has it; imported late: it takes a second, and every worker collects this file."""
    from scipy.stats import lognorm

    return lognorm(s=WEEK.deviation, scale=WEEK.median)


def odds(legs, outlook):
    return outlook.probability_of_profit(
        lambda spots: expiry_payoff(legs, spots), summary(legs).breakevens
    )


def test_one_sigma_holds_68_and_two_hold_95_percent_around_the_median():
    one, two = WEEK.bands()

    deviation = 0.13 * sqrt(7 / 365)
    assert one.low == pytest.approx(24_600 * exp(-(deviation**2) / 2 - deviation), rel=1e-12)
    assert two.high == pytest.approx(24_600 * exp(-(deviation**2) / 2 + 2 * deviation), rel=1e-12)
    assert (round(one.probability, 4), round(two.probability, 4)) == (0.6827, 0.9545)
    for band in (one, two):
        assert WEEK.below(band.high) - WEEK.below(band.low) == pytest.approx(band.probability)


def test_the_mean_of_the_distribution_is_the_forward(law):
    assert law.mean() == pytest.approx(24_600.0, rel=1e-12)
    assert WEEK.below(25_000.0) == pytest.approx(law.cdf(25_000.0), rel=1e-12)


def test_the_odds_of_a_short_strangle_are_those_of_ending_between_its_breakevens(law):
    assert summary(STRANGLE).breakevens == (24_120.0, 25_080.0)
    assert odds(STRANGLE, WEEK) == pytest.approx(law.cdf(25_080) - law.cdf(24_120), rel=1e-12)


def test_a_trade_that_cannot_lose_has_all_the_odds_and_one_that_cannot_win_none():
    gift = [PayoffLeg(1, 65, "CE", 24_500.0, -1.0)]
    waste = [PayoffLeg(1, 65, "CE", 24_500.0, 400.0), PayoffLeg(-1, 65, "CE", 24_600.0, 290.0)]

    assert odds(gift, WEEK) == 1.0
    assert odds(waste, WEEK) == 0.0


def test_breaking_even_on_a_flat_stretch_is_no_profit():
    free = [PayoffLeg(1, 65, "CE", 24_500.0, 0.0)]

    assert odds(free, WEEK) == pytest.approx(1 - WEEK.below(24_500.0))


legs = st.lists(
    st.builds(
        PayoffLeg,
        st.sampled_from([1, -1]),
        st.sampled_from([65, 130]),
        st.sampled_from(["CE", "PE"]),
        st.integers(470, 515).map(lambda step: step * 50.0),
        st.floats(1, 600),
    ),
    min_size=1,
    max_size=4,
)


@given(book=legs)
def test_the_odds_are_the_integral_of_the_density_where_there_is_a_profit(law, book):
    from scipy.integrate import quad

    cuts = [0.0, *(even for even in summary(book).breakevens if even > 0), 60_000.0]

    def mass(low, high):
        inside = expiry_payoff(book, np.array([(low + high) / 2]))[0] > 0.005
        # in the log of the spot the density is smooth, and its mass lies within ten deviations
        start = max(low, WEEK.median * exp(-10 * WEEK.deviation))
        end = min(high, WEEK.median * exp(10 * WEEK.deviation))
        return quad(law.pdf, start, end, limit=200)[0] if inside and end > start else 0.0

    expected = sum(mass(low, high) for low, high in zip(cuts, cuts[1:], strict=False))
    assert odds(book, WEEK) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("numbers", "name"),
    [((0.0, 0.13, 0.02), "forward"), ((24_600.0, 0.0, 0.02), "vol"), ((24_600.0, 0.13, 0.0), "years"),
     ((24_600.0, float("nan"), 0.02), "vol")],
)  # fmt: skip
def test_an_outlook_without_a_number_is_refused_by_name(numbers, name):
    with pytest.raises(ValueError, match=name):
        Outlook(*numbers)
