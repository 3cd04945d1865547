"""Celery's way to Valkey, with one client for each channel."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis
from redis import Redis


class Channel(redis.Channel):
    """kombu makes a client, with a table of 300 commands, for each message that it takes, sends and
    acknowledges: a tenth of all that a busy worker does."""

    _kept: Redis | None = None

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002  # kombu's signature
        if asynchronous:  # with a connection of its own
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()  # type: ignore[misc]
        return self._kept


class Transport(redis.Transport):
    Channel = Channel
