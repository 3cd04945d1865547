"""Fee arithmetic: hand-computed values, and what holds for every course of days."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.fees import (
    PairDay,
    closed_by_day,
    gst,
    monthly_fee,
    months,
    performance_fee,
)

money = st.decimals(-10_000_000, 10_000_000, places=2)
rates = st.decimals(0, 1, places=4)
courses = st.lists(money, max_size=30)
D = Decimal


def run(course, rate):
    """(fees, marks) of cumulative figures charged one after the other."""
    fees, marks, mark = [], [], D(0)
    for cumulative in course:
        fee, mark = performance_fee(cumulative, mark, rate)
        fees.append(fee)
        marks.append(mark)
    return fees, marks


@pytest.mark.parametrize(
    ("started", "period", "expected"),
    [
        (date(2026, 8, 1), date(2026, 8, 1), "999.00"),
        (date(2026, 8, 4), date(2026, 8, 1), "902.32"),  # 999 x 28/31 = 902.3226
        (date(2026, 8, 31), date(2026, 8, 1), "32.23"),  # one day
        (date(2026, 8, 4), date(2026, 9, 1), "999.00"),
        (date(2026, 8, 4), date(2026, 7, 1), "0.00"),
        (date(2028, 2, 29), date(2028, 2, 1), "34.45"),  # one of 29 days
    ],
)
def test_the_first_month_is_charged_by_the_days_that_are_left(started, period, expected):
    assert monthly_fee(D("999"), period=period, started=started) == D(expected)


def test_periods_go_over_the_end_of_the_year():
    assert list(months(date(2026, 11, 30), date(2027, 1, 1))) == [
        date(2026, 11, 1),
        date(2026, 12, 1),
        date(2027, 1, 1),
    ]


def test_only_what_is_above_the_mark_is_charged():
    fees, marks = run([D(1000), D(400), D(900), D(1500)], D("0.15"))

    assert fees == [D("150.00"), D(0), D(0), D("75.00")]
    assert marks == [D(1000), D(1000), D(1000), D(1500)]


def test_a_loss_first_is_made_good_before_anything_is_charged():
    fees, marks = run([D(-800), D(-100), D(200)], D("0.20"))

    assert fees == [D(0), D(0), D("40.00")]
    assert marks == [D(0), D(0), D(200)]


def test_part_of_a_paisa_is_not_charged_until_it_is_a_whole_one():
    fees, _ = run([D("0.10"), D("0.20"), D("0.30")], D("0.05"))  # 0.005, 0.010, 0.015

    assert fees == [D("0.00"), D("0.01"), D("0.00")]


def test_gst_is_eighteen_percent_where_the_curator_is_registered():
    assert gst(D("150.03"), registered=True) == D("27.01")
    assert gst(D("150.03"), registered=False) == D("0.00")


@given(courses, rates)
def test_the_mark_never_falls_and_no_fee_is_negative(course, rate):
    fees, marks = run(course, rate)

    assert marks == sorted(marks)
    assert all(fee >= 0 for fee in fees)
    assert all(fee == 0 for fee in fees) or rate > 0


@given(courses, rates)
def test_fees_add_up_to_at_most_the_rate_on_the_best_cumulative_figure(course, rate):
    fees, marks = run(course, rate)
    best = max([D(0), *course])

    assert sum(fees) <= rate * best
    assert rate * best - sum(fees) < D("0.01")
    assert (marks[-1] if marks else 0) == best


@given(courses, rates, st.data())
def test_charging_every_day_or_only_some_costs_the_same_up_to_a_common_best_day(course, rate, data):
    """Leaving days out changes nothing as long as the best day is charged."""
    course = [*course, max([D(0), *course])]
    kept = [c for c in course[:-1] if data.draw(st.booleans())] + course[-1:]

    assert sum(run(kept, rate)[0]) == sum(run(course, rate)[0])


@given(courses, rates, st.randoms())
def test_the_order_of_days_does_not_change_the_total(course, rate, random):
    shuffled = list(course)
    random.shuffle(shuffled)

    assert sum(run(shuffled, rate)[0]) == sum(run(course, rate)[0])


def day(number, realised, charges, unrealised=0, pair="a"):
    return PairDay(
        pair=pair,
        day=date(2026, 8, number),
        realised=D(realised),
        unrealised=D(unrealised),
        charges=D(charges),
    )


def nets(rows, opening=None):
    return [
        (moment.day, sum(c.net for c in closed.values()))
        for moment, closed in closed_by_day(rows, opening or {})
    ]


def test_an_open_cycle_counts_when_it_is_closed_with_the_charges_of_all_its_days():
    rows = [day(4, 0, 100, unrealised=900), day(5, 300, 20, unrealised=-50), day(6, 800, 80)]

    assert nets(rows) == [(4, 0), (5, 0), (6, D(600))]


def test_a_pair_keeps_its_closed_profit_while_the_next_cycle_is_open():
    rows = [day(4, 1000, 50), day(5, 1000, 40, unrealised=-700), day(6, 200, 10)]

    assert nets(rows) == [(4, D(950)), (5, D(950)), (6, D(100))]


def test_pairs_add_up_and_what_was_realised_before_does_not_count():
    rows = [day(4, 1500, 50), day(4, -200, 30, pair="b"), day(5, 100, 10, pair="b")]

    assert nets(rows, {"a": D(500)}) == [(4, D(720)), (5, D(1010))]
