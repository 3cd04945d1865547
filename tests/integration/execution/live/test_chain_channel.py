"""Chains on /ws/live: valued while somebody watches, the same for everybody, changed rows only."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import orjson
import pytest
from asgiref.sync import sync_to_async

from execution.live import chains
from execution.live.events import announcements
from execution.live.feed import state_key
from execution.live.process import LiveProcess
from market import quotes
from tests.factories import UserFactory
from tests.integration.execution.live.browser import Socket, cookie_of
from tests.integration.execution.live.rows_in_db import make_timeline
from tests.unit.execution.live.worlds import CALL, NOW, PUT, frame, quote

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "chain:NIFTY:2026-08-11"
QUOTED = {CALL: quote("70.90", "71.20", "71.00"), PUT: quote("55.00", "55.30", "55.10")}


class Clock:
    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds

    def wall(self):
        return NOW + timedelta(seconds=self.seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def process(valkey, clock, db):
    make_timeline()
    publish()
    running = LiveProcess(valkey, clock.wall, clock)
    running.start()
    yield running
    running.close()


@pytest.fixture
def cookie(user):
    return cookie_of(user)


def publish(n=1, ltp="71.00"):
    quoted = QUOTED | {CALL: QUOTED[CALL]._replace(ltp=Decimal(ltp))}
    quotes.publish(frame(quoted, n=n, timeline="live-test"))


def step(process, clock, seconds=0.2):
    clock.seconds += seconds
    for _ in range(20):  # the announcement may be on its way
        process.step(wait=0.01)


def rows(valkey, name=NAME):
    kept = valkey.hgetall(state_key("all", name))
    return {k.decode(): orjson.loads(v) for k, v in kept.items() if k != b"~"}


def deltas(pubsub):
    found = []
    while (message := pubsub.get_message(timeout=0.1)) is not None:
        if message["type"] == "message":
            found += [m for m in orjson.loads(message["data"]) if m.get("ch") == NAME]
    return found


def watched(valkey, *names):
    valkey.eval(
        chains.WATCH, 2, chains.WATCHED_KEY, chains.new_watchers(), chains.WATCHED_SECONDS, *names
    )


def test_what_nobody_watches_is_not_valued(process, clock, valkey):
    publish(n=2)
    step(process, clock)

    assert valkey.keys("live:state:all:chain:*") == []


def test_a_new_watcher_is_served_at_once_without_waiting_for_a_frame(process, clock, valkey):
    watched(valkey, NAME)
    step(process, clock, seconds=0)

    assert set(rows(valkey)) == {"head", "24700CE", "24300PE"}
    assert rows(valkey)["24700CE"]["ltp"] == "71.00"


def test_a_frame_tells_the_changed_fields_of_the_changed_rows_alone(process, clock, valkey):
    watched(valkey, NAME)
    step(process, clock)
    pubsub = valkey.pubsub()
    pubsub.subscribe(announcements("all"))
    pubsub.get_message(timeout=1)

    publish(n=2, ltp="71.05")
    step(process, clock)

    (told,) = deltas(pubsub)
    pubsub.close()
    assert (told["prev"], told["seq"], told["d"]) == (1, 2, {"24700CE": {"ltp": "71.05"}})


def test_frames_faster_than_ten_a_second_are_told_as_the_newest_alone(process, clock, valkey):
    watched(valkey, NAME)
    step(process, clock)
    publish(n=2, ltp="71.05")
    step(process, clock)
    pubsub = valkey.pubsub()
    pubsub.subscribe(announcements("all"))
    pubsub.get_message(timeout=1)

    for n, ltp in ((3, "71.10"), (4, "71.15"), (5, "71.20")):
        publish(n=n, ltp=ltp)
        step(process, clock, seconds=0.02)
    early = deltas(pubsub)
    step(process, clock, seconds=0.1)

    late = deltas(pubsub)
    pubsub.close()
    assert early == []
    assert [m["d"] for m in late] == [{"24700CE": {"ltp": "71.20"}}]


def test_a_chain_that_is_watched_no_more_loses_its_rows(process, clock, valkey):
    watched(valkey, NAME)
    step(process, clock)
    valkey.zrem(chains.WATCHED_KEY, NAME)  # as after fifteen seconds
    step(process, clock, seconds=2.1)

    assert rows(valkey) == {}
    assert process.chains.watched == frozenset()


def test_a_watch_is_forgotten_after_its_time_by_the_servers_clock(valkey):
    watched(valkey, NAME)
    valkey.zadd(chains.WATCHED_KEY, {"chain:NIFTY:2026-08-04": valkey.time()[0] - 1})

    assert valkey.eval(chains.WATCHED, 1, chains.WATCHED_KEY) == [NAME.encode()]


def test_a_series_that_the_market_no_longer_quotes_has_no_rows(process, clock, valkey):
    watched(valkey, "chain:NIFTY:2026-08-04")
    step(process, clock)

    assert rows(valkey, "chain:NIFTY:2026-08-04") == {}


async def test_two_users_get_the_same_chain_and_its_changes(process, clock, valkey, cookie):
    other = await sync_to_async(lambda: cookie_of(UserFactory()))()
    async with Socket(cookie=cookie) as mine, Socket(cookie=other) as theirs:
        for socket in (mine, theirs):
            await socket.subscribe(NAME)
            assert (await socket.hear("snap"))["ch"] == NAME
        await sync_to_async(step, thread_sensitive=True)(process, clock)
        first = [await socket.hear("delta") for socket in (mine, theirs)]
        publish(n=2, ltp="71.05")
        await sync_to_async(step, thread_sensitive=True)(process, clock)
        second = [await socket.hear("delta") for socket in (mine, theirs)]

    assert first[0] == first[1]
    assert set(first[0]["d"]) == {"head", "24700CE", "24300PE"}
    assert second[0]["d"] == second[1]["d"] == {"24700CE": {"ltp": "71.05"}}


async def test_an_expiry_that_the_market_does_not_quote_is_said(process, valkey, cookie):
    async with Socket(cookie=cookie) as socket:
        for name in ("chain:NIFTY:2026-08-12", "chain:SENSEX:2026-08-11", "chain:GOLD:2026-08-11"):
            await socket.subscribe(name)
            assert (await socket.hear("error"))["code"] == "not_found"
    assert valkey.exists(chains.WATCHED_KEY) == 0


async def test_a_fifth_chain_closes_the_socket_as_a_mistake(cookie, valkey):
    async with Socket(cookie=cookie) as socket:
        names = [f"chain:NIFTY:2026-08-{day}" for day in ("04", "11", "18", "25")]
        await socket.subscribe(*names)
        for _ in names:
            await socket.hear("snap")
        await socket.subscribe(names[0])  # again is no fifth
        await socket.hear("snap")
        await socket.subscribe("chain:NIFTY:2026-09-01")

        assert await socket.closed() == 4400
