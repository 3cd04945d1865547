"""Brokers' order updates: pushed events as they come, and the books every few seconds besides.
Both go through the engine's one applier, so a lost or repeated push changes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import structlog
from django.db import OperationalError, close_old_connections, connection
from django.db.models import Exists, OuterRef
from django.utils import timezone

from allocations.models import StrategyBrokerAllocation
from brokers.models import BrokerAccount
from brokers.registry import listening_adapter_for
from brokers.selectors import account_with_user
from brokers.types import Adapter, BrokerEvent, BrokerOrder, BrokerTrade, EventPage, ReadFailed
from execution.engine.apply import apply_books
from execution.engine.desk import Desk, Work, WorkKind
from execution.models import Order
from execution.reconcile import books
from execution.running import lately
from execution.states import AT_BROKER
from market.kernel.clock import ist_day
from market.models import Timeline
from market.selectors import active_timeline

log = structlog.get_logger(__name__)
PUSH_WAIT = 5.0
APPLIERS = 4  # threads with a database connection; listeners only hold a socket
POLL_SECONDS = 3.0
RETRY_SECONDS = 1.0

GATHER = 0.05  # what follows from a few orders sent together comes within it

Enqueue = Callable[[int, list[Work]], None]  # an account's works


class Streams:
    """One listening thread for each account that trades in the active world."""

    def __init__(
        self,
        enqueue: Enqueue,
        poll: Callable[[list[int]], None],
        stop: threading.Event,
        *,
        wire_of: Callable[[BrokerAccount], Adapter] = listening_adapter_for,
    ) -> None:
        self._enqueue = enqueue
        self._poll = poll
        self._wire_of = wire_of
        self._stop = stop
        self._listening: dict[int, threading.Thread] = {}
        self._appliers = ThreadPoolExecutor(APPLIERS, thread_name_prefix="apply")
        self._polled = 0.0

    def step(self) -> Timeline:
        """Listen to accounts that are new, and poll those with orders at the broker; the active world."""
        timeline = active_timeline()
        if time.monotonic() - self._polled < POLL_SECONDS:
            return timeline
        self._polled = time.monotonic()
        for account in _trading_accounts(timeline):
            thread = self._listening.get(account)
            if thread is None or not thread.is_alive():
                self._listening[account] = self._listen(account_with_user(account))
        self._poll(_with_orders(timeline))
        return timeline

    def join(self) -> None:
        for thread in self._listening.values():
            thread.join(timeout=PUSH_WAIT + 2)
        self._appliers.shutdown(wait=False)

    def _listen(self, account: BrokerAccount) -> threading.Thread:
        thread = threading.Thread(target=self._follow, args=(account,), daemon=True)
        thread.start()
        return thread

    def _follow(self, account: BrokerAccount) -> None:
        """Apply pushed events until told to stop; the first page says where the stream stands."""
        last, wait = 0, 0.0  # the first page comes at once, even when it is empty
        while not self._stop.is_set():
            try:
                wire = self._wire_of(account)
                page = wire.events(last, wait)
                if page.events:
                    self._stop.wait(GATHER)
                    applied = self._appliers.submit(self._apply, account, wire, page, is_first=wait == 0.0)
                    page = applied.result()
                last, wait = page.last, PUSH_WAIT
            except (ReadFailed, OperationalError) as error:
                log.warning("stream_interrupted", account=account.pk, error=str(error))
                self._stop.wait(RETRY_SECONDS)
                account = self._appliers.submit(_as_now, account).result()

    def _apply(
        self, account: BrokerAccount, wire: Adapter, page: EventPage, *, is_first: bool
    ) -> EventPage:
        """Apply the page with what came while it waited: the busier the desk, the more goes together."""
        more = wire.events(page.last, 0.0)
        try:
            self._apply_at(lately.desk(), account, page.events + more.events, is_first=is_first)
        finally:
            close_old_connections()
        return more

    def _apply_at(
        self, desk: Desk | None, account: BrokerAccount, events: tuple[BrokerEvent, ...], *, is_first: bool
    ) -> None:
        """The first page tells the day so far, most of it known: where each order stands is enough then."""
        if desk is None:
            return
        reports = [event.report for event in events if event.timeline == desk.timeline.key]
        orders = [report for report in reports if isinstance(report, BrokerOrder)]
        if is_first:
            orders = list({(order.broker_order_id, ist_day(order.at)): order for order in orders}.values())
        trades = [report for report in reports if isinstance(report, BrokerTrade)]
        moved = apply_books(account, orders, trades, desk, source="poll" if is_first else "push")
        self._enqueue(account.pk, [Work(WorkKind.ADVANCE, execution) for execution in sorted(moved)])
        if any(not report.client_ref for report in reports):  # somebody trades by hand
            books.ask([account.pk], desk.timeline, now=desk.wall)
            self._enqueue(account.pk, [Work(WorkKind.RECONCILE, account.pk)])


def _as_now(account: BrokerAccount) -> BrokerAccount:
    """The account read again: its login may have been renewed."""
    try:
        return BrokerAccount.objects.select_related("user").filter(pk=account.pk).first() or account
    except OperationalError:  # the next attempt asks again
        return account
    finally:
        connection.close()


def _trading_accounts(timeline: Timeline) -> list[int]:
    """The ids of connected accounts with a pair or with orders in this world."""
    pairs = StrategyBrokerAllocation.objects.filter(broker_account=OuterRef("pk"))
    rows = BrokerAccount.objects.filter(Exists(pairs), archived_at=None)
    if timeline.source != Timeline.Source.LIVE:
        rows = rows.filter(mode=BrokerAccount.Mode.PAPER)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _with_orders(timeline: Timeline) -> list[int]:
    """Accounts with an order at the broker of which nothing final has been heard for a while."""
    since = timezone.now() - timedelta(seconds=POLL_SECONDS)
    rows = Order.objects.filter(timeline=timeline, status__in=AT_BROKER, sending_at__lt=since)
    return list(rows.order_by("broker_account_id").values_list("broker_account_id", flat=True).distinct())
