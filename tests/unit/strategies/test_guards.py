"""Entry guards at the quotes of one frame: what blocks, with its figures, and what may clear."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.rules import Conditions, Guard, blocked, jitter, worst_price
from tests.unit.strategies.frames import DAY, MONTH, make_frame, make_resolved

# A condor of the week, each quote a rupee wide: 24450/24550 sold, 24400/24600 bought, lots of 65.
CONDOR = [
    make_resolved(1, "BUY", "PE", 24400), make_resolved(2, "SELL", "PE", 24450),
    make_resolved(3, "SELL", "CE", 24550), make_resolved(4, "BUY", "CE", 24600),
]  # fmt: skip
CREDIT = (Decimal("89.2") + Decimal("95.5") - Decimal("73.2") - Decimal("74.5")) * 65


def found(terms: dict, legs=CONDOR, **frame):
    stop = blocked(
        Conditions(**terms), legs, underlying="NIFTY", frame=make_frame(**frame), day=DAY
    )
    return None if stop is None else (stop.guard, stop.may_clear)


def test_without_conditions_nothing_stands_in_the_way():
    assert found({}) is None


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"min_credit": CREDIT}, None),
        ({"min_credit": CREDIT + Decimal("0.01")}, (Guard.CREDIT_TOO_SMALL, True)),
        ({"max_debit": Decimal(1)}, None),
        ({"max_spread_points": Decimal(1)}, None),
        ({"max_spread_points": Decimal("0.99")}, (Guard.SPREAD_TOO_WIDE, True)),
        ({"max_spread_percent": Decimal("1.4")}, None),  # the put at 72.7: 1.376%
        ({"max_spread_percent": Decimal("1.37")}, (Guard.SPREAD_TOO_WIDE, True)),
        ({"max_slippage_percent": Decimal("0.69")}, None),
        ({"max_slippage_percent": Decimal("0.68")}, (Guard.SLIPPAGE_TOO_HIGH, True)),
        ({"skip_days": (DAY,)}, (Guard.EVENT_DAY, False)),
        ({"skip_days": (date(2026, 8, 4),)}, None),
    ],
)
def test_each_guard_holds_up_to_its_bound_and_not_beyond(terms, expected):
    assert found(terms) == expected


def test_a_debit_is_what_a_lot_pays_at_the_touch():
    bought = [make_resolved(1, "BUY", "CE", 24500)]

    assert found({"max_debit": Decimal("122.5") * 65}, bought) is None
    assert found({"max_debit": Decimal("122.5") * 65 - 1}, bought) == (Guard.DEBIT_TOO_LARGE, True)


def test_a_future_is_no_premium():
    covered = [
        make_resolved(1, "BUY", "FUT", expiry=MONTH), make_resolved(2, "SELL", "CE", 24600),
    ]  # fmt: skip

    assert found({"min_credit": Decimal("73.5") * 65}, covered) is None


@pytest.mark.parametrize("terms", [{"min_credit": Decimal(1)}, {"max_spread_points": Decimal(9)}])
def test_an_empty_side_is_no_price(terms):
    quotes = dict(make_frame().quotes)
    short = CONDOR[2].contract.symbol
    quotes[short] = quotes[short]._replace(bid=None)

    assert found(terms, quotes=quotes) == (Guard.ONE_SIDED_QUOTE, True)


@pytest.mark.parametrize(
    ("vix", "terms", "expected"),
    [
        (None, {"vix_max": Decimal(20)}, (Guard.VIX_UNKNOWN, False)),
        (Decimal("13.2"), {"vix_min": Decimal(12), "vix_max": Decimal(20)}, None),
        (Decimal("11.99"), {"vix_min": Decimal(12)}, (Guard.VIX_OUT_OF_BOUNDS, True)),
        (Decimal("20.01"), {"vix_max": Decimal(20)}, (Guard.VIX_OUT_OF_BOUNDS, True)),
    ],
)
def test_the_volatility_index_is_asked_and_never_guessed(vix, terms, expected):
    assert found(terms, vix=vix) == expected


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ({}, (Guard.GAP_UNKNOWN, False)),
        ({"BANKNIFTY": Decimal(0)}, (Guard.GAP_UNKNOWN, False)),
        ({"NIFTY": Decimal("-0.80")}, None),
        ({"NIFTY": Decimal("-0.81")}, (Guard.GAP_OUT_OF_BOUNDS, False)),
        ({"NIFTY": Decimal("0.51")}, (Guard.GAP_OUT_OF_BOUNDS, False)),
    ],
)
def test_the_opening_gap_stays_what_it_is_all_day(gaps, expected):
    bounds = {"gap_min": Decimal("-0.8"), "gap_max": Decimal("0.5")}

    assert found(bounds, gaps=gaps) == expected


@given(
    pair=st.text(min_size=1, max_size=16),
    day=st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    most=st.integers(0, 1800),
)
def test_jitter_is_within_its_bound_and_the_same_each_time(pair, day, most):
    assert 0 <= jitter(pair, day, most) == jitter(pair, day, most) <= most


def test_jitter_spreads_pairs_and_days():
    moments = {jitter(f"pair{n}", DAY, 599) for n in range(200)}

    assert len(moments) > 150
    assert min(moments) < 60 < 540 < max(moments)


@pytest.mark.parametrize(("side", "price"), [("BUY", "101.5"), ("SELL", "98.5")])
def test_the_worst_price_is_that_far_from_the_mid(side, price):
    assert worst_price(Decimal(100), side, Decimal("1.5")) == Decimal(price)
