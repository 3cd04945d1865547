"""Entries of one account that come due together: one reading for all, and none stops another."""

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from execution import running, tasks
from execution.engine import dispatch, entry, judging, loop
from execution.engine.account_view import AccountView
from execution.engine.desk import Work, WorkKind
from execution.engine.shift import Turn
from execution.models import Order, OrderEvent, StrategyExecution
from market import quotes
from market.services import ensure_contracts
from tests.integration.execution.fault_wires import Wire, plug, publish

PAIRS = ("Iron Condor", "Covered Call")


@pytest.fixture
def both(desk):
    """Two pairs of one account that are due, and the desk at their time: nothing has begun."""
    now = publish(desk, 9, 20)
    loop.tick(now)
    return [desk.run(desk.pair(name, "zerodha")) for name in PAIRS], now


def starts(runs):
    return [Work(WorkKind.START, run.pk) for run in runs]


def statuses(runs):
    return [StrategyExecution.objects.get(pk=run.pk).status for run in runs]


def never():
    return False


def test_two_entries_begin_in_as_many_queries_as_one(both):
    runs, now = both
    view = AccountView([run.allocation for run in runs], now)
    for run in runs:  # contracts that are new to the database are written once
        ensure_contracts([leg.contract for leg in judging.found_legs(run, view)])
    asked = []
    for some in (runs[:1], runs[1:]):
        with CaptureQueriesContext(connection) as seen:
            entry.start_all([run.pk for run in some], now)
        asked.append(len(seen))
    Order.objects.all().delete()
    StrategyExecution.objects.filter(pk__in=[run.pk for run in runs]).update(status="due", plan=None)

    with CaptureQueriesContext(connection) as together:
        entry.start_all([run.pk for run in runs], now)

    assert len(together) <= max(asked)
    assert statuses(runs) == ["running", "running"]


def test_two_entries_do_not_count_on_the_same_rupee(desk, both):
    runs, now = both
    needed = [judging.judge(run, AccountView([run.allocation], now)).needed for run in runs]

    class Tight(Wire):
        def funds(self):
            return replace(self.inner.funds(), available=max(needed))

    plug(desk, runs[0].allocation, Tight)
    entry.start_all([run.pk for run in runs], now)

    first, second = [StrategyExecution.objects.get(pk=run.pk) for run in runs]
    assert (first.status, second.status, second.code) == ("running", "denied", "INSUFFICIENT_FUNDS")
    assert f"{max(needed) - needed[0]} are free" in second.detail


def test_an_entry_that_cannot_be_read_stops_no_other(both):
    runs, now = both
    StrategyExecution.objects.filter(pk=runs[0].pk).update(plan={"legs": [{"leg": 1}]})
    turn = Turn(starts(runs))

    with pytest.raises(KeyError):
        turn.work_off(now, is_over=never)
    assert turn.waiting == starts(runs[1:])
    turn.work_off(now, is_over=never)

    assert statuses(runs) == ["due", "running"]
    assert Order.objects.filter(execution=runs[1]).exclude(status="READY").exists()


def test_what_the_broker_took_before_a_defect_is_on_record(desk, both):
    runs, now = both

    class BreaksAtTheSecond(Wire):
        count = 0

        def place(self, request):
            self.count += 1
            if self.count == 2:
                raise ZeroDivisionError
            return self.inner.place(request)

    plug(desk, runs[0].allocation, BreaksAtTheSecond)
    sends = entry.start_all([runs[0].pk], now)
    with pytest.raises(ZeroDivisionError):
        dispatch.dispatch_all([work.id for work in sends], now)

    orders = list(Order.objects.filter(execution=runs[0]).order_by("pk"))
    assert [order.status for order in orders] == ["ACKED", "SENDING"]
    assert OrderEvent.objects.filter(order=orders[0], kind="Ack").count() == 1


def test_one_tick_at_a_time_and_one_a_second_of_the_same_frame(desk):
    now = publish(desk, 9, 20)
    client = quotes.connection()
    client.delete(running.TICKING, f"looked:{now.timeline.key}:{now.frame.n}")

    with running.the_only_tick(now) as mine, running.the_only_tick(now) as beside:
        assert (mine, beside) == (True, False)
    assert running.was_tick_missed()  # the one that was under way has another one follow
    assert not running.was_tick_missed()
    with running.the_only_tick(now) as again:
        assert again is False
    with running.the_only_tick(publish(desk, 9, 21)) as next_frame:
        assert next_frame is True

    assert client.exists(running.TICKING) == 0
    client.delete(f"looked:{now.timeline.key}:{now.frame.n}")


def test_an_account_is_polled_once_however_often_that_is_asked(both):
    account = both[0][0].allocation.broker_account_id
    running.forget_turns()
    quotes.connection().delete("orders")

    tasks.poll([account])
    tasks.poll([account])

    assert quotes.connection().llen("orders") == 1
    running.forget_turns()
    quotes.connection().delete("orders")
