"""A day's result, whatever made it."""

from datetime import date

from execution.models import Fill, PerformanceMetric
from market.kernel.clock import at
from tests.integration.execution.conftest import MONDAY, one_strategy

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


def test_an_exit_after_its_time_keeps_the_time_it_was_due_and_says_how_late(desk):
    desk.at(9, 20)
    desk.at(15, 14)

    run = desk.run(desk.pair("Iron Condor", "zerodha"), "exit")
    assert (run.due_at, run.started_at) == (at(MONDAY, run.strategy_version.exit_time), desk.player.last.now)
    assert run.detail == "240 s late: done at the first frame after it was due."
