"""A feed that stops in a session is an alarm, once, for operators and for who has something open."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from execution import silence
from market import quotes
from market.feed import HEALTH
from market.kernel.clock import at
from market.kernel.frame import Frame
from market.models import Timeline
from tests.factories import (
    make_account,
    make_allocation,
    make_basket,
    make_operator,
    make_run,
    make_strategy,
)
from users.models import Notice

NOW = datetime(2026, 8, 3, 5, 0, tzinfo=UTC)
MONDAY = date(2026, 8, 3)


@pytest.fixture
def timeline(db):
    row = Timeline.objects.create(key="silence", source="simulated", first_day=MONDAY, seed=1, active=True, speed=10)
    yield row
    for pattern in ("frame:silence", "feed:*:silence*", HEALTH):
        for key in quotes.connection().scan_iter(pattern):
            quotes.connection().delete(key)


def come(n, clock=time(10, 0), cadence=60.0):
    frame = Frame(timeline="silence", n=n, now=at(MONDAY, clock), cadence=cadence, quotes={}, spots={}, forwards={})
    quotes.publish(frame)


def after(seconds):
    return silence.watch(now=NOW + timedelta(seconds=seconds))


def test_silence_is_told_once_to_operators_and_to_who_has_something_under_way(timeline, user, stranger):
    operator = make_operator()
    pair = make_allocation(make_strategy(make_basket(user)), make_account(user))
    make_run(pair, timeline, status="running")
    come(1)

    assert [after(0), after(12)] == [False, False]  # a frame each 60 s of the market is one each 6 s: 12 s
    assert [after(12.5), after(13)] == [True, True]

    told = Notice.objects.filter(kind="dead_feed")
    assert {notice.user for notice in told} == {operator, user}
    assert {notice.severity for notice in told} == {"critical"}
    assert "No new prices for 12 s" in told[0].body


def test_a_new_frame_ends_it_and_the_next_silence_is_another(timeline):
    operator = make_operator()
    come(1, cadence=1.0)
    assert [after(0), after(10), after(11)] == [False, False, True]
    come(2, cadence=1.0)
    assert [after(12), after(22), after(23)] == [False, False, True]

    assert operator.notices.count() == 2


def test_a_frame_that_has_gone_out_of_memory_is_a_silent_feed_too(timeline):
    come(1)
    after(0)
    quotes.connection().delete(quotes.frame_key("silence"))

    assert after(60) is True


def test_outside_the_session_and_after_a_recording_silence_is_no_alarm(timeline):
    come(1, clock=time(15, 45))
    assert [after(0), after(3600)] == [False, False]
    come(2)
    after(3700)
    quotes.connection().set(HEALTH, b'{"state": "finished"}', ex=60)

    assert after(3800) is False
    assert not Notice.objects.filter(kind="dead_feed").exists()


def test_without_a_market_there_is_nothing_to_be_silent(db):
    assert after(0) is False
