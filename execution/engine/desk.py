"""What every engine function is given: the world, the last frame, wall time, and the wires."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from brokers.models import BrokerAccount
from brokers.types import Adapter
from market.kernel import calendar
from market.kernel.clock import ist_day
from market.kernel.contracts import exchange_of
from market.kernel.frame import Frame
from market.models import Timeline


class WorkKind(StrEnum):
    START = "start"  # a due entry, roll or adjustment: plan it
    EXIT = "exit"  # a due exit: begin it
    ADVANCE = "advance"  # a running execution: send what may go now
    DISPATCH = "dispatch"  # a READY order: send it
    CANCEL = "cancel"  # an order at the broker: ask to cancel
    CHASE = "chase"  # a resting order: move its price to the touch
    FOLLOW = "follow"  # a stop at the broker: move it to where the leg's stop is
    LOOKUP = "lookup"  # an order without an answer: find it by its tag
    SYNC = "sync"  # a broker account: read its books
    RECONCILE = "reconcile"  # a broker account: compare its books with ours
    VERIFY = "verify"  # an account of a receipt: is it flat at the broker too


class Work(NamedTuple):
    """One thing to do, named by its row; doing it twice does no harm."""

    kind: WorkKind
    id: int


class Feed(Protocol):
    """Who is told, after commit, that something changed."""

    def book_changed(self, timeline_key: str) -> None: ...
    def event(self, owner_id: int, channel: str, payload: dict[str, Any]) -> None: ...


class Silent:
    """Nobody listens: a headless run."""

    def book_changed(self, timeline_key: str) -> None: ...
    def event(self, owner_id: int, channel: str, payload: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """`frame.now` is market time, `wall` the wall time; `tag_key` makes client_refs."""

    timeline: Timeline
    frame: Frame
    wall: datetime
    adapter_for: Callable[[BrokerAccount], Adapter]
    feed: Feed
    tag_key: bytes
    reconcile_every: timedelta | None = None  # of wall time; None: when somebody asks
    clock: Callable[[], datetime] | None = None  # None: the wall stands still while this desk is used

    def later(self) -> Desk:
        """The same desk after a call to a broker, which takes time."""
        return self if self.clock is None else replace(self, wall=self.clock())

    @property
    def now(self) -> datetime:
        return self.frame.now

    @property
    def day(self) -> date:
        return ist_day(self.frame.now)

    def is_open(self, underlying: str) -> bool:
        """Whether the underlying's exchange trades at this market time; not while its hours are unknown."""
        exchange = exchange_of(underlying)
        session = None if calendar.unknown_hours(exchange, self.day) else calendar.session(exchange, self.day)
        return session is not None and session.is_open(self.now)

    def has_closed(self, exchange: str, day: date) -> bool:
        """Whether that day's session is over; a day whose hours are unknown is over when it has passed."""
        if day != self.day:
            return day < self.day
        if calendar.unknown_hours(exchange, day):
            return False
        session = calendar.session(exchange, day)
        return session is None or self.now >= session.close
