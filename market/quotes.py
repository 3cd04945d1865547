"""The hot copy of the market: the last frame of each timeline, in Valkey, for a while only."""

from __future__ import annotations

from functools import cache

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


def publish(frame: Frame, *, client: redis.Redis | None = None) -> None:
    """Keep the frame for the market data TTL, then announce its number."""
    document = orjson.dumps(encode(frame))
    pipe = (client or connection()).pipeline(transaction=True)
    pipe.set(frame_key(frame.timeline), document, ex=settings.PLATFORM.market_data_ttl_seconds)
    pipe.publish(channel(frame.timeline), str(frame.n))
    pipe.execute()


def latest(timeline_key: str, *, client: redis.Redis | None = None) -> Frame | None:
    """The last published frame, or None when nothing was published within the TTL."""
    document = (client or connection()).get(frame_key(timeline_key))
    return None if document is None else decode(orjson.loads(document))
