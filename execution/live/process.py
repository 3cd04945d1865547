"""The `run_live` process: a frame in, one revaluation, the changed rows out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import redis
import structlog
from django.db import InterfaceError, OperationalError, connections

from execution.live import books, rows
from execution.live.account_margins import AccountMargins
from execution.live.chains import Board, new_watchers
from execution.live.feed import Conflation, Outlet
from execution.live.lines import Book, build
from execution.live.valuation import revalue, totals
from market import facts_in_force, quotes
from market.kernel.clock import IST, ist_day
from market.kernel.frame import Frame, Quote
from market.selectors import active_timeline

log = structlog.get_logger(__name__)

RELOAD_SECONDS = 5.0
SILENT_SECONDS = 10.0
SLOW_ROWS_SECONDS = 1.0
MARGIN_SECONDS_A_FRAME = 0.01
MARGIN_SECONDS_AT_START = 2.0
KEEP_SECONDS = 20.0
LONGEST_WAIT = 0.25
PROCESSES = ("market", "live", "streams", "worker", "beat")


@dataclass(slots=True)
class LiveProcess:
    """One step of `step()` after another; `wall` and `clock` (monotonic seconds) are given."""

    client: redis.Redis
    wall: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    timeline: str = ""
    book: Book = field(default_factory=lambda: build(()))
    frame: Frame | None = None
    last: dict[str, Quote] = field(default_factory=dict)
    margins: AccountMargins = field(default_factory=AccountMargins)
    conflation: Conflation = field(default_factory=Conflation)
    silent: bool = False
    due: dict[str, float] = field(default_factory=dict)
    heard_at: float = 0.0
    outlet: Outlet = field(init=False)
    chains: Board = field(init=False)
    pubsub: redis.client.PubSub = field(init=False)

    def __post_init__(self) -> None:
        self.outlet = Outlet(self.client)
        self.chains = Board(self.client, self.outlet, self.clock)
        self.pubsub = self.client.pubsub(ignore_subscribe_messages=True)

    def start(self) -> None:
        """Join the active timeline's channels, then read where it is: nothing falls in between."""
        self.timeline = active_timeline().key
        self.pubsub.close()
        self.pubsub = self.client.pubsub(ignore_subscribe_messages=True)
        self.pubsub.subscribe(
            quotes.channel(self.timeline), f"book:{self.timeline}", new_watchers()
        )
        self.conflation.forget()
        self.chains.forget()
        self.outlet.begin()
        self.last.clear()
        self.due.clear()
        self.silent, self.heard_at = False, self.clock()
        self.frame = quotes.latest(self.timeline, client=self.client)
        self._reload()
        self._refresh_margins(MARGIN_SECONDS_AT_START)
        self._value()
        self._tell()
        self.chains.step(self.frame, fresh=True, announced=True)
        log.info("live_started", timeline=self.timeline, positions=len(self.book.lines))

    def step(self, wait: float = LONGEST_WAIT) -> None:
        """Take what was announced (the newest frame only), revalue, tell."""
        turns = (LONGEST_WAIT, self.conflation.wait(self.clock()), self.chains.wait())
        heard = self._heard(min(wait, *(turn for turn in turns if turn is not None)))
        look = self._is_due("reload", RELOAD_SECONDS) or f"book:{self.timeline}" in heard
        fresh = quotes.channel(self.timeline) in heard
        if fresh:
            self._take_frame()
        was_silent, self.silent = self.silent, self.clock() - self.heard_at > SILENT_SECONDS
        if look and self._moved_or_reloaded():
            return self.start()
        if look or fresh or was_silent != self.silent:
            self._value()
        self._tell()
        self.chains.step(self.frame, fresh=fresh, announced=new_watchers() in heard)
        if look or fresh:  # after the frame was told, for the next one
            self._refresh_margins(MARGIN_SECONDS_A_FRAME)
        return None

    def recover(self) -> None:
        """At the start, and after Valkey was away: a new epoch, and everything told again."""
        connections.close_all()
        self.start()

    def close(self) -> None:
        self.pubsub.close()

    def _heard(self, wait: float) -> set[str]:
        heard = set()
        message = self.pubsub.get_message(timeout=wait)
        while message is not None:
            heard.add(message["channel"].decode())
            message = self.pubsub.get_message(timeout=0)
        return heard

    def _take_frame(self) -> None:
        frame = quotes.latest(self.timeline, client=self.client)
        if frame is None or (self.frame is not None and frame.n == self.frame.n):
            return  # another installation on this Valkey has a timeline of the same name
        moved_on = self.frame is None or ist_day(frame.now) != ist_day(self.frame.now)
        self.frame, self.heard_at = frame, self.clock()
        for symbol in self.book.symbols:
            if quote := frame.quotes.get(symbol):
                self.last[symbol] = quote
        if moved_on:
            self._moved_or_reloaded()

    def _moved_or_reloaded(self) -> bool:
        """True when another timeline is active now; else the book is read again.

        With the database away the old book stays, valued at every frame, and is read later.
        """
        try:
            if active_timeline().key != self.timeline:
                return True
            self._reload()
        except (OperationalError, InterfaceError) as error:
            log.warning("book_not_read", error=str(error))
            connections.close_all()
        return False

    def _reload(self) -> None:
        facts_in_force.refresh()
        self.book = books.load(self.timeline, day=ist_day(self._now()))
        self.due["reload"] = self.clock() + RELOAD_SECONDS

    def _now(self) -> datetime:
        return self.wall() if self.frame is None else self.frame.now

    def _value(self) -> None:
        frame = self.frame or Frame(
            timeline=self.timeline, n=0, now=self.wall(), cadence=1.0, quotes={}, spots={}, forwards={}
        )
        values = revalue(self.book, frame, self.last)
        channels = rows.positions(self.book, values, silent=self.silent or self.frame is None)
        channels |= rows.summary(self.book, totals(self.book, values), self.margins.known)
        self.conflation.replace(("positions", "summary"), channels)
        if self.frame is not None:
            self.conflation.replace(("market",), rows.market(frame))

    def _refresh_margins(self, budget: float) -> None:
        if self.frame is not None:
            self.margins.refresh(self.book, self.frame, clock=self.clock, budget=budget)

    def _tell(self) -> None:
        if self._is_due("system", SLOW_ROWS_SECONDS):
            self.client.set("heartbeat:live", self.wall().isoformat(), ex=10)
            self.conflation.replace(("system",), {(rows.EVERYBODY, "system"): self._system()})
        if deltas := self.conflation.due(self.clock()):
            self.outlet.publish(deltas)
        if self._is_due("keep", KEEP_SECONDS):
            self.outlet.keep([*self.conflation.told, *self.chains.conflation.told])

    def _system(self) -> dict[str, rows.Row]:
        """How old the feed is, by wall time, and which processes give signs of life."""
        age = None if self.frame is None else round(self.clock() - self.heard_at)
        feed = {
            "frame": None if self.frame is None else self.frame.n,
            "age": age,
            "state": "silent" if self.silent or self.frame is None else "fresh",
            "wall": self.wall().astimezone(IST).isoformat(timespec="seconds"),
        }
        seen = self.client.mget([f"heartbeat:{name}" for name in PROCESSES])
        lives = {
            f"process:{name}": {"state": "down" if at is None else "up"}
            for name, at in zip(PROCESSES, seen, strict=True)
        }
        return {"feed": feed} | lives

    def _is_due(self, what: str, every: float) -> bool:
        if self.clock() < self.due.get(what, 0.0):
            return False
        self.due[what] = self.clock() + every
        return True
