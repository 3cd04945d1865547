"""What one socket is still to be sent: STATE latest wins per row, EVENT every one in order. Pure.

Every channel remembers the epoch and seq that the client has. A message that does not follow on is
never passed over in silence: the channel asks for a new snapshot (STATE) or a replay (EVENT).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson

from execution.live.protocol import Wanted, is_event

MOST_EVENTS = 1000
Message = dict[str, Any]


class Overflow(RuntimeError):
    """The client is too slow for a channel that may lose nothing; its socket closes with 4429."""


@dataclass(slots=True)
class Pending:
    """Deltas of one channel, merged; `raw` is the wire form while it is still a single one."""

    epoch: str
    prev: int
    seq: int
    rows: dict[str, Any]
    raw: str | None


@dataclass(slots=True)
class Subscription:
    interval: float
    epoch: str = ""
    seq: int | None = None
    waits: bool = True
    lost: bool = False
    due: float = 0.0
    pending: Pending | None = None
    events: deque[tuple[Message, str]] = field(default_factory=deque)


@dataclass(slots=True)
class Outbox:
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    heartbeat: str | None = None
    said: list[str] = field(default_factory=list)

    def say(self, message: Message) -> None:
        """Something outside any channel, such as an error."""
        self.said.append(_wire(message))

    def subscribe(self, wanted: Wanted) -> None:
        """From now on messages of the channel are kept; it waits for its snapshot or replay."""
        self.subscriptions[wanted.name] = Subscription(wanted.interval, wanted.epoch, wanted.seq)

    def unsubscribe(self, channel: str) -> None:
        self.subscriptions.pop(channel, None)

    def resync(self, channel: str, *, epoch: str = "", seq: int | None = None) -> None:
        """The client lost its place: STATE starts anew, EVENT replays from the seq it names."""
        known = self.subscriptions[channel]
        known.waits = True
        if is_event(channel) and seq is not None:
            known.seq = seq
            known.epoch = epoch or known.epoch

    def resync_all(self, *, events_lost: bool) -> None:
        """Announcements may have been missed; `events_lost`: even the log may lack some."""
        for channel, known in self.subscriptions.items():
            known.waits = True
            known.pending = None
            if is_event(channel):
                known.lost = known.lost or events_lost

    def waiting(self) -> list[str]:
        return [channel for channel, known in self.subscriptions.items() if known.waits]

    def offer(self, message: Message, raw: str) -> None:
        """A message of the hub; one of a channel that is not subscribed is passed over."""
        known = self.subscriptions.get(message["ch"])
        if known is None:
            return
        if message["t"] == "ev":
            if len(known.events) >= MOST_EVENTS:
                raise Overflow(message["ch"])
            known.events.append((message, raw))
        else:
            self._merge(known, message, raw)

    def snapshot(self, channel: str, epoch: str, seq: int, rows: dict[str, Any]) -> str | None:
        """The snapshot's wire form; what was kept meanwhile goes on from it."""
        known = self.subscriptions.get(channel)
        if known is None:
            return None
        known.waits, known.epoch, known.seq = False, epoch, seq
        return _wire({"t": "snap", "ch": channel, "epoch": epoch, "seq": seq, "d": rows})

    def replay(self, channel: str, epoch: str, seq: int, kept: list[tuple[int, str]]) -> list[str]:
        """Every event after the client's, or where that cannot be had, a gap and REST's address."""
        known = self.subscriptions.get(channel)
        if known is None:
            return []
        before, lost = known.seq, known.lost
        same_run = before is not None and (known.epoch == epoch or (not known.epoch and not before))
        known.waits, known.lost, known.epoch, known.seq = False, False, epoch, seq
        if before is None:
            return [_wire({"t": "snap", "ch": channel, "epoch": epoch, "seq": seq, "d": {}})]
        missed = [(number, raw) for number, raw in kept if number > before]
        if lost or not same_run or [n for n, _ in missed] != list(range(before + 1, seq + 1)):
            gap = {"t": "gap", "ch": channel, "epoch": epoch, "from": before, "seq": seq}
            return [_wire(gap | {"rest": f"/options/{channel}"})]
        return [raw for _, raw in missed]

    def take(self, clock: float) -> list[str]:
        """What may be sent now, in wire form."""
        ready, self.said = self.said, []
        for channel, known in self.subscriptions.items():
            if known.waits:
                continue
            if known.events:
                ready += _take_events(known)
            elif known.pending is not None and clock >= known.due:
                ready += _take_rows(channel, known, clock)
        if self.heartbeat is not None:
            ready.append(_wire({"t": "hb", "seqs": self.seqs(), "live": self.heartbeat}))
            self.heartbeat = None
        return ready

    def seqs(self) -> dict[str, int]:
        """What the client has, by channel, once everything taken so far has arrived."""
        return {
            channel: known.seq
            for channel, known in self.subscriptions.items()
            if known.seq is not None and not known.waits
        }

    def wait(self, clock: float) -> float | None:
        """Seconds until rows that are held back may go, None when nothing is."""
        turns = [s.due for s in self.subscriptions.values() if s.pending is not None and not s.waits]
        return max(0.0, min(turns) - clock) if turns else None

    def _merge(self, known: Subscription, message: Message, raw: str) -> None:
        new = Pending(message["epoch"], message["prev"], message["seq"], message["d"], raw)
        kept = known.pending
        if kept is None:
            known.pending = new
        elif kept.epoch == new.epoch and kept.seq == new.prev:
            rows = _over(kept.rows, new.rows)
            known.pending = Pending(kept.epoch, kept.prev, new.seq, rows, None)
        else:
            known.pending, known.waits = new, True


def _take_rows(channel: str, known: Subscription, clock: float) -> list[str]:
    kept, known.pending = known.pending, None
    if kept is None or (kept.epoch == known.epoch and kept.seq <= (known.seq or 0)):
        return []
    if kept.epoch != known.epoch or kept.prev > (known.seq or 0):
        known.waits = True
        return []
    message = {"t": "delta", "ch": channel, "prev": known.seq, "seq": kept.seq, "d": kept.rows}
    raw = kept.raw if kept.raw is not None and kept.prev == known.seq else _wire(message)
    known.seq, known.due = kept.seq, clock + known.interval
    return [raw]


def _take_events(known: Subscription) -> list[str]:
    ready = []
    while known.events:
        message, raw = known.events[0]
        if message["epoch"] != known.epoch or message["prev"] > (known.seq or 0):
            known.waits = True
            known.events.clear()
            break
        known.events.popleft()
        if message["seq"] > (known.seq or 0):
            known.seq = message["seq"]
            ready.append(raw)
    return ready


def _over(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The rows of both; a newer field wins. Neither argument is changed: sockets share them."""
    merged = dict(old)
    for key, row in new.items():
        before = merged.get(key)
        merged[key] = {**before, **row} if before and row else row
    return merged


def _wire(message: Message) -> str:
    return orjson.dumps(message).decode()
