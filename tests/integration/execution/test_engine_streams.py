"""The order streams and the running desk at their edges: idle accounts, and nothing to run."""

import threading

import pytest

from brokers.types import EventPage, ReadFailed
from execution import running, tasks
from execution.streams import PUSH_WAIT, Streams
from tests.factories import make_account

pytestmark = pytest.mark.django_db


class Idle:
    """A stream on which nothing ever happens; it stops its listener at the fourth request."""

    def __init__(self, stop, failing=()):
        self.stop, self.failing, self.asked = stop, failing, []

    def events(self, after, wait):
        self.asked.append((after, wait))
        if len(self.asked) == 4:
            self.stop.set()
        if len(self.asked) in self.failing:
            raise ReadFailed("the connection was lost")
        return EventPage(events=(), last=0)


@pytest.mark.parametrize(
    ("failing", "waits"),
    [((), [0.0, PUSH_WAIT, PUSH_WAIT, PUSH_WAIT]), ((1,), [0.0, 0.0, PUSH_WAIT, PUSH_WAIT])],
)
def test_an_account_without_any_event_is_asked_patiently(user, failing, waits):
    stop = threading.Event()
    wire = Idle(stop, failing)
    streams = Streams(lambda works: None, lambda accounts: None, stop, wire_of=lambda account: wire)

    streams._follow(make_account(user))

    assert [wait for _, wait in wire.asked] == waits


def test_without_an_active_world_there_is_no_desk_and_a_task_does_nothing(db):
    assert running.desk_now() is None
    assert tasks.perform(1, [("advance", 1)]) is None
