"""What the engine tells the live feed after a commit: lossless events, and that a book changed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from redis import RedisError

from market.quotes import connection

log = structlog.get_logger(__name__)

EVENT_CHANNELS = ("orders", "executions", "risk")
KEPT_EVENTS = 1000
KEPT_SECONDS = 300
EPOCH_KEY = "events:epoch"

#: Sequence, log and announcement in one step, so that sockets see events in the order of their seq.
PUBLISH = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('SET', KEYS[1], ARGV[1])
end
local epoch = redis.call('GET', KEYS[1])
local seq = redis.call('INCR', KEYS[2])
local event = '{"t":"ev","ch":"' .. ARGV[2] .. '","epoch":"' .. epoch .. '","prev":' .. (seq - 1)
  .. ',"seq":' .. seq .. ',"d":' .. ARGV[3] .. '}'
redis.call('XADD', KEYS[3], 'MAXLEN', ARGV[4], '*', 'e', event)
redis.call('XTRIM', KEYS[3], 'MINID', (redis.call('TIME')[1] - ARGV[5]) * 1000)
redis.call('EXPIRE', KEYS[3], ARGV[5])
redis.call('PUBLISH', KEYS[4], '[' .. event .. ']')
return seq
"""


def new_epoch() -> str:
    """A name for one unbroken run of sequence numbers."""
    return secrets.token_hex(4)


def announcements(owner: int | str) -> str:
    """The pub/sub channel of an owner. Valkey's pub/sub spans its numbered databases, so it names ours."""
    return f"live:{connection().connection_pool.connection_kwargs.get('db', 0)}:{owner}"


def sequence_key(owner_id: int, channel: str) -> str:
    return f"events:seq:{owner_id}:{channel}"


def log_key(owner_id: int, channel: str) -> str:
    return f"events:log:{owner_id}:{channel}"


def publish_event(owner_id: int, channel: str, payload: Mapping[str, Any]) -> int | None:
    """Tell the owner's sockets, in order and without loss; call it after the commit.

    Returns the event's seq. With Valkey away it returns None and says so in the log: trading goes
    on, and every web process tells its sockets to reload by REST once Valkey is back.
    """
    if channel not in EVENT_CHANNELS:
        raise ValueError(f"channel must be one of {', '.join(EVENT_CHANNELS)}, not {channel!r}.")
    keys = [
        EPOCH_KEY,
        sequence_key(owner_id, channel),
        log_key(owner_id, channel),
        announcements(owner_id),
    ]
    values: list[str | bytes | int] = [new_epoch(), channel, orjson.dumps(payload, default=str), KEPT_EVENTS, KEPT_SECONDS]
    try:
        return int(connection().eval(PUBLISH, len(keys), *keys, *values))
    except RedisError as error:
        log.warning("live_event_not_published", owner=owner_id, channel=channel, error=str(error))
        return None


def book_changed(timeline_key: str) -> None:
    """Tell `run_live` that positions of the timeline changed; it also looks by itself every 5 s."""
    try:
        connection().publish(f"book:{timeline_key}", "changed")
    except RedisError as error:
        log.warning("book_change_not_published", timeline=timeline_key, error=str(error))
