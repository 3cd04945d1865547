"""Vols, values and Greeks against 50 digits (mpmath), by arrays and one by one."""

import math
from concurrent.futures import ThreadPoolExecutor

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel import normalised, scalar
from market.kernel.flags import NAMES, Flag
from market.kernel.pricing import greeks, implied_greeks, implied_vol, price
from optionsplatform import bench_reference as reference

CALL, PUT = True, False
FRESH = np.random.default_rng  # a new seed each run; a failure prints its own inputs


def singly(function, *columns):
    return [function(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]


@pytest.mark.parametrize("sampled", [reference.chain_sample, reference.wide_sample])
def test_vols_are_right_to_the_last_digits_by_arrays_and_one_by_one(sampled):
    sample = sampled(150, FRESH())
    allowed = np.maximum(5e-12, 8 * reference.ROUNDING * sample.cond)

    found, flag = implied_vol(*sample.inputs)
    alone = np.array([vol for vol, _ in singly(implied_vol, *sample.inputs)])

    assert set(flag.tolist()) <= {Flag.OK, Flag.ILL_CONDITIONED}
    assert (np.abs(found / sample.vol - 1) <= allowed).all()
    assert (np.abs(alone / sample.vol - 1) <= allowed).all()


def test_vols_of_a_chain_at_a_tick_or_more_are_right_to_thirteen_digits():
    sample = reference.above_a_tick(reference.chain_sample(150, FRESH()))

    found, _ = implied_vol(*sample.inputs)

    np.testing.assert_allclose(found, sample.vol, rtol=1e-13)


@pytest.mark.parametrize("sampled", [reference.chain_sample, reference.wide_sample])
def test_price_and_thirteen_greeks_are_right_to_thirteen_digits(sampled):
    sample = sampled(60, FRESH())
    columns = (sample.forward, sample.strike, sample.t, sample.df, sample.vol, sample.is_call)
    flipped = (*columns[:5], ~sample.is_call)  # in the money

    for asked in (columns, flipped):
        alone = singly(greeks, *asked)
        one_by_one = {name: np.array([each[name] for each in alone]) for name in NAMES}
        for found in (greeks(*asked), one_by_one):
            assert max(reference.greek_errors(found, *asked).values()) <= 1e-13


@pytest.mark.parametrize("t", [1e-9, 1e-7, 1e-5])
@pytest.mark.parametrize("away", [0.0, 1e-9, 1e-3, 2.0, -5.0])
def test_minutes_before_expiry_the_value_keeps_its_digits(t, away):
    vol, forward = 0.13, 24_612.0
    strike = forward * math.exp(away * vol * math.sqrt(t))
    asked = (forward, strike, t, math.exp(-0.065 * t), vol, strike >= forward)

    for found in (greeks(*asked), greeks(*(np.full(50, value) for value in asked))):
        first = {name: np.atleast_1d(value)[:1] for name, value in found.items()}
        errors = reference.greek_errors(first, *(np.array([value]) for value in asked))
        assert max(errors.values()) <= 1e-13


@pytest.mark.parametrize("t", [1e-4, 1e-3, 0.01, 0.03, 0.08, 0.099999])
def test_the_series_takes_as_many_terms_as_the_largest_t_needs(t):
    h, found = np.array([0.0, 1e-6, 0.5, 1.0, 3.0, 4.4]), np.empty(6)
    with mpmath.workdps(50):
        of = [_ratio(t - far) - _ratio(-t - far) for far in map(mpmath.mpf, h)]
        exact = [float(each / (2 * mpmath.mpf(t))) for each in of]

    normalised.mean_slope(h, np.full(h.size, t), found)

    np.testing.assert_allclose(found, exact, rtol=1e-14)
    np.testing.assert_allclose([scalar.mean_slope(far, t) for far in h], exact, rtol=1e-14)


def _ratio(z):
    return mpmath.ncdf(z) / mpmath.npdf(z)


@pytest.mark.parametrize(
    ("s", "h"), [(5.80, -7.39), (6.31, -7.54), (6.71, -5.33), (5.53, -7.76), (4.66, -6.30)]
)
def test_years_of_high_vol_far_out_do_not_lose_the_iteration(s, h):
    strike = 24_600.0 * math.exp(-h * s)
    paid = price(24_600.0, strike, 1.0, 1.0, s, CALL)

    alone, _ = implied_vol(paid, 24_600.0, strike, 1.0, 1.0, CALL)
    among, _ = implied_vol(np.full(50, paid), 24_600.0, strike, 1.0, 1.0, CALL)

    assert alone == pytest.approx(s, rel=5e-12)
    assert among[0] == pytest.approx(s, rel=5e-12)


@given(
    forward=st.floats(1_000, 100_000),
    k=st.floats(-0.3, 0.3),
    t=st.floats(1e-4, 2),
    vol=st.floats(0.03, 2),
    is_call=st.booleans(),
)
def test_one_option_alone_is_valued_as_among_many(forward, k, t, vol, is_call):
    asked = (forward, forward * math.exp(k), t, math.exp(-0.065 * t), vol, is_call)

    alone = greeks(*asked)
    among = greeks(*(np.full(30, value) for value in asked))

    assert price(*asked) == pytest.approx(alone["price"], rel=1e-14)
    for name in NAMES:
        assert among[name][0] == pytest.approx(alone[name], rel=1e-9, abs=1e-13 * forward)


@given(
    price_paid=st.floats(-10, 2_000) | st.sampled_from([math.nan, math.inf, 0.0]),
    k=st.floats(-0.2, 0.2),
    t=st.floats(-0.1, 1),
    is_call=st.booleans(),
)
def test_one_price_alone_is_judged_as_among_many(price_paid, k, t, is_call):
    asked = (price_paid, 24_600.0, 24_600.0 * math.exp(k), t, 0.999, is_call)

    vol, flag = implied_vol(*asked)
    vols, flags = implied_vol(*(np.full(41, value) for value in asked))

    assert flags.tolist() == [flag] * 41
    assert vols[0] == pytest.approx(vol, rel=1e-12, nan_ok=True)


@given(
    k=st.floats(-0.2, 0.2), t=st.floats(0.01, 1), vol=st.floats(0.05, 1), more=st.floats(0.01, 1)
)
def test_more_vol_is_worth_more(k, t, vol, more):
    strike = 24_600 * math.exp(k)

    assert price(24_600, strike, t, 0.99, vol + more, CALL) >= price(
        24_600, strike, t, 0.99, vol, CALL
    )


@pytest.mark.parametrize("size", [1, 20, 21, 40, 41, 2_048, 2_049, 10_000])
def test_vols_and_greeks_in_one_go_are_those_asked_apart(size):
    forward, strike, t, df, vol, is_call = reference.chain_columns(size, FRESH(7))
    paid = price(forward, strike, t, df, vol, is_call)

    vols, flags, found = implied_greeks(paid, forward, strike, t, df, is_call)
    apart = greeks(forward, strike, t, df, vols, is_call)

    np.testing.assert_allclose(vols, vol, rtol=1e-10)
    assert set(flags.tolist()) <= {Flag.OK, Flag.ILL_CONDITIONED}
    assert list(found) == list(NAMES)
    for name in NAMES:
        scale = np.abs(apart[name]).max()
        np.testing.assert_allclose(found[name], apart[name], rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize("size", [1, 60])
def test_greeks_of_a_price_without_a_vol_are_not_made_up(size):
    below, expired = np.full(size, 50.0), np.full(size, 120.0)

    vols, flags, found = implied_greeks(below, 24_600.0, 24_500.0, 0.1, 1.0, CALL)
    assert np.isnan(vols).all()
    assert set(flags.tolist()) == {Flag.BELOW_INTRINSIC}
    assert all(np.isnan(column).all() for column in found.values())

    _, flags, found = implied_greeks(expired, 24_600.0, 24_500.0, 0.0, 1.0, CALL)
    assert set(flags.tolist()) == {Flag.EXPIRED}
    assert (found["price"] == 100.0).all()
    assert (found["gamma"] == 0.0).all()


def test_vols_and_greeks_of_one_price_are_plain_numbers():
    vol, flag, found = implied_greeks(250.0, 24_600, 24_500, 0.02, 0.999, CALL)

    assert (type(vol), type(flag), type(found["delta"])) == (float, Flag, float)


@pytest.mark.parametrize("size", [1, 60])
def test_the_greeks_of_an_option_at_the_vol_of_its_twin(size):
    asked = (24_612.0, 24_500.0, 0.02, 0.9987)
    columns = [np.full(size, value) for value in asked]
    of_put = price(*asked, 0.14, PUT)

    vols, _, found = implied_greeks(
        np.full(size, of_put), *columns, PUT, wanted=np.full(size, CALL)
    )
    expected = greeks(*asked, 0.14, CALL)

    np.testing.assert_allclose(vols, 0.14, rtol=1e-13)
    for name in NAMES:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-11)


def test_threads_that_price_at_once_do_not_touch_each_others_rows():
    columns = [reference.chain_columns(2_000, FRESH(seed)) for seed in range(4)]
    expected = [price(*each) for each in columns]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: price(*columns[n % 4]), range(200)))

    for n, values in enumerate(found):
        assert (values == expected[n % 4]).all()


def test_what_was_answered_is_not_written_over_by_the_next_call():
    columns = reference.chain_columns(100, FRESH(1))
    paid = price(*columns)
    asked = (paid, *columns[:4], columns[5])
    vols, _, found = implied_greeks(*asked)
    kept = paid.copy(), vols.copy(), {name: column.copy() for name, column in found.items()}

    implied_greeks(2 * paid, *asked[1:])
    price(*reference.chain_columns(100, FRESH(2)))

    assert (paid == kept[0]).all()
    assert (vols == kept[1]).all()
    assert all((found[name] == kept[2][name]).all() for name in NAMES)


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_no_options_have_no_prices_and_no_greeks(shape):
    nothing = np.zeros(shape)
    calls = nothing.astype(bool)

    assert price(nothing, nothing, nothing, nothing, nothing, calls).shape == shape
    found = greeks(nothing, nothing, nothing, nothing, nothing, calls)
    assert {column.shape for column in found.values()} == {shape}
