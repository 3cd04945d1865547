"""A tick in which nothing happens asks the database little, however many pairs there are."""

from datetime import time

from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocations.models import StrategyBrokerAllocation
from execution.engine import loop
from execution.engine.snapshot import Snapshot
from execution.models import AccountBook
from market.kernel.clock import at
from tests.factories import make_account, make_allocation
from tests.integration.execution.conftest import MONDAY

BEFORE_ENTRIES, WITH_POSITIONS = 13, 17


def queries_of_a_tick(desk) -> int:
    engine_desk = desk.player._desk(desk.player.last)
    loop.tick(engine_desk)
    with CaptureQueriesContext(connection) as captured:
        assert loop.tick(engine_desk) == []
    return len(captured)


def double_the_pairs(desk) -> None:
    """Every strategy on as many new accounts as it has pairs."""
    for pair in list(StrategyBrokerAllocation.objects.select_related("strategy", "broker_account__user")):
        account = make_account(pair.broker_account.user, broker="angelone")
        make_allocation(pair.strategy, account)
        AccountBook.objects.create(broker_account=account, timeline=desk.player.timeline)  # was read


def test_a_tick_before_the_entries_is_few_queries_and_more_pairs_add_none(desk):
    desk.at(9, 16)
    few = queries_of_a_tick(desk)
    double_the_pairs(desk)

    assert queries_of_a_tick(desk) == few <= BEFORE_ENTRIES


def test_a_tick_over_open_positions_is_few_queries_and_more_pairs_add_none(desk):
    desk.at(9, 20)
    desk.at(9, 20, 5)

    all_five = queries_of_a_tick(desk)
    StrategyBrokerAllocation.objects.exclude(strategy__name="Iron Condor").update(lots=0)

    assert queries_of_a_tick(desk) == all_five <= WITH_POSITIONS


def test_a_world_of_its_own_reads_nothing_more_until_something_is_written(desk):
    desk.at(9, 20)
    desk.at(9, 20, 5)
    player = desk.player
    with player.alone():
        desk.at(9, 20, 10)
        with CaptureQueriesContext(connection) as captured:
            desk.at(9, 20, 15)
        StrategyBrokerAllocation.objects.filter(strategy__name="Iron Condor").update(max_lots=9)
        with CaptureQueriesContext(connection) as after_a_write:
            desk.at(9, 20, 20)

    assert len(captured) == 1  # the clock
    assert len(after_a_write) > 5


def test_a_tick_after_a_closed_day_writes_nothing_more(desk):
    desk.at(9, 20)
    desk.at(9, 20, 5)
    desk.at(15, 40)
    engine_desk = desk.player._desk(desk.player.last)
    loop.tick(engine_desk)

    with CaptureQueriesContext(connection) as captured:
        loop.tick(engine_desk)

    words = {query["sql"].split()[0] for query in captured}
    assert words == {"SELECT"}
    assert len(captured) <= WITH_POSITIONS + 2


def test_a_tick_before_the_entries_does_not_read_the_pairs_that_wait_for_their_time(desk):
    desk.at(9, 16)
    world = desk.player._desk(desk.player.last)

    def unasked(hour, minute, second=0):
        now = at(MONDAY, time(hour, minute, second))
        return len(Snapshot(world.timeline, world.day, world.wall, now=now).unasked)

    of_all_the_day = Snapshot(world.timeline, world.day, world.wall).unasked

    assert (unasked(9, 19, 59), unasked(9, 20)) == (0, 5)
    assert len(of_all_the_day) == 5


def test_a_pair_whose_time_came_while_no_worker_ran_is_read_at_any_later_tick(desk):
    desk.at(9, 16)
    world = desk.player._desk(desk.player.last)

    late = Snapshot(world.timeline, world.day, world.wall, now=at(MONDAY, time(15, 29)))

    assert len(late.unasked) == 5
