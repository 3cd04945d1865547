"""Prices for orders and positions: through the touch, inside the band, on the tick."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.engine.marks import ENTRY_CROSS, EXIT_CROSS, exit_mark, limit_price
from market.kernel.frame import Quote

D = Decimal
AT = datetime(2026, 8, 4, 3, 50, tzinfo=UTC)
TICK = D("0.05")


def quote(bid, ask, ltp):
    return Quote(None if bid is None else D(bid), None if ask is None else D(ask), D(ltp), 650, 650, AT)


def limit(of, side, *, cross=ENTRY_CROSS, is_option=True, tick=TICK):
    return limit_price(of, side=side, tick=tick, cross=cross, is_option=is_option)


@pytest.mark.parametrize(
    ("bid", "ask", "ltp", "side", "cross", "expected"),
    [
        ("99.90", "100.00", "100.00", "BUY", ENTRY_CROSS, "102.00"),
        ("100.00", "100.10", "100.00", "SELL", ENTRY_CROSS, "98.00"),
        ("99.90", "100.00", "100.00", "BUY", EXIT_CROSS, "105.00"),
        ("100.00", "100.10", "100.00", "SELL", EXIT_CROSS, "95.00"),
        ("33.30", "33.35", "33.35", "BUY", ENTRY_CROSS, "34.00"),  # 34.017: never above
        ("33.35", "33.40", "33.35", "SELL", ENTRY_CROSS, "32.70"),  # 32.683: never below
        ("0.05", "0.10", "0.05", "BUY", EXIT_CROSS, "0.20"),  # at least two ticks
        ("0.10", "0.15", "0.10", "SELL", EXIT_CROSS, "0.05"),  # never below one tick
        (None, None, "80.00", "BUY", ENTRY_CROSS, "81.60"),  # no touch: the last price
        ("10.00", "60.00", "10.00", "BUY", EXIT_CROSS, "30.00"),  # +20 rupees up to 50
        ("100.00", "200.00", "100.00", "BUY", EXIT_CROSS, "140.00"),  # +40% above
        ("40.00", "100.10", "100.00", "SELL", EXIT_CROSS, "60.00"),  # -40% above
    ],
)
def test_a_limit_goes_through_the_touch_inside_the_band(bid, ask, ltp, side, cross, expected):
    assert limit(quote(bid, ask, ltp), side, cross=cross) == D(expected)


def test_a_futures_limit_keeps_within_ten_percent():
    assert limit(quote("24500", "30000", "24500"), "BUY", is_option=False, tick=D("0.10")) == D(26950)
    assert limit(quote("20000", "24510", "24500"), "SELL", is_option=False, tick=D("0.10")) == D(22050)


@pytest.mark.parametrize(
    ("quantity", "bid", "ask", "expected"),
    [(65, "9.90", "10.10", "9.90"), (-65, "9.90", "10.10", "10.10"), (65, None, "10.10", "10.00"),
     (-65, "9.90", None, "10.00")],
)  # fmt: skip
def test_what_is_held_is_worth_what_it_could_be_closed_at(quantity, bid, ask, expected):
    assert exit_mark(quote(bid, ask, "10.00"), quantity) == D(expected)


ticks = st.integers(1, 60_000).map(lambda n: n * TICK)


@given(
    bid=st.none() | ticks, spread=st.none() | ticks, ltp=ticks, side=st.sampled_from(["BUY", "SELL"]),
    cross=st.sampled_from([ENTRY_CROSS, EXIT_CROSS]),
)  # fmt: skip
def test_every_limit_is_on_the_tick_above_zero_and_inside_the_band(bid, spread, ltp, side, cross):
    ask = None if spread is None else (bid or D(0)) + spread
    price = limit(Quote(bid, ask, ltp, 650, 650, AT), side, cross=cross)

    width = D(20) if ltp <= 50 else ltp * D("0.40")
    assert price >= TICK
    assert price % TICK == 0
    assert price <= ltp + width if side == "BUY" else price >= ltp - width
