"""The simulated volatility index and opening gap, for strategies that ask for them."""

from datetime import date, datetime
from decimal import Decimal

from market.kernel.clock import IST
from market.kernel.frame import decode, encode
from market.sources.simulated import World

MONDAY, TUESDAY = date(2026, 8, 3), date(2026, 8, 4)


def frame(world: World, day: date, hour: int = 9, minute: int = 15):
    return world.frame_at(datetime(day.year, day.month, day.day, hour, minute, tzinfo=IST),
                          timeline="t", n=1, cadence=1.0)  # fmt: skip


def test_the_index_is_the_volatility_at_the_money_and_falls_when_nifty_rises():
    world = World(14, MONDAY)
    at_open, later = frame(world, MONDAY), frame(world, MONDAY, 15, 0)
    rose = later.spots["NIFTY"] > at_open.spots["NIFTY"]

    assert Decimal(9) < at_open.vix < Decimal(18)
    assert (later.vix < at_open.vix) == rose


def test_the_gap_is_from_the_last_close_and_a_first_day_has_none():
    world = World(14, MONDAY)
    close = frame(world, MONDAY, 15, 14).spots["NIFTY"]  # the path itself goes on to 15:40
    first, second = frame(World(14, MONDAY), MONDAY), frame(world, TUESDAY)

    assert first.gaps == {}
    assert set(second.gaps) == {"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "SENSEX"}
    assert abs(second.gaps["NIFTY"] - 100 * (second.spots["NIFTY"] / close - 1)) < Decimal("0.3")


def test_a_world_without_nifty_has_no_volatility_index():
    assert frame(World(14, MONDAY, underlyings={"SENSEX"}), MONDAY).vix is None


def test_both_survive_the_wire():
    sent = frame(World(14, MONDAY), TUESDAY)

    assert (decode(encode(sent)).vix, decode(encode(sent)).gaps) == (sent.vix, sent.gaps)
