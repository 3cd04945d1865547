import math
from datetime import datetime
from decimal import Decimal

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel import pricing
from market.kernel.clock import IST
from market.kernel.pricing import Flag, greeks, implied_vol, parity_forward, price, year_fraction

GREEKS = (
    "delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "charm", "speed", "zomma",
    "color", "veta", "dual_delta",
)  # fmt: skip
CALL, PUT = True, False
forwards = st.floats(5_000, 90_000)
moneyness = st.floats(-0.25, 0.25)
years = st.floats(1 / 365, 1.0)
vols = st.floats(0.05, 1.0)


def exact(forward, strike, t, rate, vol, is_call):
    """Black-76 in 50 digits."""
    sign = 1 if is_call else -1
    s = vol * mpmath.sqrt(t)
    d1 = mpmath.log(forward / strike) / s + s / 2
    undiscounted = forward * mpmath.ncdf(sign * d1) - strike * mpmath.ncdf(sign * (d1 - s))
    return mpmath.exp(-rate * t) * sign * undiscounted


DERIVATIVES = {  # orders in forward, strike, t, rate, vol; sign of the derivative
    "delta": ((1, 0, 0, 0, 0), 1),
    "gamma": ((2, 0, 0, 0, 0), 1),
    "vega": ((0, 0, 0, 0, 1), 1),
    "theta": ((0, 0, 1, 0, 0), -1),
    "rho": ((0, 0, 0, 1, 0), 1),
    "vanna": ((1, 0, 0, 0, 1), 1),
    "volga": ((0, 0, 0, 0, 2), 1),
    "charm": ((1, 0, 1, 0, 0), -1),
    "speed": ((3, 0, 0, 0, 0), 1),
    "zomma": ((2, 0, 0, 0, 1), 1),
    "color": ((2, 0, 1, 0, 0), -1),
    "veta": ((0, 0, 1, 0, 1), -1),
    "dual_delta": ((0, 1, 0, 0, 0), 1),
}


@pytest.mark.parametrize("name", GREEKS)
@pytest.mark.parametrize(
    ("forward", "strike", "t", "vol", "is_call"),
    [
        (24_612.0, 24_500.0, 0.02, 0.13, CALL),
        (24_612.0, 24_000.0, 0.25, 0.16, PUT),
        (24_612.0, 26_500.0, 0.08, 0.11, CALL),
        (80_000.0, 80_000.0, 0.5, 0.30, PUT),
    ],
)
def test_every_greek_is_the_derivative_of_the_price(name, forward, strike, t, vol, is_call):
    orders, sign = DERIVATIVES[name]
    with mpmath.workdps(50):
        at = tuple(mpmath.mpf(x) for x in (forward, strike, t, 0.065, vol))
        expected = float(sign * mpmath.diff(lambda *x: exact(*x, is_call), at, orders))

    found = greeks(forward, strike, t, math.exp(-0.065 * t), vol, is_call)

    assert list(found) == ["price", *GREEKS]
    assert found[name] == pytest.approx(expected, rel=1e-10, abs=1e-14)


@given(forward=forwards, k=moneyness, t=years, vol=vols)
def test_call_minus_put_is_the_discounted_forward_minus_strike(forward, k, t, vol):
    strike, df = forward * math.exp(k), math.exp(-0.065 * t)

    gap = price(forward, strike, t, df, vol, CALL) - price(forward, strike, t, df, vol, PUT)

    assert gap == pytest.approx(df * (forward - strike), abs=1e-9 * forward)


@given(forward=forwards, k=moneyness, t=years, vol=vols, is_call=st.booleans())
def test_the_vol_implied_by_a_price_reprices_it(forward, k, t, vol, is_call):
    strike, df = forward * math.exp(k), math.exp(-0.065 * t)
    paid = price(forward, strike, t, df, vol, is_call)

    found, flag = implied_vol(paid, forward, strike, t, df, is_call)

    if flag is Flag.OK:
        assert found == pytest.approx(vol, rel=1e-9)
    if flag in (Flag.OK, Flag.ILL_CONDITIONED):
        assert price(forward, strike, t, df, found, is_call) == pytest.approx(paid, abs=1e-8)
    else:
        assert flag in (Flag.AT_INTRINSIC, Flag.BELOW_INTRINSIC) or paid < 1e-300  # not a double
        assert paid - df * max(forward - strike if is_call else strike - forward, 0) < 1e-6


def test_implied_vols_of_out_of_the_money_prices_are_right_to_the_last_digits():
    rng = np.random.default_rng()
    n = 150
    forward = 10 ** rng.uniform(3.5, 5, n)
    strike = forward * np.exp(rng.normal(0, 0.2, n))
    t, vol = 10 ** rng.uniform(-4, 0.5, n), 10 ** rng.uniform(-1.5, 0.3, n)
    df, is_call = np.exp(-0.065 * t), strike >= forward
    with mpmath.workdps(50):
        paid = np.array(
            [
                float(exact(*map(mpmath.mpf, (f, k, y, 0.065, v)), c))
                for f, k, y, v, c in zip(forward, strike, t, vol, is_call, strict=True)
            ]
        )
    seen = paid >= 0.05

    found, flag = implied_vol(*(x[seen] for x in (paid, forward, strike, t, df, is_call)))

    assert set(flag.tolist()) <= {Flag.OK, Flag.ILL_CONDITIONED}
    clear = flag == Flag.OK  # its vol answers to the price: last digits of the price are kept
    # tolerance: the inputs are doubles, so a digit of the price is worth up to four of the vol
    np.testing.assert_allclose(found[clear], vol[seen][clear], rtol=5e-12)


@pytest.mark.parametrize(
    ("paid", "t", "expected", "flag"),
    [
        (250.0, 0.0, math.nan, Flag.EXPIRED),
        (250.0, -0.1, math.nan, Flag.EXPIRED),
        (99.0, 0.1, math.nan, Flag.BELOW_INTRINSIC),
        (100.0, 0.1, 0.0, Flag.AT_INTRINSIC),
        (24_600.0, 0.1, math.nan, Flag.ABOVE_MAX),
        (24_700.0, 0.1, math.nan, Flag.ABOVE_MAX),
        (math.nan, 0.1, math.nan, Flag.INVALID),
        (math.inf, 0.1, math.nan, Flag.INVALID),
        (-1.0, 0.1, math.nan, Flag.BELOW_INTRINSIC),
    ],
)
def test_a_price_without_a_vol_says_why_and_never_makes_one_up(paid, t, expected, flag):
    found = implied_vol(paid, 24_600.0, 24_500.0, t, 1.0, CALL)

    assert found[1] is flag
    assert found[0] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("bad", [(0.0, 100.0, 1.0), (100.0, -5.0, 1.0), (100.0, 100.0, 0.0)])
def test_a_market_that_cannot_be_is_invalid(bad):
    forward, strike, df = bad

    vol, flag = implied_vol(5.0, forward, strike, 0.1, df, CALL)

    assert math.isnan(vol)
    assert flag is Flag.INVALID


def test_a_deep_in_the_money_price_is_flagged_ill_conditioned():
    paid = price(24_600.0, 20_000.0, 0.02, 1.0, 0.2, CALL)

    vol, flag = implied_vol(paid + 1e-6, 24_600.0, 20_000.0, 0.02, 1.0, CALL)

    assert flag is Flag.ILL_CONDITIONED
    assert vol > 0


def test_a_strip_of_strikes_is_answered_in_its_shape():
    strikes = np.array([[24_400.0, 24_500.0], [24_600.0, 24_700.0]])
    paid = price(24_600.0, strikes, 0.02, 0.999, 0.14, np.array([[True], [False]]))

    vol, flag = implied_vol(paid, 24_600.0, strikes, 0.02, 0.999, np.array([[True], [False]]))

    assert paid.shape == vol.shape == flag.shape == (2, 2)
    assert flag.tolist() == [[Flag.OK, Flag.OK], [Flag.OK, Flag.OK]]
    np.testing.assert_allclose(vol, 0.14, rtol=1e-11)


def test_scalars_give_plain_floats():
    assert type(price(100, 100, 1, 0.95, 0.2, CALL)) is float
    assert all(type(value) is float for value in greeks(100, 100, 1, 0.95, 0.2, CALL).values())
    vol, flag = implied_vol(7.6, 100, 100, 1, 0.95, CALL)
    assert (type(vol), type(flag)) == (float, Flag)


@pytest.mark.parametrize(("t", "vol"), [(0.0, 0.2), (-0.5, 0.2), (0.0, 0.0)])
@pytest.mark.parametrize(
    ("forward", "is_call", "value", "delta"),
    [(110, True, 10.0, 1.0), (90, True, 0.0, 0.0), (90, False, 10.0, -1.0), (100, True, 0.0, 0.5)],
)
def test_an_expired_option_is_its_intrinsic_value(t, vol, forward, is_call, value, delta):
    found = greeks(forward, 100, t, 1.0, vol, is_call)

    assert price(forward, 100, t, 1.0, vol, is_call) == value
    assert (found["price"], found["delta"], found["dual_delta"]) == (
        value, delta, -delta,
    )  # fmt: skip
    assert all(found[name] == 0 for name in GREEKS if name not in ("delta", "dual_delta"))


def test_without_vol_the_discounted_intrinsic_value_accretes():
    df = math.exp(-0.065)

    found = greeks(110, 100, 1.0, df, 0.0, CALL)

    assert found["price"] == price(110, 100, 1.0, df, 0.0, CALL) == pytest.approx(10 * df)
    assert found["theta"] == pytest.approx(0.65 * df)
    assert found["rho"] == pytest.approx(-10 * df)
    assert found["gamma"] == 0


def test_an_unknown_vol_gives_no_price():
    assert math.isnan(price(110, 100, 1.0, 0.95, math.nan, CALL))
    assert math.isnan(greeks(110, 100, 1.0, 0.95, math.nan, CALL)["delta"])
    assert math.isnan(price(110, 100, math.nan, 0.95, 0.2, CALL))


def test_living_and_expired_options_are_answered_together():
    found = greeks(24_600.0, np.array([24_500.0, 24_500.0]), np.array([0.0, 0.02]), 1.0, 0.1, CALL)

    assert found["price"][0] == 100.0
    assert found["gamma"][0] == 0.0
    assert found["gamma"][1] > 0
    assert np.isfinite(list(found.values())).all()


@given(
    forward=forwards,
    k=st.floats(-3, 3),
    t=st.floats(1e-9, 5),
    vol=st.floats(1e-6, 5),
    is_call=st.booleans(),
)
def test_no_greek_is_ever_infinite_or_unknown(forward, k, t, vol, is_call):
    found = greeks(forward, forward * math.exp(k), t, math.exp(-0.065 * t), vol, is_call)

    assert all(math.isfinite(value) for value in found.values())


def test_a_year_is_365_calendar_days_to_the_second():
    now = datetime(2026, 8, 4, 9, 20, tzinfo=IST)

    assert year_fraction(now, datetime(2026, 8, 4, 15, 35, tzinfo=IST)) == 22_500 / 31_536_000
    assert year_fraction(now, datetime(2027, 8, 4, 9, 20, tzinfo=IST)) == 1.0
    assert year_fraction(now, datetime(2026, 8, 4, 9, 0, tzinfo=IST)) == 0.0


def test_the_parity_forward_is_the_median_over_the_five_strikes_nearest_the_money():
    strikes = np.arange(24_000, 25_200, 100.0)
    df, forward = 0.999, 24_612.0
    calls = price(forward, strikes, 0.02, df, 0.14, CALL)
    puts = price(forward, strikes, 0.02, df, 0.14, PUT)
    calls[6] += 40  # one freak print at 24,600
    calls[0], puts[11] = math.nan, 0.0

    assert parity_forward(strikes, calls, puts, df) == pytest.approx(forward, abs=1e-8)


def test_there_is_no_parity_forward_with_fewer_than_three_quoted_strikes():
    assert parity_forward([100, 101], [2.0, 1.5], [1.5, 2.0], 1.0) is None
    assert parity_forward([100, 101, 102], [2.0, 1.5, 0.0], [1.5, 2.0, 3.0], 1.0) is None
    assert parity_forward([], [], [], 1.0) is None


def test_the_default_rate_is_a_stated_input():
    assert Decimal(str(pricing.RATE)) == Decimal("0.065")
