"""The order streams and the running desk at their edges: idle accounts, and nothing to run."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import BrokerAccount
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


@pytest.mark.django_db(transaction=True)
def test_a_stream_whose_login_was_renewed_goes_on_with_the_new_one(user):
    stop, account = threading.Event(), make_account(user)
    wire, logins = Idle(stop, failing=(1,)), []

    def wire_of(account):
        logins.append(account.sealed_secrets)
        BrokerAccount.objects.filter(pk=account.pk).update(sealed_secrets={"token": "renewed"})
        return wire

    Streams(lambda account, works: None, lambda accounts: None, stop, wire_of=wire_of)._follow(account)

    assert logins == [{}, *[{"token": "renewed"}] * 3]


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
        def _apply_at(self, desk, account, events, *, is_first):
            applied.append([event.report.broker_order_id for event in events])
            connection.close()  # this thread's

    streams = Gathers(lambda account, works: None, lambda accounts: None, stop, wire_of=lambda account: wire)
    streams._follow(make_account(user))

    assert applied == [["1", "2"]]
    assert wire.asked == [(0, 0.0), (1, 0.0), (2, PUSH_WAIT), (2, PUSH_WAIT)]


def test_without_an_active_world_there_is_no_desk_and_a_task_does_nothing(db):
    assert running.desk_now() is None
    assert tasks.perform(1, [("advance", 1)]) is None


def first_page(desk, pair):
    account = pair.broker_account
    streams = Streams(lambda account, works: None, lambda accounts: None, threading.Event())
    events = desk.player.adapter(account).events(0, 0.0).events
    streams._apply_at(desk.player._desk(desk.player.last), account, events, is_first=True)


def test_the_first_page_of_a_day_that_is_known_locks_and_writes_nothing(desk):
    desk.at(9, 20)
    desk.at(9, 20, 5)

    with CaptureQueriesContext(connection) as captured:
        first_page(desk, desk.pair("Iron Condor", "zerodha"))

    assert [query["sql"] for query in captured if not query["sql"].startswith("SELECT")] == []
    assert [query["sql"] for query in captured if "FOR NO KEY UPDATE" in query["sql"]] == []


class Deaf:
    """A wire that sends, and whose books say nothing."""

    def __init__(self, wire):
        self.wire = wire

    def trades(self):
        return []

    def orders(self):
        return []

    def __getattr__(self, name):
        return getattr(self.wire, name)


def entered_unheard(desk):
    """A put's pair whose order went out while nobody listened, and its wire that hears."""
    pair = desk.pair("Cash Secured Put", "finvasia")
    hearing = desk.player.adapter(pair.broker_account)
    desk.player._adapters[pair.broker_account.pk] = Deaf(hearing)
    desk.at(9, 20)
    desk.at(9, 20, 5)
    return pair, hearing


def test_the_first_page_brings_what_happened_while_nobody_listened(desk):
    pair, hearing = entered_unheard(desk)
    assert ([o.status for o in desk.orders(pair)], desk.held(pair)) == (["ACKED"], {})
    desk.player._adapters[pair.broker_account.pk] = hearing

    first_page(desk, pair)

    [order] = desk.orders(pair)
    assert (order.status, desk.held(pair)) == ("FILLED", {order.contract.symbol: -order.quantity})


def test_of_two_days_orders_with_one_number_the_first_page_takes_both(desk):
    """Some brokers count from one again each day; the earlier order ended while nobody listened."""
    pair, hearing = entered_unheard(desk)
    (order,) = desk.orders(pair)
    reported = next(r for r in hearing.orders() if r.client_ref == order.client_ref)
    rejected = replace(reported, status=BrokerStatus.REJECTED, filled_quantity=0, reason="margin")
    other = replace(reported, client_ref="", at=reported.at + timedelta(days=1))
    streams = Streams(lambda account, works: None, lambda accounts: None, threading.Event())
    key = desk.player.timeline.key
    page = tuple(BrokerEvent(seq=n, timeline=key, report=r) for n, r in enumerate((rejected, other), start=1))

    streams._apply_at(desk.player._desk(desk.player.last), pair.broker_account, page, is_first=True)

    (order,) = desk.orders(pair)
    assert (order.status, order.upstream) == ("REJECTED", "margin")
