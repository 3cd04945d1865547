"""Faults 1 to 13 of docs/concepts/proof.md, on an order's way to the broker: nothing twice, nothing lost."""

from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from execution.engine import loop
from execution.models import Order, StrategyExecution
from tests.integration.execution.conftest import one_strategy
from tests.integration.execution.fault_wires import (
    DiesAfterBytes,
    DiesBeforeBytes,
    Killed,
    Wire,
    placed,
    plug,
    publish,
    started,
    unplug,
    work_on,
)
from users.models import Notice

PUT = one_strategy("Cash Secured Put", broker="finvasia", lots=2)


def put(desk):
    return desk.pair("Cash Secured Put", "finvasia")


def states(desk):
    return [(o.status, o.filled_quantity) for o in desk.orders(put(desk))]


def killed_while_sending(desk_of, wire):
    """A desk whose worker was killed with its only order on the way; it is up again."""
    desk = desk_of(PUT)
    plug(desk, put(desk), wire)
    with pytest.raises(Killed):
        desk.at(9, 20)
    unplug(desk, put(desk))
    return desk


def killed_before_the_commit(act):
    """What a kill leaves of an act: PostgreSQL rolls its transaction back."""
    with transaction.atomic():
        act()
        transaction.set_rollback(True)


@contextmanager
def no_statements_after_the_answer():
    """A wire whose worker is killed when it has the answer and wants to write it."""

    def killed(execute, sql, *rest):
        if "order_history" in sql:
            raise Killed
        return execute(sql, *rest)

    class DiesAtTheRow(Wire):
        def place(self, request):
            answer = self.inner.place(request)
            connection.execute_wrappers.append(killed)
            return answer

    yield DiesAtTheRow
    connection.execute_wrappers.remove(killed)


def test_fault_01_a_kill_before_the_plan_commits_sends_nothing_and_it_is_planned_once(desk_of):
    desk = desk_of(PUT)
    now = publish(desk, 9, 20)
    start = started(now)

    killed_before_the_commit(lambda: loop.perform(start, now))

    assert (Order.objects.count(), placed(desk)) == (0, [])
    for _ in range(2):
        work_on(loop.tick(now), now)
    desk.at(9, 20, 5)
    assert states(desk) == [("FILLED", 130)]
    assert StrategyExecution.objects.count() == 1


def test_fault_02_a_kill_after_the_order_is_ready_sends_it_once(desk_of):
    desk = desk_of(PUT)
    now = publish(desk, 9, 20)
    start = started(now)
    loop.perform(start, now)  # and what it returned is lost with the worker
    assert states(desk) == [("READY", 0)]

    desk.at(9, 20, 5)

    assert states(desk) == [("FILLED", 130)]
    assert len(placed(desk)) == 1


def test_fault_03_a_kill_before_the_first_byte_leaves_an_unknown_order_that_is_not_sent_again(desk_of):
    desk = killed_while_sending(desk_of, DiesBeforeBytes)

    desk.minutes((9, 21), (9, 26))

    assert states(desk) == [("UNKNOWN", 0)]
    assert placed(desk) == []
    assert Notice.objects.filter(kind="unknown_order").count() == 1


def test_fault_04_a_kill_between_the_bytes_and_the_answer_is_found_by_its_tag(desk_of):
    desk = killed_while_sending(desk_of, DiesAfterBytes)

    desk.at(9, 21)

    assert states(desk) == [("FILLED", 130)]
    assert len(placed(desk)) == 1


def test_fault_05_a_kill_between_the_answer_and_the_row_is_found_by_its_tag(desk_of):
    with no_statements_after_the_answer() as wire:
        desk = killed_while_sending(desk_of, wire)

    desk.at(9, 21)

    assert states(desk) == [("FILLED", 130)]
    assert len(placed(desk)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "delay_answer", "seconds": 30}, id="fault 6"),
        pytest.param({"kind": "answer_500_but_placed"}, id="fault 10"),
        pytest.param({"kind": "html_body"}, id="fault 12, HTML"),
        pytest.param({"kind": "truncated_body"}, id="fault 12, truncated"),
    ],
)
def test_fault_06_10_12_an_answer_that_says_nothing_is_unknown_then_found_by_its_tag(desk_of, fault):
    desk = desk_of(PUT)
    desk.fault(**fault)

    desk.at(9, 20)
    desk.at(9, 20, 5)

    assert states(desk) == [("FILLED", 130)]
    assert len(placed(desk)) == 1
    assert Notice.objects.filter(kind="unknown_order").count() == 1


def test_fault_08_a_400_that_says_timed_out_is_adopted_when_the_order_appears_after_8_seconds(desk_of):
    desk = desk_of(PUT)
    desk.fault("answer_400_but_placed")
    desk.fault("hide_order_for", seconds=8)

    desk.at(9, 20)
    assert states(desk) == [("UNKNOWN", 0)]
    desk.at(9, 20, 5)
    assert states(desk) == [("UNKNOWN", 0)]
    desk.at(9, 20, 20)

    assert states(desk) == [("FILLED", 130)]
    assert len(placed(desk)) == 1


def test_fault_11_a_429_that_proves_nothing_is_unknown_and_is_not_sent_again(desk_of):
    desk = desk_of(PUT)
    desk.fault("too_many_requests")

    desk.at(9, 20)
    desk.minutes((9, 21), (9, 24))

    assert states(desk) == [("UNKNOWN", 0)]
    assert placed(desk) == []
