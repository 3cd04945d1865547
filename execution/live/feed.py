"""STATE channels: what changed since it was last told, at once, then at most 10 times a second.

Every channel of an owner has its own seq; `epoch` names one run of them. The rows are kept in a
Valkey hash beside the announcement, in one transaction, so that a snapshot has a place in the seq.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import orjson
import redis

from execution.live.events import announcements, new_epoch
from execution.live.rows import EVERYBODY, Channels, Row

EPOCH_KEY = "live:epoch"
KEPT_SECONDS = 60
META = "~"
OWNERS_AT_ONCE = 20


def state_key(owner: str, channel: str) -> str:
    return f"live:state:{owner}:{channel}"


class Delta(NamedTuple):
    """One step of one channel: the changed fields by row (None: removed), and those rows whole."""

    owner: str
    channel: str
    seq: int
    changes: dict[str, Row | None]
    rows: dict[str, Row]


def difference(old: dict[str, Row], new: dict[str, Row]) -> dict[str, Row | None]:
    """What turns the old rows into the new ones: changed fields, whole new rows, None for gone."""
    changes: dict[str, Row | None] = {key: None for key in old if key not in new}
    for key, row in new.items():
        before = old.get(key)
        if before is None:
            changes[key] = row
        elif before != row and (changed := {name: value for name, value in row.items() if before.get(name) != value}):
            changes[key] = changed
    return changes


@dataclass(slots=True)
class Conflation:
    """What each channel was last told, and what it is to be told when its owner's turn comes."""

    interval: float = 0.1
    told: Channels = field(default_factory=dict)
    wanted: Channels = field(default_factory=dict)
    seqs: dict[tuple[str, str], int] = field(default_factory=dict)
    next_at: dict[str, float] = field(default_factory=dict)

    def replace(self, kinds: tuple[str, ...], channels: Channels) -> None:
        """These are all rows of the channels of these kinds; a channel left out is empty now."""
        for key in self.told:
            if key[1].partition(":")[0] in kinds and key not in channels:
                self.wanted[key] = {}
        self.wanted.update(channels)

    def due(self, clock: float) -> list[Delta]:
        """The deltas to tell now; an owner told less than the interval ago waits."""
        deltas, owners = [], set()
        for key in list(self.wanted):
            if self.next_at.get(key[0], 0.0) > clock:
                continue
            rows = self.wanted.pop(key)
            if changes := difference(self.told.get(key, {}), rows):
                self.told[key] = rows
                self.seqs[key] = self.seqs.get(key, 0) + 1
                whole = {name: rows[name] for name in changes if name in rows}
                deltas.append(Delta(*key, self.seqs[key], changes, whole))
                owners.add(key[0])
        self.next_at |= dict.fromkeys(owners, clock + self.interval)
        return deltas

    def wait(self, clock: float) -> float | None:
        """Seconds until a waiting owner's turn, None when nobody waits."""
        turns = [self.next_at.get(owner, 0.0) for owner, _ in self.wanted]
        return max(0.0, min(turns) - clock) if turns else None

    def forget(self) -> None:
        """Start over: the next rows are told whole, under another epoch."""
        self.told.clear()
        self.seqs.clear()
        self.next_at.clear()


@dataclass(slots=True)
class Outlet:
    """The Valkey end of the feed."""

    client: redis.Redis
    epoch: str = field(default_factory=new_epoch)

    def begin(self) -> None:
        """A new epoch: what an earlier run left is gone, and every socket takes a new snapshot."""
        self.epoch = new_epoch()
        pipe = self.client.pipeline(transaction=True)
        for key in self.client.scan_iter("live:state:*", count=1000):
            pipe.delete(key)
        pipe.set(EPOCH_KEY, self.epoch, ex=KEPT_SECONDS)
        pipe.publish(announcements(EVERYBODY), orjson.dumps([{"t": "epoch", "epoch": self.epoch}]))
        pipe.execute()

    def publish(self, deltas: list[Delta]) -> None:
        """Keep the changed rows and announce them, a few owners at a time so that none waits for all."""
        by_owner = [list(group) for _, group in groupby(sorted(deltas, key=_owner), key=_owner)]
        for first in range(0, len(by_owner), OWNERS_AT_ONCE):
            pipe = self.client.pipeline(transaction=True)
            for group in by_owner[first : first + OWNERS_AT_ONCE]:
                for delta in group:
                    self._keep_rows(pipe, delta)
                message = [self._message(delta) for delta in group]
                pipe.publish(announcements(group[0].owner), orjson.dumps(message))
            pipe.execute()

    def keep(self, keys: list[tuple[str, str]]) -> None:
        """Quiet channels stay readable while this process lives."""
        pipe = self.client.pipeline(transaction=False)
        pipe.set(EPOCH_KEY, self.epoch, ex=KEPT_SECONDS)
        for owner, channel in keys:
            pipe.expire(state_key(owner, channel), KEPT_SECONDS)
        pipe.execute()

    def _keep_rows(self, pipe: redis.client.Pipeline, delta: Delta) -> None:
        key = state_key(delta.owner, delta.channel)
        fields: dict[Any, Any] = {name: orjson.dumps(row) for name, row in delta.rows.items()}
        fields[META] = orjson.dumps({"epoch": self.epoch, "seq": delta.seq})
        pipe.hset(key, mapping=fields)
        if gone := [name for name, row in delta.changes.items() if row is None]:
            pipe.hdel(key, *gone)
        if delta.seq == 1:
            pipe.expire(key, KEPT_SECONDS)  # from then on keep() renews it

    def _message(self, delta: Delta) -> dict[str, Any]:
        return {
            "t": "delta",
            "ch": delta.channel,
            "epoch": self.epoch,
            "prev": delta.seq - 1,
            "seq": delta.seq,
            "d": delta.changes,
        }


def _owner(delta: Delta) -> str:
    return delta.owner
