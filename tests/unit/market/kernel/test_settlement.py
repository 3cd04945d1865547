"""Which value settles a day, and from when the index is no longer a price."""

from dataclasses import replace
from datetime import date, time
from decimal import Decimal

import pytest

from market.kernel import settlement
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import at
from market.kernel.settlement import CLOSING_AUCTION, HALF_HOUR_AVERAGE, Rule
from market.kernel.spot import spot_lives
from tests.unit.strategies.frames import make_frame

BEFORE, FROM = date(2026, 7, 28), date(2026, 8, 4)


@pytest.mark.parametrize("exchange", ["NSE", "BSE"])
def test_until_august_2026_contracts_settle_at_the_average_of_the_last_half_hour(exchange):
    assert settlement.rule(exchange, BEFORE) == Rule(
        HALF_HOUR_AVERAGE, at(BEFORE, time(15, 0)), at(BEFORE, time(15, 30)), at(BEFORE, time(15, 30))
    )


@pytest.mark.parametrize("exchange", ["NSE", "BSE"])
def test_from_3_august_2026_they_settle_at_the_closing_auction_while_options_trade_on(exchange):
    assert settlement.rule(exchange, FROM) == Rule(
        CLOSING_AUCTION, at(FROM, time(15, 15)), at(FROM, time(15, 35)), at(FROM, time(15, 40))
    )
    assert settlement.rule(exchange, date(2026, 8, 3)).basis == CLOSING_AUCTION


def test_a_day_without_trading_settles_nothing_and_an_unknown_one_is_refused():
    with pytest.raises(ValueError, match="does not trade"):
        settlement.rule("NSE", date(2026, 8, 8))
    with pytest.raises(OutsideCoverage):
        settlement.rule("NSE", date(2031, 1, 7))


@pytest.mark.parametrize(
    ("day", "clock", "lives"),
    [
        (FROM, time(9, 15), True),
        (FROM, time(15, 14, 59), True),
        (FROM, time(15, 15), False),
        (FROM, time(15, 39, 59), False),
        (FROM, time(15, 40), False),
        (BEFORE, time(15, 29, 59), True),
        (BEFORE, time(15, 30), True),  # the close itself, up to which it was continuous
        (BEFORE, time(15, 30, 1), False),
        (date(2026, 8, 8), time(11, 0), False),
    ],
)
def test_the_index_lives_until_1515_since_august_2026_and_to_the_close_before(day, clock, lives):
    assert spot_lives("NSE", at(day, clock)) is lives


def test_a_frame_gives_no_spot_after_1515_even_if_its_source_still_sends_one():
    live = replace(make_frame(), now=at(FROM, time(15, 14)), spots={"NIFTY": Decimal("24463.45")})
    frozen = replace(live, now=at(FROM, time(15, 16)))

    assert live.spot("NIFTY") == Decimal("24463.45")
    assert frozen.spot("NIFTY") is None
    assert live.spot("BANKNIFTY") is None
