from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.rules import Unresolvable, atm_strike, resolve, roll_target
from tests.unit.strategies.frames import (
    DAY,
    MONTH,
    WEEK,
    make_frame,
    make_leg,
    make_quote,
    make_stale,
)


def symbols(*legs, frame=None, day=DAY):
    resolved = resolve(legs, underlying="NIFTY", frame=frame or make_frame(), day=day)
    return [leg.contract.symbol for leg in resolved]


@pytest.mark.parametrize(
    ("option_type", "rule", "value", "strike"),
    [
        ("CE", "atm", "0", 24500),
        ("CE", "atm", "2", 24600),
        ("PE", "atm", "2", 24600),
        ("PE", "atm", "-2", 24400),
        ("CE", "atm", "5", 24800),  # five listed strikes up: 24750 is not listed
        ("CE", "fixed", "24650.00", 24650),
        ("CE", "delta", "0.30", 24650),
        ("PE", "delta", "-0.30", 24350),
        ("CE", "delta", "0.50", 24500),
        ("CE", "premium_closest", "75", 24600),
        ("CE", "premium_closest", "85", 24550),  # 11 from both 96 and 74: the lower strike
        ("PE", "premium_closest", "75", 24400),
        ("CE", "premium_at_least", "75", 24550),
        ("CE", "premium_at_least", "74", 24600),
        ("CE", "premium_at_most", "75", 24600),
        ("PE", "premium_at_most", "75", 24400),
        ("CE", "percent_of_atm", "1", 24700),
        ("PE", "percent_of_atm", "-0.5", 24400),
        ("CE", "straddle_width", "1", 24700),  # 24500 + 231.70
        ("PE", "straddle_width", "-0.5", 24400),
        ("CE", "percent_of_straddle", "25", 24650),  # 57.93 against 56
        ("PE", "percent_of_straddle", "25", 24350),
    ],
)
def test_a_strike_rule_means_one_listed_contract(option_type, rule, value, strike):
    leg = make_leg(option_type=option_type, strike_rule=rule, strike_value=Decimal(value))

    assert symbols(leg) == [f"NIFTY-20260804-{strike}-{option_type}"]


def test_the_reference_is_the_mid_price_of_the_contract():
    (leg,) = resolve([make_leg()], underlying="NIFTY", frame=make_frame(), day=DAY)

    assert leg.reference == Decimal("122")
    assert leg.quantity_per_lot == 65


def test_a_price_half_way_between_two_strikes_takes_the_lower():
    assert atm_strike([Decimal(24500), Decimal(24550)], Decimal(24525)) == 24500


@pytest.mark.parametrize(
    ("base", "strike"), [("synthetic", 24500), ("spot", 24500), ("future", 24600)]
)
def test_the_atm_base_is_a_choice(base, strike):
    assert symbols(make_leg(atm_base=base)) == [f"NIFTY-20260804-{strike}-CE"]


def test_a_future_is_the_months_contract():
    future = make_leg(option_type="FUT", strike_rule="none", strike_value=None, expiry_rule="this_month")

    assert symbols(future) == ["NIFTY-20260825-FUT"]


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("atm", "6"),
        ("atm", "-5"),
        ("fixed", "24750"),
        ("premium_at_least", "500"),
        ("premium_at_most", "1"),
        ("percent_of_atm", "5"),
        ("straddle_width", "3"),
    ],
)
def test_a_strike_that_is_not_listed_is_refused_never_moved(rule, value):
    leg = make_leg(strike_rule=rule, strike_value=Decimal(value))

    with pytest.raises(Unresolvable) as refused:
        symbols(leg)

    assert refused.value.code == "NO_LISTED_STRIKE"


def test_a_contract_without_a_quote_is_refused():
    frame = make_frame()
    quotes = {s: q for s, q in frame.quotes.items() if s != "NIFTY-20260804-24500-CE"}

    with pytest.raises(Unresolvable) as refused:
        symbols(make_leg(), frame=replace(frame, quotes=quotes))

    assert refused.value.code == "NO_QUOTE"


def test_a_stale_quote_is_refused():
    frame = make_stale(make_frame(), "NIFTY-20260804-24500-CE")

    with pytest.raises(Unresolvable) as refused:
        symbols(make_leg(), frame=frame)

    assert refused.value.code == "STALE_QUOTE"


def test_a_premium_rule_passes_over_stale_quotes():
    frame = make_stale(make_frame(), "NIFTY-20260804-24600-CE")
    leg = make_leg(strike_rule="premium_closest", strike_value=Decimal(75))

    assert symbols(leg, frame=frame) == ["NIFTY-20260804-24650-CE"]


def test_without_a_forward_there_is_no_atm():
    with pytest.raises(Unresolvable) as refused:
        symbols(make_leg(), frame=make_frame(forwards={}))

    assert refused.value.code == "NO_FORWARD"


def test_without_a_live_spot_the_spot_base_is_refused():
    with pytest.raises(Unresolvable) as refused:
        symbols(make_leg(atm_base="spot"), frame=make_frame(spots={}))

    assert refused.value.code == "NO_SPOT"


def test_two_legs_that_mean_one_contract_are_refused():
    with pytest.raises(Unresolvable) as refused:
        symbols(make_leg(), make_leg(number=2, side="BUY"))

    assert refused.value.code == "LEGS_MEET"


def test_rolling_resolves_the_same_rule_in_the_next_expiry():
    leg = make_leg(strike_value=Decimal(1))
    held = resolve([leg], underlying="NIFTY", frame=make_frame(), day=DAY)[0].contract

    target = roll_target(leg, held, make_frame(), WEEK)

    assert held.symbol == "NIFTY-20260804-24550-CE"
    assert target.contract.symbol == "NIFTY-20260811-24600-CE"
    assert target.reference == Decimal("190")


def test_rolling_a_monthly_leg_skips_the_weeklies():
    leg = make_leg(expiry_rule="this_month")
    held = resolve([leg], underlying="NIFTY", frame=make_frame(), day=DAY)[0].contract
    frame = make_frame(
        quotes={"NIFTY-20260929-24600-CE": make_quote("410"), "NIFTY-20260901-24600-CE": make_quote("250")},
        forwards={("NIFTY", held.expiry.replace(month=9, day=29)): Decimal("24610")},
    )

    assert held.expiry == MONTH
    assert roll_target(leg, held, frame, MONTH).contract.symbol == "NIFTY-20260929-24600-CE"


@given(
    st.lists(st.integers(1, 1000), min_size=1, unique=True), st.decimals(0, 60000, places=2)
)
def test_no_listed_strike_is_nearer_than_the_atm_strike(steps, price):
    strikes = [Decimal(50 * step) for step in steps]

    atm = atm_strike(strikes, price)

    assert all(
        abs(atm - price) < abs(other - price) or (abs(atm - price) == abs(other - price) and atm < other)
        for other in strikes
        if other != atm
    )
