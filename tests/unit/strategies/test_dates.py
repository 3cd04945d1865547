from datetime import date

import pytest

from strategies.rules import (
    Schedule,
    Unresolvable,
    expiry_of,
    is_due_day,
    nearest_rule,
    next_expiry,
)
from tests.unit.strategies.frames import make_leg


@pytest.mark.parametrize(
    ("day", "rule", "expiry"),
    [
        ((2026, 8, 3), "this_week", (2026, 8, 4)),
        ((2026, 8, 4), "this_week", (2026, 8, 4)),  # expiry day still trades it
        ((2026, 8, 5), "this_week", (2026, 8, 11)),
        ((2026, 8, 4), "next_week", (2026, 8, 11)),
        ((2026, 8, 21), "this_week", (2026, 8, 25)),  # the monthly stands in
        ((2026, 8, 25), "next_week", (2026, 9, 1)),
        ((2026, 8, 4), "this_month", (2026, 8, 25)),
        ((2026, 8, 25), "this_month", (2026, 8, 25)),
        ((2026, 8, 26), "this_month", (2026, 9, 29)),  # after the monthly it is the next one
        ((2026, 8, 26), "next_month", (2026, 10, 27)),
        ((2026, 11, 23), "this_month", (2026, 11, 23)),  # moved by a holiday from Tuesday the 24th
    ],
)
def test_an_expiry_rule_means_a_day_of_the_dated_list(day, rule, expiry):
    leg = make_leg(expiry_rule=rule)

    assert expiry_of(leg, underlying="NIFTY", day=date(*day)) == date(*expiry)


def test_a_fixed_expiry_must_be_listed():
    good = make_leg(expiry_rule="fixed", expiry_date=date(2026, 8, 11))
    bad = make_leg(expiry_rule="fixed", expiry_date=date(2026, 8, 12))

    assert expiry_of(good, underlying="NIFTY", day=date(2026, 8, 4)) == date(2026, 8, 11)
    with pytest.raises(Unresolvable, match="2026-08-04, 2026-08-11") as refused:
        expiry_of(bad, underlying="NIFTY", day=date(2026, 8, 4))
    assert refused.value.code == "NO_SUCH_EXPIRY"


@pytest.mark.parametrize("rule", ["this_week", "next_week"])
def test_a_weekly_rule_is_refused_where_there_are_no_weeklies(rule):
    with pytest.raises(Unresolvable) as refused:
        expiry_of(make_leg(expiry_rule=rule), underlying="BANKNIFTY", day=date(2026, 8, 4))

    assert refused.value.code == "NO_WEEKLY_EXPIRY"


def test_a_future_does_not_expire_with_a_weekly():
    future = make_leg(option_type="FUT", strike_rule="none", strike_value=None)

    with pytest.raises(Unresolvable) as refused:
        expiry_of(future, underlying="NIFTY", day=date(2026, 8, 4))

    assert refused.value.code == "NO_SUCH_EXPIRY"


def test_a_day_outside_the_calendar_is_refused():
    with pytest.raises(Unresolvable) as refused:
        expiry_of(make_leg(), underlying="NIFTY", day=date(2031, 1, 6))

    assert refused.value.code == "NO_SUCH_EXPIRY"


def test_the_next_expiry_of_a_fixed_leg_is_of_the_same_kind():
    leg = make_leg(expiry_rule="fixed", expiry_date=date(2026, 8, 25))
    on = {"underlying": "NIFTY", "day": date(2026, 8, 4)}

    assert next_expiry(leg, after=date(2026, 8, 25), **on) == date(2026, 9, 29)
    assert next_expiry(leg, after=date(2026, 8, 4), **on) == date(2026, 8, 11)


def schedule(**changes):
    return Schedule(**{"underlying": "NIFTY", "day_rule": "weekdays", **changes})


@pytest.mark.parametrize(
    ("plan", "day", "due"),
    [
        (schedule(weekdays=(0, 1)), (2026, 8, 4), True),
        (schedule(weekdays=(0, 1)), (2026, 8, 5), False),
        (schedule(weekdays=(0, 1, 2, 3, 4, 5, 6)), (2026, 8, 8), False),  # Saturday
        (schedule(weekdays=(1,)), (2026, 11, 24), False),  # an exchange holiday
        (schedule(day_rule="expiry_day"), (2026, 8, 4), True),
        (schedule(day_rule="expiry_day"), (2026, 8, 5), False),
        (schedule(day_rule="expiry_day"), (2026, 11, 23), True),  # the expiry that was moved
        (schedule(day_rule="expiry_day", expiry_rule="next_week"), (2026, 8, 4), True),
        (schedule(day_rule="expiry_day", expiry_rule="this_month"), (2026, 8, 4), False),
        (schedule(day_rule="expiry_day", expiry_rule="this_month"), (2026, 8, 25), True),
        (schedule(day_rule="days_before_expiry", days_before=1), (2026, 8, 3), True),
        (schedule(day_rule="days_before_expiry", days_before=1), (2026, 8, 4), False),
        (schedule(day_rule="days_before_expiry", days_before=1), (2026, 11, 20), True),
        (
            schedule(
                day_rule="days_before_expiry",
                days_before=2,
                expiry_rule="fixed",
                expiry_date=date(2026, 8, 11),
            ),
            (2026, 8, 7),
            True,
        ),
        (
            schedule(day_rule="expiry_day", expiry_rule="fixed", expiry_date=date(2026, 8, 11)),
            (2026, 8, 12),
            False,
        ),
    ],
)
def test_entry_days_follow_the_calendar(plan, day, due):
    assert is_due_day(plan, date(*day), "NSE") is due


def test_the_schedule_counts_by_the_weekly_leg():
    month, week = make_leg(expiry_rule="this_month"), make_leg(number=2, expiry_rule="this_week")

    assert nearest_rule([month, week]) == week


@pytest.mark.parametrize("day", [date(2026, 12, 23), date(2026, 12, 29)])
def test_this_week_is_the_monthly_where_the_facts_end_before_another_weekly(day):
    assert expiry_of(make_leg(expiry_rule="this_week"), underlying="NIFTY", day=day) == date(2026, 12, 29)


@pytest.mark.parametrize(
    ("leg", "day", "wanted"),
    [
        (make_leg(expiry_rule="this_week"), 30, "the expiry of this week on 2026-12-30"),
        (make_leg(expiry_rule="next_week"), 23, "the expiry of next week on 2026-12-23"),
        (make_leg(expiry_rule="next_month"), 1, "the expiry of next month on 2026-12-01"),
        (make_leg(expiry_rule="fixed", expiry_date=date(2027, 1, 5)), 23, "an expiry on 2027-01-05"),
    ],
)
def test_an_expiry_beyond_the_facts_is_refused_with_the_day_that_they_reach(leg, day, wanted):
    with pytest.raises(Unresolvable) as refused:
        expiry_of(leg, underlying="NIFTY", day=date(2026, 12, day))

    assert refused.value.code == "NO_SUCH_EXPIRY"
    assert str(refused.value) == (
        f"NIFTY: {wanted} is not listed or not known yet; the market facts reach to 2026-12-31."
    )


def test_a_roll_beyond_the_facts_is_refused_with_the_day_that_they_reach():
    with pytest.raises(Unresolvable, match=r"the expiry after 2026-12-29 .* reach to 2026-12-31"):
        next_expiry(make_leg(), underlying="NIFTY", after=date(2026, 12, 29), day=date(2026, 12, 29))
