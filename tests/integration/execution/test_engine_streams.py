"""The order streams and the running desk at their edges: idle accounts, and nothing to run."""

import threading
from datetime import UTC, datetime

import pytest

from brokers.types import (
    BrokerEvent,
    BrokerOrder,
    BrokerStatus,
    EventPage,
    Product,
    ReadFailed,
    Side,
)
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
    streams = Streams(lambda account, works: None, lambda accounts: None, stop, wire_of=lambda account: wire)

    streams._follow(make_account(user))

    assert [wait for _, wait in wire.asked] == waits


class Talks(Idle):
    """Something has happened; more of it comes while the first is looked at."""

    def events(self, after, wait):
        super().events(after, wait)
        return {1: self.page(1), 2: self.page(2)}.get(len(self.asked), EventPage(events=(), last=2))

    def page(self, number):
        report = BrokerOrder(
            broker_order_id=str(number), client_ref="", symbol="NIFTY-20260804-24500-CE", side=Side.BUY,
            quantity=65, product=Product.NRML, filled_quantity=0, average_price=None,
            status=BrokerStatus.OPEN, reason="", at=datetime(2026, 8, 3, 4, tzinfo=UTC),
        )  # fmt: skip
        return EventPage(events=(BrokerEvent(seq=number, timeline="elsewhere", report=report),), last=number)


def test_what_happens_together_is_gathered_before_it_is_applied(user):
    stop = threading.Event()
    wire = Talks(stop, ())
    applied = []

    class Gathers(Streams):
        def _apply(self, account, events):
            applied.append([event.report.broker_order_id for event in events])

    streams = Gathers(lambda account, works: None, lambda accounts: None, stop, wire_of=lambda account: wire)
    streams._follow(make_account(user))

    assert applied == [["1", "2"]]
    assert wire.asked == [(0, 0.0), (1, 0.0), (2, PUSH_WAIT), (2, PUSH_WAIT)]


def test_without_an_active_world_there_is_no_desk_and_a_task_does_nothing(db):
    assert running.desk_now() is None
    assert tasks.perform(1, [("advance", 1)]) is None
