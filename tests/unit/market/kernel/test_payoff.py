import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.payoff import PayoffLeg, curve, expiry_payoff, summary


def leg(side, option_type, strike, price, quantity=65):
    return PayoffLeg(side, quantity, option_type, strike, price)


CONDOR = [
    leg(1, "PE", 24_000, 20.0),
    leg(-1, "PE", 24_200, 50.0),
    leg(-1, "CE", 24_800, 55.0),
    leg(1, "CE", 25_000, 25.0),
]
legs = st.builds(
    leg,
    st.sampled_from([1, -1]),
    st.sampled_from(["CE", "PE"]),
    st.integers(1, 100).map(lambda n: n * 10.0),
    st.integers(0, 200).map(float),
    st.integers(1, 5),
)


def test_an_iron_condor_earns_its_credit_and_loses_its_width_less_that():
    found = summary(CONDOR)

    assert found.premium == 65 * 60.0
    assert found.max_profit == 65 * 60.0
    assert found.max_loss == -65 * 140.0
    assert found.breakevens == (24_140.0, 24_860.0)
    assert found.kinks == (24_000.0, 24_200.0, 24_800.0, 25_000.0)


def test_a_short_straddle_has_unbounded_loss_above_and_a_named_profit():
    found = summary([leg(-1, "CE", 24_500, 120.0), leg(-1, "PE", 24_500, 130.0)])

    assert found.max_loss is None
    assert found.max_profit == 65 * 250.0
    assert found.breakevens == (24_250.0, 24_750.0)


def test_a_short_put_loses_at_most_its_strike():
    found = summary([leg(-1, "PE", 24_500, 100.0, 1)])

    assert (found.max_profit, found.max_loss) == (100.0, -24_400.0)
    assert found.breakevens == (24_400.0,)


def test_a_long_call_has_unbounded_profit_beyond_its_breakeven():
    found = summary([leg(1, "CE", 24_500, 100.0, 1)])

    assert (found.max_profit, found.max_loss) == (None, -100.0)
    assert found.breakevens == (24_600.0,)


def test_a_covered_call_is_a_short_put_in_disguise():
    found = summary([leg(1, "FUT", None, 24_500.0, 1), leg(-1, "CE", 24_800, 90.0, 1)])

    assert (found.max_profit, found.max_loss) == (390.0, -24_410.0)
    assert found.breakevens == (24_410.0,)
    assert found.premium == 90.0


def test_a_ratio_spread_breaks_even_twice_and_loses_without_bound():
    found = summary([leg(1, "CE", 24_500, 100.0, 1), leg(-1, "CE", 24_700, 40.0, 2)])

    assert found.breakevens == (24_520.0, 24_880.0)
    assert (found.max_profit, found.max_loss) == (180.0, None)


def test_no_legs_are_worth_nothing():
    found = summary([])

    assert (found.max_profit, found.max_loss, found.premium) == (0.0, 0.0, 0.0)


def test_the_payoff_is_exact_at_each_spot():
    spots = [23_000, 24_100, 24_500, 24_900, 26_000]

    assert expiry_payoff(CONDOR, spots).tolist() == [-9100.0, -2600.0, 3900.0, -2600.0, -9100.0]


@given(st.lists(legs, min_size=1, max_size=6))
def test_no_spot_pays_more_than_the_best_or_less_than_the_worst(book):
    found = summary(book)
    profits = expiry_payoff(book, np.linspace(0, 3000, 301))

    if found.max_profit is not None:
        assert profits.max() <= found.max_profit + 1e-6
    if found.max_loss is not None:
        assert profits.min() >= found.max_loss - 1e-6
    assert expiry_payoff(book, np.array(found.breakevens)) == pytest.approx(0, abs=1e-6)


def test_the_curve_at_expiry_is_the_payoff():
    spots = np.array([23_000.0, 24_150.0, 24_500.0, 25_400.0])

    assert curve(CONDOR, spots, 0.0, 0.15) == pytest.approx(expiry_payoff(CONDOR, spots))


def test_before_expiry_a_condor_is_below_its_best_and_above_its_worst():
    now = curve(CONDOR, [24_500.0, 26_500.0], 7 / 365, np.array([0.15, 0.14, 0.12, 0.12]))

    assert -9100.0 < now[1] < now[0] < 3900.0


def test_a_calendar_keeps_the_far_legs_time_value_when_the_near_expires():
    book = [leg(-1, "CE", 24_500, 100.0), leg(1, "CE", 24_500, 180.0)]

    at_near_expiry = curve(book, [24_500.0], np.array([0.0, 7 / 365]), 0.14, rate=0.0)

    assert at_near_expiry[0] == pytest.approx(
        65 * (-80 + 24_500 * 0.14 * (7 / 365) ** 0.5 * 0.39894), rel=1e-3
    )


def test_a_future_in_the_curve_follows_its_basis():
    book = [leg(1, "FUT", None, 24_500.0, 65)]

    assert curve(book, [24_500.0], 30 / 365, 0.0, basis=1.01) == pytest.approx([65 * 245.0])
