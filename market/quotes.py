"""The hot copy of the market: the last frame of each timeline, in Valkey, for a while only."""

from __future__ import annotations

import time
from functools import cache
from zlib import crc32

import orjson
import redis
from django.conf import settings

from market.kernel.frame import Frame, decode, encode


@cache
def connection() -> redis.Redis:
    """The process's one pooled Valkey client; answers are bytes."""
    return redis.Redis.from_url(settings.REDIS_URL, health_check_interval=30)


def frame_key(timeline_key: str) -> str:
    return f"frame:{timeline_key}"


def channel(timeline_key: str) -> str:
    """Where the number of each new frame is announced."""
    return f"frames:{timeline_key}"


def number_key(timeline_key: str) -> str:
    return f"frame-number:{timeline_key}"


def publish(frame: Frame, *, client: redis.Redis | None = None) -> None:
    """Keep the frame for the market data TTL, then announce its number."""
    document = orjson.dumps(encode(frame))
    pipe = (client or connection()).pipeline(transaction=True)
    pipe.set(frame_key(frame.timeline), document, ex=settings.PLATFORM.market_data_ttl_seconds)
    number = f"{frame.n}.{crc32(document)}"
    pipe.set(number_key(frame.timeline), number, ex=settings.PLATFORM.market_data_ttl_seconds)
    pipe.publish(channel(frame.timeline), str(frame.n))
    pipe.execute()


def latest(timeline_key: str, *, client: redis.Redis | None = None) -> Frame | None:
    """The last published frame, or None when nothing was published within the TTL."""
    document = (client or connection()).get(frame_key(timeline_key))
    return None if document is None else decode(orjson.loads(document))


class Newest:
    """The last published frame of one process, read only when its number has changed. Thread-safe:
    two threads may read the same frame twice, none gets another's."""

    def __init__(self) -> None:
        self._kept: tuple[str, bytes | str, Frame] | None = None

    def frame(self, timeline_key: str) -> Frame | None:
        """As `latest`."""
        number = connection().get(number_key(timeline_key))
        if number is None:
            return latest(timeline_key)
        kept = self._kept
        if kept is None or kept[:2] != (timeline_key, number):
            found = latest(timeline_key)
            if found is None:
                return None
            kept = (timeline_key, number, found)
            self._kept = kept
        return kept[2]


newest = Newest()


class Announcements:
    """Hears that a timeline has a new frame."""

    def __init__(self) -> None:
        self._pubsub = connection().pubsub(ignore_subscribe_messages=True)
        self._channel = ""

    def wait(self, timeline_key: str, seconds: float) -> bool:
        """Whether a frame was announced within so many seconds."""
        if self._channel != channel(timeline_key):
            self._pubsub.unsubscribe()
            self._pubsub.subscribe(channel(timeline_key))
            self._channel = channel(timeline_key)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._pubsub.get_message(timeout=left) is not None:
                return True
        return False
