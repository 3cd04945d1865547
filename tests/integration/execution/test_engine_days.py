"""A day's result, whatever made it."""

from dataclasses import replace
from datetime import date, time

from execution.engine import day
from execution.engine.marks import day_pnl
from execution.models import Fill, PerformanceMetric, Position
from market.kernel.clock import at
from tests.integration.execution.conftest import MONDAY, one_strategy
from users.models import Notice

EXPIRY = date(2026, 8, 4)


def test_a_day_on_which_a_pair_only_settles_has_its_result_too(desk_of):
    desk = desk_of(one_strategy("Cash Secured Put", broker="zerodha", lots=1))
    desk.at(9, 20)
    desk.at(15, 40)
    desk.day = EXPIRY
    desk.at(9, 15)
    desk.at(15, 40)

    first, second = PerformanceMetric.objects.order_by("trading_day")
    assert (first.trading_day, second.trading_day) == (MONDAY, EXPIRY)
    assert (second.fills, second.provisional) == (0, True)
    sold = Fill.objects.get()
    assert sold.side == "SELL"
    assert first.net + second.net == second.realised - first.charges - second.charges


def test_a_day_whose_close_nobody_saw_is_closed_by_the_next_one_and_said_to_be_provisional(desk_of):
    desk = desk_of(one_strategy("Covered Call", broker="zerodha", lots=1))
    desk.at(9, 20)
    desk.at(15, 0)
    desk.day = EXPIRY
    desk.at(9, 15)

    (first,) = PerformanceMetric.objects.all()
    assert (first.trading_day, first.final, first.provisional) == (MONDAY, True, True)
    assert first.net == first.realised + first.unrealised - first.charges
    for position in Position.objects.all():
        assert position.day == EXPIRY
        assert day_pnl([position], desk.player.last) == 0
    assert Notice.objects.get(kind="late_close").title == "03 Aug 2026 was closed late"
    desk.at(15, 40)
    assert PerformanceMetric.objects.filter(trading_day=EXPIRY, final=True).count() == 1


def test_a_desk_that_was_down_for_days_writes_down_each_of_them(desk_of):
    desk = desk_of(one_strategy("Covered Call", broker="zerodha", lots=1))
    desk.at(9, 20)
    desk.day = date(2026, 8, 6)
    desk.at(9, 15)

    days = PerformanceMetric.objects.order_by("trading_day").values_list("trading_day", "fills")
    assert [(each.day, fills) for each, fills in days] == [(3, 2), (4, 0), (5, 0)]


def test_a_special_session_whose_hours_nobody_knows_is_closed_late_and_the_desk_goes_on(desk_of):
    friday, muhurat, monday = date(2026, 11, 6), date(2026, 11, 8), date(2026, 11, 9)
    desk = desk_of(one_strategy("Covered Call", broker="zerodha", lots=1), day=friday)
    desk.at(9, 20)
    desk.at(15, 40)
    desk.day = monday
    desk.at(9, 15)
    desk.at(15, 40)

    metrics = PerformanceMetric.objects.order_by("trading_day")
    assert [(each.trading_day, each.fills, each.provisional) for each in metrics] == [
        (friday, 2, False), (muhurat, 0, True), (monday, 0, True),
    ]  # fmt: skip


def test_an_exit_after_its_time_keeps_the_time_it_was_due_and_says_how_late(desk):
    desk.at(9, 20)
    desk.at(15, 14)

    run = desk.run(desk.pair("Iron Condor", "zerodha"), "exit")
    assert (run.due_at, run.started_at) == (at(MONDAY, run.strategy_version.exit_time), desk.player.last.now)
    assert run.detail == "240 s late: done at the first frame after it was due."


def test_the_last_day_that_the_facts_know_is_closed_and_its_positions_wait_for_the_new_year(desk_of):
    desk = desk_of(one_strategy("Covered Call", broker="zerodha", lots=1))
    desk.at(9, 20)
    now = at(date(2026, 12, 31), time(15, 40))
    last = desk.player._desk(replace(desk.player.last, now=now))

    day.close(last)
    day.close(last)

    (metric,) = PerformanceMetric.objects.filter(trading_day=date(2026, 12, 31))
    assert metric.final
    assert {position.day for position in Position.objects.all()} == {MONDAY}
    assert not day.is_closed(last)
