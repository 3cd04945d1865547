from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from market.kernel.clock import Moment, at, ist_day
from market.kernel.money import on_tick, rupees, to_tick


def test_the_day_in_india_begins_at_half_past_six_utc_in_the_evening_before():
    assert ist_day(datetime(2026, 8, 3, 18, 29, tzinfo=UTC)) == date(2026, 8, 3)
    assert ist_day(datetime(2026, 8, 3, 18, 30, tzinfo=UTC)) == date(2026, 8, 4)


def test_a_time_of_a_day_is_aware_and_in_india():
    assert at(date(2026, 8, 4), time(9, 15)) == datetime(2026, 8, 4, 3, 45, tzinfo=UTC)


def test_a_naive_instant_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        ist_day(datetime(2026, 8, 4, 9, 15))  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="time zone"):
        Moment(market=datetime(2026, 8, 4), wall=datetime(2026, 8, 4, tzinfo=UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.005", "1.01"), ("1.004999", "1.00"), ("-1.005", "-1.01"), (2.675, "2.68"), (7, "7.00")],
)
def test_rupees_round_half_a_paisa_away_from_zero(value, expected):
    assert str(rupees(value)) == expected


@pytest.mark.parametrize("nothing", [float("nan"), "Infinity"])
def test_what_is_no_number_is_no_money(nothing):
    with pytest.raises(ValueError, match="not an amount"):
        rupees(nothing)


@pytest.mark.parametrize(
    ("side", "expected"), [("BUY", "100.10"), ("SELL", "100.15"), (None, "100.15")]
)
def test_a_price_moves_to_its_tick_in_the_traders_favour(side, expected):
    assert to_tick(Decimal("100.13"), Decimal("0.05"), side) == Decimal(expected)


def test_a_price_on_its_tick_stays():
    assert to_tick(Decimal("100.15"), Decimal("0.05"), "BUY") == Decimal("100.15")
    assert on_tick(Decimal("100.15"), Decimal("0.05"))
    assert not on_tick(Decimal("100.13"), Decimal("0.05"))
