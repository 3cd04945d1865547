"""The engine in one thread: push a frame, await its acknowledgement, run until nothing moves."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import httpx
import orjson
from django.conf import settings
from django.db import connection

from brokers.models import BrokerAccount
from brokers.registry import adapter_for
from brokers.simulator.inprocess import Transport
from brokers.simulator.simulator import Simulator
from brokers.types import Adapter
from execution.engine import loop
from execution.engine.desk import Desk, Silent, Work, WorkKind
from execution.engine.snapshot import Snapshot
from execution.models import Order, Settlement, StopWatch
from execution.states import AT_BROKER
from market.kernel import calendar
from market.kernel.clock import ist_day
from market.kernel.frame import Frame, encode
from market.models import Timeline

LATENCY = timedelta(milliseconds=40)  # simulated wall time of one step
RATE_WAIT = timedelta(milliseconds=250)
MOST_STEPS = 100_000
CLOCK = f'UPDATE "{Timeline._meta.db_table}"'  # of every frame; a tick has it from the frame
WATCHES = f'INSERT INTO "{StopWatch._meta.db_table}"'  # the tick itself puts them into its snapshot
CALLS = {WorkKind.DISPATCH, WorkKind.CANCEL, WorkKind.CHASE, WorkKind.FOLLOW}


class DoesNotSettle(RuntimeError):
    """The engine did not come to rest within a frame: a defect, not a state of the market."""


@dataclass
class Player:
    """Plays frames of one timeline against an in-process simulator."""

    timeline: Timeline
    simulator: Simulator
    tag_key: bytes
    wall: datetime
    steps: int = 0
    last: Frame | None = None
    _adapters: dict[int, Adapter] = field(default_factory=dict)
    _alone: bool = False
    _seen: Snapshot | None = None

    @property
    def transport(self) -> Transport:
        return Transport(self.simulator, lambda: self.wall)

    @property
    def next_n(self) -> int:
        """The number of the next frame."""
        return 1 if self.last is None else self.last.n + 1

    def play(self, frames: Iterable[Frame]) -> None:
        """Play one day's frames in order, then its close."""
        for frame in frames:
            self.push(frame)
        self.close_day()

    def push(self, frame: Frame) -> None:
        """One frame: to the exchange first, then to the engine until nothing moves."""
        self.wall = max(self.wall + LATENCY, frame.now)
        self.last = frame
        self._operator("POST", "/frames", encode(frame))
        Timeline.objects.filter(pk=self.timeline.pk).update(market_now=frame.now, frame=frame.n)
        if self._may_have_news(frame):
            self._drain(self._syncs(), frame)
        self._drain(loop.tick(self._desk(frame), self._known(frame)), frame)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else writes to this database: what a tick has read stands until the engine writes."""
        self._alone = True
        try:
            with connection.execute_wrapper(self._forget_at_writes):
                yield
        finally:
            self._alone = False

    def _known(self, frame: Frame) -> Snapshot | None:
        if not self._alone:
            return None
        day = ist_day(frame.now)
        if self._seen is None or self._seen.day != day:
            self._seen = Snapshot(self.timeline, day, self.wall)
        return self._seen

    def _may_have_news(self, frame: Frame) -> bool:
        """Whether an order of ours may have moved at the broker; the snapshot knows without asking."""
        known = self._known(frame)
        return known is None or bool(known.open_orders)

    def _forget_at_writes(self, execute: Any, sql: str, *rest: Any) -> Any:
        writes = sql.startswith(("INSERT", "UPDATE", "DELETE")) and not sql.startswith((CLOCK, WATCHES))
        if writes and self._seen is not None:
            self._seen.forget()
        return execute(sql, *rest)

    def close_day(self) -> None:
        """The session's close, where the data ends before it: the last quotes stand, and say so."""
        if self.last is None:
            return
        closes = [
            session.close
            for exchange in ("NSE", "BSE")
            if (session := calendar.session(exchange, ist_day(self.last.now))) is not None
        ]
        close = max(closes, default=self.last.now)
        if self.last.now < close:
            note = f"no data after {self.last.now:%H:%M}: the day closes on its last quotes"
            frame = replace(self.last, n=self.last.n + 1, now=close, notes=(*self.last.notes, note))
            self.push(frame)
        self._settle_at_the_broker()

    def ledger(self) -> dict[str, Any]:
        """The simulator's own books of this timeline."""
        return self._operator("GET", f"/admin/ledger?timeline={self.timeline.key}", None)

    def adapter(self, account: BrokerAccount) -> Adapter:
        if account.pk not in self._adapters:
            self._adapters[account.pk] = adapter_for(account, transport=self.transport)
        return self._adapters[account.pk]

    def _drain(self, works: list[Work], frame: Frame) -> None:
        if not works:  # what waits for its rate is among a tick's works too
            return
        queue = deque(dict.fromkeys(works))
        called = False
        while queue or called or self._waiting():
            if not queue:
                queue.extend(self._syncs() if called else self._ready())
                called = False
                continue
            work = queue.popleft()
            called = called or work.kind in CALLS
            self.wall += LATENCY if work.kind in CALLS else timedelta(0)
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise DoesNotSettle(f"{work} at {frame.now}")
            for following in loop.perform(work, self._desk(frame)):
                if following not in queue:
                    queue.append(following)

    def _desk(self, frame: Frame) -> Desk:
        return Desk(
            timeline=self.timeline,
            frame=frame,
            wall=self.wall,
            adapter_for=self.adapter,
            feed=Silent(),
            tag_key=self.tag_key,
        )

    def _syncs(self) -> list[Work]:
        rows = Order.objects.filter(timeline=self.timeline, status__in=AT_BROKER)
        accounts = rows.order_by("broker_account_id").values_list("broker_account_id", flat=True)
        return [Work(WorkKind.SYNC, account) for account in accounts.distinct()]

    def _waiting(self) -> bool:
        return loop.sendable(self.timeline).exists() or loop.uncancelled(self.timeline).exists()

    def _ready(self) -> list[Work]:
        """Cancels and orders that an account's rate held back: time passes, then they go."""
        self.wall += RATE_WAIT
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise DoesNotSettle("orders stay READY")
        cancels = loop.uncancelled(self.timeline).values_list("pk", flat=True)
        ready = loop.sendable(self.timeline).values_list("pk", flat=True)
        return [
            *(Work(WorkKind.CANCEL, pk) for pk in cancels),
            *(Work(WorkKind.DISPATCH, pk) for pk in ready),
        ]

    def _settle_at_the_broker(self) -> None:
        """The clearing house settles at the value the engine used."""
        rows = Settlement.objects.filter(position__timeline=self.timeline).order_by("pk")
        values: dict[tuple[str, str], Decimal] = {}
        for row in rows.select_related("position__contract"):
            contract = row.position.contract
            values[contract.underlying, contract.expiry.isoformat()] = row.underlying_price
        for (underlying, day), price in values.items():
            body = {"timeline": self.timeline.key, "underlying": underlying, "day": day, "price": str(price)}
            self._operator("POST", "/admin/settle", body)

    def _operator(self, method: str, path: str, body: object) -> dict[str, Any]:
        response = self._client.request(
            method,
            path,
            content=None if body is None else orjson.dumps(body),
            headers={"authorization": f"Bearer {settings.SIMULATOR_TOKEN}"},
        )
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document

    @cached_property
    def _client(self) -> httpx.Client:
        """Made once: a client costs more than a frame."""
        return httpx.Client(base_url=settings.SIMULATOR_URL, transport=self.transport)
