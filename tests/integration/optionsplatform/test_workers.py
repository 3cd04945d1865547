"""Each worker process has a heartbeat of its own: one of several that falls silent is missed by name."""

from __future__ import annotations

from threading import Event
from types import SimpleNamespace

import orjson
import pytest
from celery.concurrency.thread import TaskPool
from kombu.asynchronous.timer import Timer

from execution import deaths, running
from execution.tasks import tick
from market import quotes
from optionsplatform.beating import beating
from optionsplatform.celery import app
from optionsplatform.processes import table, worker_name
from optionsplatform.pulse import Pulse
from tests.factories import make_operator
from users.models import Notice

NAMES = ("one@near", "two@near", "one@far")


@pytest.fixture(autouse=True)
def _no_workers():
    forget()
    yield
    forget()


def forget():
    client = quotes.connection()
    client.delete(running.WORKERS, deaths.DEATHS, *client.scan_iter("heartbeat:*"))


def falls_silent(name):
    quotes.connection().delete(f"heartbeat:{name}")


@pytest.fixture
def pool():
    made = TaskPool(limit=2)
    yield made
    made.executor.shutdown()


@pytest.fixture
def pulse(monkeypatch):
    monkeypatch.setenv("PROCESS_NAME", "worker-2")
    return Pulse(SimpleNamespace())


def test_readyz_counts_the_living_workers_of_all_machines(client, db):
    for name in NAMES:
        running.worker_heartbeat(name)
    assert client.get("/readyz").json()["workers"] == 3
    assert "options_workers_alive 3.0" in client.get("/metrics").content.decode()

    falls_silent("two@near")
    running.worker_ended("one@far")

    assert client.get("/readyz").json()["workers"] == 1
    assert running.workers() == {"one@near": True, "two@near": False}


def test_one_of_several_that_falls_silent_is_told_once_to_operators_by_name(db):
    operator = make_operator()
    for name in NAMES:
        running.worker_heartbeat(name)
    falls_silent("one@far")

    deaths.tell_operators()
    deaths.tell_operators()

    notice = Notice.objects.get()
    assert (notice.user, notice.kind, notice.severity) == (operator, "dead_process", "critical")
    assert notice.title == "The worker process one@far gives no sign of life"
    assert "2 other worker processes take over what it left" in notice.body
    assert running.workers() == {"one@near": True, "two@near": True}


def test_a_worker_that_signed_off_is_not_missed(db):
    make_operator()
    running.worker_heartbeat("one@far")

    running.worker_ended("one@far")
    deaths.tell_operators()

    assert not Notice.objects.exists()


def test_a_death_that_the_supervisor_wrote_down_is_told(db):
    operator = make_operator()
    death = {"process": "worker-2", "exit": -9, "at": "2026-08-03T05:00:00+00:00"}
    quotes.connection().lpush(deaths.DEATHS, orjson.dumps(death))

    deaths.tell_operators()

    notice = Notice.objects.get(user=operator)
    assert notice.title == "The worker-2 process died and was restarted"


def test_a_tick_says_nothing_of_the_worker_it_runs_in(db):
    tick()

    assert quotes.connection().exists("heartbeat:beat")
    assert not quotes.connection().exists("heartbeat:worker")


def test_a_worker_beats_through_its_own_pool_under_its_name_on_this_machine(pulse, pool):
    pulse.ask(pool)
    pool.executor.shutdown(wait=True)

    assert running.workers() == {worker_name("worker-2"): True}
    assert quotes.connection().exists("heartbeat:worker")  # one is alive
    second = next(p for p in table(web_port=0, simulator_port=0, workers=2) if p.name == "worker-2")
    assert quotes.connection().exists(f"heartbeat:{second.heartbeat}")  # so the supervisor sees it


def test_a_worker_whose_threads_all_hang_does_not_beat(pulse, pool):
    let_go = Event()
    for _ in range(2):
        pool.executor.submit(let_go.wait)

    for _ in range(3):
        pulse.ask(pool)

    assert running.workers() == {}
    assert pool.executor._work_queue.qsize() == 1
    let_go.set()
    pool.executor.shutdown(wait=True)
    assert running.workers() == {worker_name("worker-2"): True}


def test_a_worker_that_has_stopped_has_signed_off(pulse, pool):
    consumer = SimpleNamespace(timer=Timer(), pool=pool)
    pulse.start(consumer)
    pulse.ask(pool)
    pool.executor.shutdown(wait=True)

    pulse.shutdown(consumer)

    assert running.workers() == {}
    assert Pulse in app.steps["consumer"]


def test_the_health_check_of_a_workers_container_asks_for_the_worker_in_it(settings):
    running.worker_heartbeat("worker@elsewhere")
    assert beating("worker", url=settings.REDIS_URL) is False

    running.worker_heartbeat(worker_name("worker"))
    assert beating("worker", url=settings.REDIS_URL) is True
