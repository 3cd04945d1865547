"""An account has one turn at a time, and what reduces risk or has begun goes before what has not."""

from __future__ import annotations

import pytest

from execution import running, tasks
from execution.engine import loop
from execution.engine.desk import Work, WorkKind
from execution.engine.shift import Turn
from market.quotes import connection
from tests.integration.execution.api.conftest import messages


@pytest.fixture(autouse=True)
def _no_turns():
    running.forget_turns()
    yield
    running.forget_turns()


def test_an_account_whose_message_waits_gets_no_second_one():
    assert running.reserve([7, 8]) == [7, 8]
    assert running.reserve([7, 8, 9]) == [9]

    running.free(8)

    assert running.reserve([7, 8]) == [8]


def test_a_message_may_wait_long_but_a_turn_that_does_not_end_is_soon_somebody_elses():
    running.reserve([7])
    assert connection().ttl("turn:7") == running.WAITS_FOR

    running.begin_turn(7)

    assert connection().ttl("turn:7") == running.TURN_LOST_AFTER


def test_a_look_at_an_accounts_books_waits_once_and_beside_its_turn():
    assert running.reserve([7, 8], mark=running.LOOK) == [7, 8]
    assert running.reserve([7, 8], mark=running.LOOK) == []
    assert running.reserve([7]) == [7]

    running.free(7, mark=running.LOOK)

    assert running.reserve([7, 8], mark=running.LOOK) == [7]
    assert running.reserve([7]) == []


def test_an_account_whose_books_are_about_to_be_read_is_not_polled_as_well():
    connection().delete("orders")
    running.reserve([7], mark=running.LOOK)

    tasks.poll([7, 8])

    assert messages("orders") == [[("sync", 8)]]
    connection().delete("orders")


def test_nobody_is_polled_when_nobody_has_an_order_at_a_broker():
    connection().delete("orders")

    tasks.poll([])

    assert messages("orders") == []


def test_a_new_worker_gives_every_account_its_turn_again():
    running.reserve([7, 8])

    running.forget_turns()

    assert running.reserve([7, 8]) == [7, 8]


def test_a_kills_exits_begin_before_entries_do_and_before_them_goes_what_is_under_way():
    kinds = sorted(WorkKind, key=lambda kind: loop.TURN[kind])

    assert kinds[:2] == [WorkKind.CANCEL, WorkKind.DISPATCH]
    assert kinds.index(WorkKind.EXIT) < kinds.index(WorkKind.ADVANCE) < kinds.index(WorkKind.START)
    assert kinds[-1] is WorkKind.START


@pytest.mark.django_db
def test_a_turn_that_is_over_leaves_what_has_not_begun(desk):
    desk.at(9, 15)
    turn = Turn([Work(WorkKind.START, -1), Work(WorkKind.CANCEL, -1)])

    turn.work_off(desk.player._desk(desk.player.last), is_over=lambda: True)

    assert turn.waiting == [Work(WorkKind.START, -1)]
