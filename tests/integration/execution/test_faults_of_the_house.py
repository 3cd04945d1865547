"""Faults 34, 35, 37, 39, 43 and 44: what happens to our own services, clock, facts and processes."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from random import Random

import pytest
from django.db import InternalError, OperationalError, connection, transaction

from execution.engine import loop
from execution.engine.desk import WorkKind
from execution.engine.dispatch import mark_sending
from execution.headless.play import Player
from execution.headless.witness import compare
from execution.models import Order, StrategyExecution
from execution.running import LiveFeed
from market import quotes
from market.facts import tables
from tests.integration.execution.conftest import one_strategy
from tests.integration.execution.fault_wires import (
    Killed,
    Wire,
    placed,
    plug,
    publish,
    started,
    unplug,
    work_on,
)

PUT = one_strategy("Cash Secured Put", broker="finvasia", lots=2)
CONDOR = one_strategy("Iron Condor", broker="zerodha", lots=2)
DEADLOCK = "DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$"


def put(desk):
    return desk.pair("Cash Secured Put", "finvasia")


def deadlock():
    with connection.cursor() as cursor:
        cursor.execute(DEADLOCK)


def refuse_writes():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL transaction_read_only = on")


@transaction.atomic
def in_one_transaction(*acts):
    for act in acts:
        act()


def test_fault_34_a_valkey_that_forgot_everything_changes_no_order(desk_of, django_capture_on_commit_callbacks):
    desk = desk_of(CONDOR)
    now = replace(publish(desk, 9, 20), feed=LiveFeed())
    with django_capture_on_commit_callbacks(execute=True):
        start = started(now)
        first, *_ = loop.perform(start, now)
        loop.perform(first, now)

    quotes.connection().flushdb()
    with django_capture_on_commit_callbacks(execute=True):
        work_on(loop.tick(now), now)
    desk.at(9, 20, 5)

    assert sorted(desk.held(desk.pair("Iron Condor", "zerodha")).values()) == [-130, -130, 130, 130]
    assert len(placed(desk)) == 4


def test_fault_35_a_deadlock_is_tried_again_only_before_the_order_is_sending(desk_of):
    desk = desk_of(PUT)
    now = publish(desk, 9, 20)
    start = started(now)
    loop.perform(start, now)
    (order,) = desk.orders(put(desk))

    with pytest.raises(OperationalError):
        in_one_transaction(lambda: mark_sending([order.pk], now), deadlock)
    assert (desk.orders(put(desk))[0].status, placed(desk)) == ("READY", [])

    class MeetsADeadlock(Wire):
        def place(self, request):
            self.inner.place(request)
            with transaction.atomic():
                deadlock()

    plug(desk, put(desk), MeetsADeadlock)
    with pytest.raises(OperationalError):
        desk.at(9, 20, 5)
    assert desk.orders(put(desk))[0].status == "SENDING"
    unplug(desk, put(desk))
    desk.at(9, 21)

    assert [(o.status, o.filled_quantity) for o in desk.orders(put(desk))] == [("FILLED", 130)]
    assert len(placed(desk)) == 1


@pytest.mark.parametrize("step", [-30, 30])
def test_fault_37_a_clock_that_steps_makes_no_early_and_no_second_entry(desk_of, step):
    desk = desk_of(PUT)
    before = publish(desk, 9, 19, 50)
    early = replace(before, wall=before.wall + timedelta(seconds=step))
    work_on(loop.tick(early), early)
    assert not StrategyExecution.objects.exists()

    due = publish(desk, 9, 20)
    work_on(loop.tick(due), due)
    stepped = replace(due, wall=due.wall + timedelta(seconds=step))
    work_on(loop.tick(stepped), stepped)
    desk.at(9, 21)

    assert StrategyExecution.objects.filter(phase="entry").count() == 1
    assert [(o.status, o.filled_quantity) for o in desk.orders(put(desk))] == [("FILLED", 130)]
    assert len(placed(desk)) == 1


def test_fault_39_a_freeze_quantity_that_changed_overnight_is_planned_anew(desk_of):
    desk = desk_of(one_strategy("Cash Secured Put", broker="finvasia", lots=4))
    packaged = tables.in_force()
    rows = tuple(replace(row, quantity=130) for row in packaged.freezes["NIFTY"])
    try:
        tables.install(replace(packaged, freezes={**packaged.freezes, "NIFTY": rows}))
        desk.at(9, 20)
        desk.at(9, 20, 5)
    finally:
        tables.install(packaged)

    assert [(o.slice, o.quantity, o.status) for o in desk.orders(put(desk))] == [
        (1, 130, "FILLED"), (2, 130, "FILLED"),
    ]  # fmt: skip


def test_fault_43_a_database_that_takes_no_more_rows_sends_nothing(desk_of):
    """As with a full disk: every write fails, so SENDING cannot be committed and no socket is opened."""
    desk = desk_of(PUT)
    now = publish(desk, 9, 20)
    start = started(now)
    (dispatch,) = [w for w in loop.perform(start, now) if w.kind is WorkKind.DISPATCH]

    with pytest.raises(InternalError, match="read-only transaction"):
        in_one_transaction(refuse_writes, lambda: loop.perform(dispatch, now))

    assert placed(desk) == []
    assert Order.objects.get().status == "READY"
    desk.at(9, 20, 5)
    assert Order.objects.get().status == "FILLED"
    assert len(placed(desk)) == 1


class Falters(Player):
    """A player whose process is killed after some of its works; what was queued is lost."""

    rng = Random(44)  # noqa: S311 - a schedule, not a secret
    deaths = 0

    def _drain(self, works, frame):
        left = self.rng.randint(2, 14)
        queue = list(works)
        while queue:
            if left == 0:
                self.deaths += 1
                raise Killed
            left -= 1
            work = queue.pop(0)
            self.wall += timedelta(milliseconds=40)
            queue += loop.perform(work, self._desk(frame))
            if work.kind is WorkKind.DISPATCH and not queue:
                queue += self._syncs()


def test_fault_44_a_process_killed_again_and_again_over_a_whole_day_reaches_the_same_book(desk_of, conservative_income):
    for strategy in conservative_income["strategies"]:
        strategy["terms"]["entry_tolerance_seconds"] = 600  # a desk that is down that long misses
    desk = desk_of(conservative_income)
    player = desk.player
    desk.player = Falters(
        timeline=player.timeline, simulator=player.simulator, tag_key=player.tag_key, wall=player.wall
    )
    desk.beginning = None

    def lived(act):
        try:
            act()
        except Killed:
            desk.player._adapters.clear()

    for minute, second in product((20, 21), range(0, 60, 4)):
        lived(lambda m=minute, s=second: desk.at(9, m, s))
    for minute, second in product((10, 11, 12), range(0, 60, 6)):
        lived(lambda m=minute, s=second: desk.at(15, m, s))
    deaths = desk.player.deaths
    desk.player.__class__ = Player
    desk.at(15, 26)
    desk.at(15, 26, 10)

    found = compare(desk.player)
    ended = StrategyExecution.objects.values_list("phase", "status", "code", "detail")
    assert {run[:2] for run in ended} == {("entry", "done"), ("exit", "done")}, list(ended)
    assert deaths >= 5
    assert (found["sent_twice"], found["unexplained"]) == (0, 0)
    assert desk.held(desk.pair("Iron Condor", "zerodha")) == {}
    assert sorted(desk.held(desk.pair("Cash Secured Put", "finvasia")).values()) == [-195]
