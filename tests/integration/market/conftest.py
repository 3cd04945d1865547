"""A timeline, a Valkey that is emptied, and a simulator at the other end of the wire."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime

import httpx
import orjson
import pytest

from market import feed, quotes, services
from market.kernel.frame import decode
from market.management.commands.run_market import Market

# Announcements reach every database of one Valkey, so each test worker plays a timeline of its own.
KEY = f"test-sim-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
WALL = datetime(2026, 8, 4, 4, 0, tzinfo=UTC)


@pytest.fixture
def valkey():
    client = quotes.connection()
    doomed = [*client.keys("frame:test-*"), "heartbeat:test-worker", feed.HEARTBEAT, feed.HEALTH]
    client.delete(*doomed)
    yield client
    doomed = [*client.keys("frame:test-*"), "heartbeat:test-worker", feed.HEARTBEAT, feed.HEALTH]
    client.delete(*doomed)


@pytest.fixture
def timeline(db):
    row = services.create_timeline(
        key=KEY, source="simulated", first_day=date(2026, 8, 4), seed=7, speed=60
    )
    return services.activate_timeline(timeline=row, now=WALL)


class SimulatorStandIn:
    """Acknowledges frames as the simulator does; `answers` come first, `after` runs with each frame."""

    def __init__(self) -> None:
        self.frames = []
        self.settled: list[dict[str, str]] = []
        self.answers: list[httpx.Response | Exception] = []
        self.after = lambda frame: None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer secret"
        if request.url.path == "/admin/settle":
            self.settled.append(orjson.loads(request.content))
            return httpx.Response(200, json={"settled": []})
        frame = decode(orjson.loads(request.content))
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        self.frames.append(frame)
        self.after(frame)
        return httpx.Response(200, json={"n": frame.n})


@pytest.fixture
def simulator():
    return SimulatorStandIn()


@pytest.fixture
def stop():
    return threading.Event()


class RememberingPulse(feed.Pulse):
    """Keeps the states it said; stops the market when it says `stop_at`."""

    def __init__(self, client, stop) -> None:
        super().__init__(client, lambda: WALL)
        self.states: list[str] = []
        self.stop_at = ""
        self.at: dict[str, Callable[[], object]] = {}
        self._stop = stop

    def say(self, state, **facts):
        super().say(state, **facts)
        self.states.append(state)
        self.at.get(state, lambda: None)()
        if state == self.stop_at:
            self._stop.set()


@pytest.fixture
def pulse(valkey, stop):
    return RememberingPulse(valkey, stop)


@pytest.fixture
def market(simulator, valkey, pulse, stop):
    client = httpx.Client(
        base_url="http://simulator",
        transport=httpx.MockTransport(simulator),
        headers={"Authorization": "Bearer secret"},
    )
    return Market(client=client, valkey=valkey, pulse=pulse, stop=stop)
