from datetime import date, datetime, time, timedelta

import pytest

from market.facts import tables
from market.kernel import calendar
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import at


def clock(day, text):
    return at(day, time.fromisoformat(text))


def test_every_normal_day_of_six_years_has_a_session_of_its_own():
    first, last = tables.packaged().reach["NSE"]
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    trading = [day for day in days if calendar.can_expire("NSE", day)]

    assert len(trading) == 1479
    for day in trading:
        session = calendar.session("NSE", day)
        assert calendar.spot_is_live("NSE", session.open)
        assert session.open < calendar.settlement_time("NSE", day) <= session.close


@pytest.mark.parametrize(
    ("day", "close"), [(date(2026, 7, 31), "15:30"), (date(2026, 8, 3), "15:40")]
)
def test_the_session_closes_at_1540_from_3_august_2026(day, close):
    session = calendar.session("NSE", day)

    assert (session.open, session.close) == (clock(day, "09:15"), clock(day, close))


@pytest.mark.parametrize(
    ("day", "struck"), [(date(2026, 7, 28), "15:30"), (date(2026, 8, 4), "15:35")]
)
def test_the_settlement_value_is_struck_by_the_closing_auction_from_august_2026(day, struck):
    assert calendar.settlement_time("NSE", day) == clock(day, struck)


def test_spot_dies_at_1515_once_the_closing_auction_exists():
    before, after = date(2026, 7, 31), date(2026, 8, 4)

    assert calendar.spot_is_live("NSE", clock(before, "15:29"))
    assert calendar.spot_is_live("NSE", clock(after, "15:14"))
    assert not calendar.spot_is_live("NSE", clock(after, "15:15"))
    assert not calendar.spot_is_live("NSE", clock(after, "09:14"))
    assert not calendar.spot_is_live("NSE", clock(date(2026, 8, 8), "12:00"))


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        (date(2023, 11, 12), "18:15", "19:15"),
        (date(2024, 11, 1), "18:00", "19:00"),
        (date(2025, 10, 21), "13:45", "14:45"),
        (date(2024, 1, 20), "09:15", "15:30"),
        (date(2025, 2, 1), "09:15", "15:30"),
        (date(2026, 2, 1), "09:15", "15:30"),
    ],
)
def test_muhurat_and_weekend_sessions_are_known(day, start, end):
    session = calendar.session("BSE", day)

    assert (session.open, session.close) == (clock(day, start), clock(day, end))
    assert calendar.is_trading_day("NSE", day)


def test_a_session_in_two_parts_is_shut_in_between():
    day = date(2024, 3, 2)
    session = calendar.session("NSE", day)

    assert [session.is_open(clock(day, at)) for at in ("09:59", "10:00", "11:30", "12:30")] == [
        True, False, True, False,
    ]  # fmt: skip


def test_a_muhurat_whose_hours_are_unknown_trades_but_refuses_its_hours():
    assert calendar.is_trading_day("NSE", date(2026, 11, 8))
    with pytest.raises(OutsideCoverage, match="hours are not in the facts"):
        calendar.session("NSE", date(2026, 11, 8))


@pytest.mark.parametrize(
    "day",
    [
        date(2023, 6, 29),
        date(2024, 1, 22),
        date(2024, 5, 20),
        date(2024, 11, 20),
        date(2026, 1, 15),
    ],
)
def test_holidays_declared_late_are_closed(day):
    assert not calendar.is_trading_day("NSE", day)
    assert calendar.session("NSE", day) is None


def test_the_day_before_a_moved_holiday_trades():
    assert calendar.is_trading_day("NSE", date(2023, 6, 28))


def test_stepping_over_a_weekend_with_holidays_around_it():
    assert calendar.next_trading_day("NSE", date(2026, 11, 23)) == date(2026, 11, 25)
    assert calendar.previous_trading_day("NSE", date(2026, 11, 25)) == date(2026, 11, 23)
    assert calendar.next_trading_day("NSE", date(2026, 4, 2)) == date(2026, 4, 6)


def test_trading_days_are_counted_after_the_first_day_up_to_the_last():
    assert calendar.trading_days_between("NSE", date(2026, 8, 3), date(2026, 8, 10)) == 5
    assert calendar.trading_days_between("NSE", date(2026, 8, 3), date(2026, 8, 3)) == 0
    assert calendar.trading_days_between("NSE", date(2026, 11, 20), date(2026, 11, 25)) == 2


@pytest.mark.parametrize("day", [date(2020, 12, 31), date(2027, 1, 1)])
def test_a_day_outside_the_coverage_is_refused(day):
    for question in (calendar.is_trading_day, calendar.session, calendar.settlement_time):
        with pytest.raises(OutsideCoverage, match=f"hours and holidays of {day.year} are missing"):
            question("NSE", day)


def test_stepping_past_the_coverage_is_refused():
    with pytest.raises(OutsideCoverage):
        calendar.next_trading_day("NSE", date(2026, 12, 31))


def test_an_unknown_exchange_is_refused():
    with pytest.raises(OutsideCoverage, match="MCX"):
        calendar.is_trading_day("MCX", date(2026, 8, 4))


SPECIAL_SESSIONS_IT_LACKS = {
    date(2021, 11, 4), date(2022, 10, 24), date(2023, 11, 12), date(2024, 1, 20),
    date(2024, 3, 2), date(2024, 5, 18), date(2024, 11, 1), date(2025, 2, 1),
    date(2025, 10, 21), date(2026, 2, 1), date(2026, 11, 8),
}  # fmt: skip


@pytest.fixture(scope="module")
def independent():
    """Imported late: it brings pandas, and every worker collects this file."""
    import exchange_calendars

    return exchange_calendars.get_calendar("XBOM", start="2021-01-01")


@pytest.mark.parametrize("exchange", ["NSE", "BSE"])
def test_days_agree_with_an_independent_calendar_but_for_the_special_sessions_it_lacks(exchange, independent):
    sessions = {stamp.date() for stamp in independent.sessions_in_range("2021-01-01", "2026-12-31")}
    days = (date(2021, 1, 1) + timedelta(days=n) for n in range(6 * 365 + 1))
    ours = {day for day in days if calendar.is_trading_day(exchange, day)}

    assert sessions - ours == set()
    assert ours - sessions == SPECIAL_SESSIONS_IT_LACKS


def test_the_independent_calendar_does_not_know_the_longer_session_of_august_2026(independent):
    assert (
        independent.session_close("2026-07-31") == calendar.session("BSE", date(2026, 7, 31)).close
    )
    later = calendar.session("BSE", date(2026, 8, 3)).close
    assert later - independent.session_close("2026-08-03") == timedelta(minutes=10)


def test_every_fact_names_its_source_and_confidence():
    for file in tables.FOLDER.glob("*.csv"):
        for row in tables.rows(file.name):
            assert row["source"], (file.name, row)
            assert row["confidence"] in {"A", "B", "C"}, (file.name, row)


def test_sessions_are_aware():
    assert isinstance(calendar.session("NSE", date(2026, 8, 4)).open, datetime)
    assert calendar.session("NSE", date(2026, 8, 4)).open.utcoffset() == timedelta(hours=5.5)
