from datetime import date, datetime, timedelta

import numpy as np
import pytest

from market.kernel import calendar, pricing
from market.kernel.clock import IST
from market.kernel.daycount import TRADING_TIME
from market.kernel.forwards import Forward, Ladder, Source, select
from market.kernel.pricing import DAY_COUNT, year_fraction


def ist(*parts):
    return datetime(*parts, tzinfo=IST)


def test_the_day_count_has_a_name():
    assert DAY_COUNT == "calendar/365"
    assert pricing.CONVENTIONS == ("calendar/365", "trading/252")


def test_trading_time_stands_still_over_a_weekend():
    friday, monday = ist(2026, 8, 7, 15, 40), ist(2026, 8, 10, 9, 15)
    expiry = calendar.settlement_time("NSE", date(2026, 8, 11))

    left = [year_fraction(at, expiry, TRADING_TIME, exchange="NSE") for at in (friday, monday)]

    assert left[0] == left[1]
    assert year_fraction(friday, expiry) > year_fraction(monday, expiry)


def test_a_whole_session_is_one_day_of_252_and_half_of_it_half():
    opened = calendar.session("NSE", date(2026, 8, 10)).open
    closed = calendar.session("NSE", date(2026, 8, 10)).close
    middle = opened + (closed - opened) / 2

    assert year_fraction(opened, closed, TRADING_TIME, exchange="NSE") == 1 / 252
    assert year_fraction(middle, closed, TRADING_TIME, exchange="NSE") == 0.5 / 252
    assert year_fraction(closed, opened, TRADING_TIME, exchange="NSE") == 0.0


def test_a_holiday_is_no_trading_time():
    before, after = ist(2026, 11, 23, 16, 0), ist(2026, 11, 25, 9, 0)  # 24 November is closed

    assert not calendar.is_trading_day("NSE", date(2026, 11, 24))
    assert year_fraction(before, after, TRADING_TIME, exchange="NSE") == 0.0
    assert year_fraction(before, after) == timedelta(hours=41) / timedelta(days=365)


def test_an_unknown_day_count_and_a_missing_exchange_are_refused():
    now, then = ist(2026, 8, 10, 10, 0), ist(2026, 8, 11, 10, 0)

    with pytest.raises(ValueError, match="use one of"):
        year_fraction(now, then, "actual/360")
    with pytest.raises(ValueError, match="pass exchange="):
        year_fraction(now, then, TRADING_TIME)


STRIKES = np.arange(24_400, 25_000, 100.0)
CALLS = pricing.price(24_612.0, STRIKES, 0.02, 0.999, 0.14, True)  # noqa: FBT003 the fixed signature
PUTS = pricing.price(24_612.0, STRIKES, 0.02, 0.999, 0.14, False)  # noqa: FBT003
NOTHING = np.full(STRIKES.size, np.nan)


@pytest.mark.parametrize(
    ("future", "puts", "spot", "expected"),
    [
        (24_620.5, PUTS, 24_580.0, (24_620.5, Source.FUTURE)),
        (None, PUTS, 24_580.0, (24_612.0, Source.PARITY)),
        (None, NOTHING, 24_580.0, (24_580.0 * 1.0013, Source.SYNTHETIC)),
    ],
)
def test_the_forward_is_the_future_else_parity_else_the_spot_carried(future, puts, spot, expected):
    ladder = Ladder(STRIKES, CALLS, puts)

    found = select(future=future, ladder=ladder, spot=spot, df=0.999, growth=1.0013)

    assert found.source is expected[1]
    assert found.value == pytest.approx(expected[0], rel=1e-12)


def test_without_any_source_there_is_no_forward():
    assert select(future=None, ladder=None, spot=None, df=1.0, growth=1.0) is None
    assert Forward(1.0, Source.SYNTHETIC).source == "synthetic"
