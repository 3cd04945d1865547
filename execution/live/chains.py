"""Option chains on the live feed: valued only while somebody watches, shared by everybody who does.

A web process says every few seconds which chains its sockets watch; `run_live` values those at each
frame, after the positions were told, and tells the rows that changed at most ten times a second.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import redis

from execution.live.feed import Conflation, Outlet
from execution.live.rows import DIGITS, EVERYBODY, Row
from market.catalogue import chain as catalogue
from market.catalogue.chain import Chain, Side
from market.kernel.clock import IST
from market.kernel.contracts import UNDERLYINGS
from market.kernel.frame import Frame
from market.quotes import connection

NAME = re.compile(r"chain:([A-Z0-9]+):([0-9]{4}-[0-9]{2}-[0-9]{2})")
WATCHED_KEY = "live:chains"
WATCHED_SECONDS = 15
LOOK_SECONDS = 2.0
SECONDS_A_FRAME = 0.03  # then the positions' next frame goes first

#: Kept by the server's own clock, so that machines need not agree on the time.
WATCH = """
local now = tonumber(redis.call('TIME')[1])
local new = 0
for n = 2, #ARGV do new = new + redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[n]) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
if new > 0 then redis.call('PUBLISH', KEYS[2], 'new') end
return new
"""
WATCHED = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', redis.call('TIME')[1])
return redis.call('ZRANGE', KEYS[1], 0, -1)
"""


def series_of(channel: str) -> tuple[str, date] | None:
    """The underlying and expiry of `chain:<underlying>:<expiry>`; None when it names no chain."""
    match = NAME.fullmatch(channel)
    if match is None or match[1] not in UNDERLYINGS:
        return None
    try:
        return match[1], date.fromisoformat(match[2])
    except ValueError:
        return None


def new_watchers() -> str:
    """Where a chain that nobody watched before is announced; the name has our numbered database."""
    return f"chains:{connection().connection_pool.connection_kwargs.get('db', 0)}"


async def watch(client: Any, channels: Iterable[str]) -> None:
    """Somebody watches these chains now; said again within WATCHED_SECONDS or forgotten."""
    names = sorted(channels)
    if names:
        await client.eval(WATCH, 2, WATCHED_KEY, new_watchers(), WATCHED_SECONDS, *names)


def rows_of(chain: Chain, frame: Frame) -> dict[str, Row]:
    """A row an option, `24600CE`, and `head` for the expiry as a whole."""
    rows = {"head": _head(chain, frame)}
    for strike in chain.strikes:
        for kind, side in (("CE", strike.call), ("PE", strike.put)):
            if side is not None:
                rows[f"{strike.strike.normalize():f}{kind}"] = _option(side)
    return rows


@dataclass(slots=True)
class Board:
    """The chains that are watched; `waiting` are those not yet valued at the newest frame."""

    client: redis.Redis
    outlet: Outlet
    clock: Callable[[], float]
    watched: frozenset[str] = frozenset()
    waiting: deque[str] = field(default_factory=deque)
    conflation: Conflation = field(default_factory=Conflation)
    look_at: float = 0.0

    def forget(self) -> None:
        """Another epoch begins: everything is told again."""
        self.conflation.forget()
        self.watched, self.look_at = frozenset(), 0.0

    def step(self, frame: Frame | None, *, fresh: bool, announced: bool) -> None:
        """Value what waits within the budget, and tell what changed."""
        if announced or self.clock() >= self.look_at:
            self._look()
        if frame is None:
            return
        if fresh:
            self.waiting = deque(sorted(self.watched))
        until = self.clock() + SECONDS_A_FRAME
        while self.waiting and self.clock() <= until:
            name = self.waiting.popleft()
            self.conflation.replace((), {(EVERYBODY, name): _valued(name, frame)})
        if deltas := self.conflation.due(self.clock()):
            self.outlet.publish(deltas)

    def wait(self) -> float | None:
        """Seconds until this has work to do, None when it waits for a frame."""
        return 0.0 if self.waiting else self.conflation.wait(self.clock())

    def _look(self) -> None:
        self.look_at = self.clock() + LOOK_SECONDS
        names = frozenset(name.decode() for name in self.client.eval(WATCHED, 1, WATCHED_KEY))
        self.waiting.extend(sorted(names - self.watched))
        for name in self.watched - names:  # nobody looks: its rows would grow old
            self.conflation.replace((), {(EVERYBODY, name): {}})
        self.watched = names
        self.waiting = deque(name for name in self.waiting if name in names)


def _valued(name: str, frame: Frame) -> dict[str, Row]:
    """The rows of the chain; none when the market does not quote it (any more)."""
    series = series_of(name)
    if series is None or series[1] not in catalogue.expiries_in(frame, series[0]):
        return {}
    return rows_of(catalogue.chain(frame, *series), frame)


def _head(chain: Chain, frame: Frame) -> Row:
    money, interest = chain.at_the_money, chain.interest
    return {
        "at": frame.now.astimezone(IST).isoformat(timespec="seconds"),
        "spot": _text(chain.spot),
        "forward": _text(chain.forward),
        "at_the_money": None if money is None else f"{money.strike.normalize():f}",
        "pcr_oi": _rounded(interest.pcr_oi, 4),
        "pcr_volume": _rounded(interest.pcr_volume, 4),
        "max_pain": None if interest.max_pain is None else str(interest.max_pain),
    }


def _option(side: Side) -> Row:
    quote = side.quote
    return {
        "ltp": _text(quote.ltp),
        "bid": _text(quote.bid),
        "ask": _text(quote.ask),
        "oi": quote.oi,
        "volume": quote.volume,
        "iv": _rounded(side.iv, 4),
        "iv_flag": side.iv_flag,
        "in_the_money": side.in_the_money,
        **{name: _rounded(getattr(side, name), digits) for name, digits in DIGITS.items()},
        "stale": side.stale,
    }


def _text(value: Any) -> str | None:
    return None if value is None else f"{value:.2f}"


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
