"""Breakevens and bounds by searching: calendars, diagonals, and the exact cases they must agree with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.near_expiry import search
from market.kernel.payoff import PayoffLeg, curve, expiry_payoff, summary

WEEK = 7 / 365


def call(side, strike, price):
    return PayoffLeg(side, 65, "CE", strike, price)


CALENDAR = [call(-1, 24_500.0, 100.0), call(1, 24_500.0, 180.0)]


def calendar_profit(spots):
    return curve(CALENDAR, spots, np.array([0.0, WEEK]), 0.14)


def test_the_breakevens_of_a_calendar_are_zeros_of_its_curve_to_a_millionth():
    found = search(calendar_profit, [24_500.0], slope=0)

    assert len(found.breakevens) == 2
    low, high = found.breakevens
    assert low < 24_500 < high
    assert calendar_profit(np.array(found.breakevens)) == pytest.approx([0, 0], abs=1e-3)


def test_a_calendar_earns_most_at_its_strike_and_loses_no_more_than_it_paid():
    found = search(calendar_profit, [24_500.0], slope=0)

    assert found.max_profit == pytest.approx(calendar_profit(np.array([24_500.0]))[0])
    assert found.max_loss == pytest.approx(-80.0 * 65)
    assert (found.low, found.high) == (0.0, 49_000.0)


def test_a_summit_between_two_nodes_is_found():
    found = search(lambda s: 1000.0 - ((s - 24_507.3) / 10) ** 2, [24_500.0], slope=-1)

    assert found.max_profit == pytest.approx(1000.0, abs=1e-6)
    assert found.max_loss is None
    assert found.breakevens == pytest.approx((24_507.3 - 316.227766, 24_507.3 + 316.227766), abs=1e-5)


def test_two_crossings_between_neighbouring_nodes_are_both_found():
    # the profit is above 0 over 2 points only, far less than the nodes are apart
    found = search(lambda s: 1.0 - (s - 24_504.2) ** 2, [24_500.0], slope=-1)

    assert found.breakevens == pytest.approx((24_503.2, 24_505.2), abs=1e-5)


def test_a_crossing_far_beyond_the_strikes_is_found():
    found = search(lambda s: s - 44_000.0, [24_500.0], slope=1)

    assert found.breakevens == pytest.approx((44_000.0,), abs=1e-5)
    assert found.max_profit is None


def test_a_search_without_a_strike_is_refused():
    with pytest.raises(ValueError, match="corners"):
        search(calendar_profit, [], slope=0)
    with pytest.raises(ValueError, match="corners"):
        search(calendar_profit, [0.0], slope=0)


legs = st.lists(
    st.builds(
        PayoffLeg,
        st.sampled_from([1, -1]),
        st.sampled_from([65, 130]),
        st.sampled_from(["CE", "PE"]),
        st.integers(470, 515).map(lambda step: step * 50.0),
        st.integers(1, 12_000).map(lambda ticks: ticks * 0.05),
    ),
    min_size=1,
    max_size=4,
)


@given(legs)
def test_where_all_legs_expire_together_the_search_agrees_with_the_kinks(book):
    exact = summary(book)
    slope = sum(leg.units for leg in book if leg.option_type == "CE")

    found = search(lambda spots: expiry_payoff(book, spots), exact.kinks, slope=slope)

    if slope <= 0:
        assert found.max_profit == pytest.approx(exact.max_profit, abs=1e-6)
    if slope >= 0:
        assert found.max_loss == pytest.approx(exact.max_loss, abs=1e-6)
    assert (found.max_profit is None, found.max_loss is None) == (
        exact.max_profit is None, exact.max_loss is None,
    )  # fmt: skip
    for even in exact.breakevens:
        if 0 < even < found.high and expiry_payoff(book, np.array([even - 1, even + 1])).prod() < 0:
            assert min(abs(even - other) for other in found.breakevens) < 1e-4
