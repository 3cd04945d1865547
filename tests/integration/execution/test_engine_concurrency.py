"""Workers at once, on real PostgreSQL: one of them acts, none of them deadlocks."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Timer

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection, transaction

from allocations.models import StrategyBrokerAllocation
from allocations.risk import ScopeTerms
from allocations.services import set_scope_limit
from brokers.types import NeverSent
from execution import services
from execution.engine import loop, runs
from execution.engine.answers import record_answer
from execution.engine.desk import Work, WorkKind
from execution.headless.witness import compare
from execution.headless.world import open_world
from execution.models import Order, StrategyExecution
from tests.integration.execution.conftest import MONDAY, Desk, one_strategy
from tests.integration.execution.fault_wires import Wire, plug, publish, unplug

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def condor(transactional_db) -> Desk:
    return Desk(open_world(one_strategy("Iron Condor", broker="zerodha", lots=2), first_day=MONDAY), MONDAY)


def at_once(*acts):
    """Run them in threads that start together; their results, or the first exception."""
    barrier = Barrier(len(acts))

    def run(act):
        try:
            barrier.wait(timeout=10)
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, act) for act in acts]]


def due(desk):
    """What a tick finds to do, beside the comparison of the accounts' books."""
    return [work for work in loop.tick(desk) if work.kind is not WorkKind.RECONCILE]


def placed(desk):
    return [order for account in desk.ledger() for order in account["orders"]]


def test_fault_15_ticks_at_once_open_one_run(condor):
    desk = publish(condor, 9, 20)

    at_once(*[lambda: loop.tick(desk)] * 4)

    assert StrategyExecution.objects.count() == 1


def test_workers_that_start_the_same_run_at_once_plan_it_once(condor):
    desk = publish(condor, 9, 20)
    (work,) = due(desk)

    at_once(*[lambda: loop.perform(work, desk)] * 3)

    assert [(o.leg_number, o.slice) for o in Order.objects.order_by("pk")] == [(1, 1), (2, 1)]


def test_fault_14_workers_that_dispatch_the_same_order_at_once_place_it_once(condor):
    desk = publish(condor, 9, 20)
    (work,) = due(desk)
    orders = loop.perform(work, desk)

    at_once(*[lambda w=w: loop.perform(w, desk) for w in orders for _ in range(3)])

    assert len(placed(condor)) == len(orders) == 2
    assert set(Order.objects.values_list("status", flat=True)) == {"ACKED"}


def test_an_answer_that_writes_a_new_attempt_does_not_wait_for_the_worker_that_holds_the_run(condor):
    """It holds its order, which that worker waits for next: waiting both ways would be a deadlock."""
    desk = publish(condor, 9, 20)
    (work,) = due(desk)
    sent, *_ = loop.perform(work, desk)
    Order.objects.filter(pk=sent.id).update(status="SENDING")
    held, answered = Event(), Event()

    def hold_the_run():
        with transaction.atomic():
            assert runs.locked(work.id, "running") is not None
            held.set()
            assert answered.wait(timeout=10)

    def answer():
        assert held.wait(timeout=10)
        record_answer(sent.id, NeverSent("connection refused"), desk)
        answered.set()

    at_once(hold_the_run, answer)

    assert Order.objects.filter(leg_number=1).values_list("attempt", "status").order_by("pk").count() == 2


def test_entries_at_once_never_pass_the_limit_that_they_share(transactional_db, conservative_income):
    """Fault 32: five pairs race for the lots of their user."""
    world = Desk(open_world(conservative_income, first_day=MONDAY), MONDAY)
    owner = StrategyBrokerAllocation.objects.select_related("broker_account__user")[0].broker_account.user
    set_scope_limit(user=owner, scope="user", target=None, terms=ScopeTerms(max_lots=5), source="test",
                    now=world.player.wall)  # fmt: skip
    desk = publish(world, 9, 20)
    works = due(desk)

    at_once(*[lambda w=work: loop.perform(w, desk) for work in works])

    runs_now = StrategyExecution.objects.values_list("status", "lots", "code")
    begun = [lots for status, lots, _ in runs_now if status == "running"]
    assert len(works) == 5
    assert 3 <= sum(begun) <= 5
    assert {code for status, _, code in runs_now if status == "denied"} == {"LOTS_ABOVE_LIMIT"}
    assert len(begun) < 5


def test_an_opening_order_waits_while_its_account_has_one_the_other_way_in_the_contract(condor):
    """Two pairs of one account that meet: the later order would trade with the earlier."""
    desk = publish(condor, 9, 20)
    (work,) = due(desk)
    dispatch, *_ = loop.perform(work, desk)
    other = Order.objects.get(pk=dispatch.id)
    other.pk, other.slice, other.client_ref = None, 99, "ANOTHERPAIRSORDER001"
    other.side, other.status = "SELL", "WORKING"
    other.save()

    assert loop.perform(dispatch, desk) == []
    assert (Order.objects.get(pk=dispatch.id).status, placed(condor)) == ("READY", [])
    assert dispatch.id not in loop.sendable(desk.timeline).values_list("pk", flat=True)
    Order.objects.filter(pk=other.pk).update(status="CANCELLED")
    loop.perform(dispatch, desk)

    assert Order.objects.get(pk=dispatch.id).status == "ACKED"


@pytest.mark.parametrize("turn", range(3))
def test_an_entry_an_exit_and_the_brokers_books_at_once_end_flat_and_without_deadlock(condor, turn):
    desk = publish(condor, 9, 20)
    (work,) = due(desk)
    first = loop.perform(work, desk)
    loop.perform(first[0], desk)
    run = StrategyExecution.objects.get()
    pair = run.allocation
    owner, account = pair.broker_account.user, pair.broker_account_id
    services.exit_now(user=owner, scope="pair", target=pair.pk, by=owner, source="test", now=desk.wall)
    leaving = StrategyExecution.objects.get(phase="exit")

    def often(*works):
        return lambda: [loop.perform(w, desk) for _ in range(3) for w in works]

    at_once(
        often(Work(WorkKind.ADVANCE, run.pk), first[1]),
        often(Work(WorkKind.START, leaving.pk), Work(WorkKind.ADVANCE, leaving.pk)),
        often(Work(WorkKind.SYNC, account)),
        often(Work(WorkKind.SYNC, account), Work(WorkKind.ADVANCE, run.pk)),
    )
    for second in (10, 20, 30):
        condor.at(9, 20, second)

    assert condor.held(pair) == {}
    assert set(StrategyExecution.objects.values_list("phase", "status")) == {
        ("entry", "failed"), ("exit", "done"),
    }  # fmt: skip
    found = compare(condor.player)
    assert (found["unexplained"], found["sent_twice"]) == (0, 0)


def test_a_sender_waits_for_a_halt_that_has_not_committed_yet_and_then_sends_nothing(condor):
    desk = publish(condor, 9, 20)
    (work,) = due(desk)
    loop.perform(work, desk)
    order = Order.objects.filter(status="READY").first()
    owner = order.broker_account.user
    halted, commit = Event(), Event()

    def kill():
        with transaction.atomic():
            services.kill(user=owner, scope="user", target=None, by=owner, source="test", now=desk.wall)
            halted.set()
            commit.wait(timeout=10)

    def send():
        halted.wait(timeout=10)
        Timer(0.5, commit.set).start()
        loop.perform(Work(WorkKind.DISPATCH, order.pk), desk)

    at_once(kill, send)

    order.refresh_from_db()
    assert (order.status, order.code) == ("DENIED", "HALTED")
    assert placed(condor) == []


def test_fault_33_a_database_that_goes_away_in_the_middle_of_a_wave_leaves_no_order_twice(condor):
    """PostgreSQL ends our connection between the broker's answer and its row, as a restart does."""

    class LosesTheDatabase(Wire):
        def place(self, request):
            answer = self.inner.place(request)
            url = {name: value for name, value in connection.get_connection_params().items()
                   if name in ("dbname", "user", "password", "host", "port")}  # fmt: skip
            with psycopg.connect(**url) as apart:
                apart.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
            return answer

    pair = condor.pair("Iron Condor", "zerodha")
    plug(condor, pair, LosesTheDatabase)
    with pytest.raises((OperationalError, InterfaceError)):
        condor.at(9, 20)
    connection.close()
    unplug(condor, pair)
    assert Order.objects.filter(status="SENDING").count() == 1

    condor.at(9, 20, 20)
    condor.at(9, 20, 25)

    assert sorted(condor.held(pair).values()) == [-130, -130, 130, 130]
    found = compare(condor.player)
    assert (found["unexplained"], found["sent_twice"]) == (0, 0)
