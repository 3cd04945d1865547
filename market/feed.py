"""Handing each frame to the broker simulator, and saying how the market process is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import orjson
import redis
import structlog
from django.conf import settings

from market import fact_selectors, facts_in_force
from market.facts import tables
from market.kernel.frame import Frame, encode
from market.models import SettlementPrice

HEARTBEAT = "heartbeat:market"
HEALTH = "health:market"
HEARTBEAT_SECONDS = 10
RETRY_SECONDS = 0.5
TIMEOUT = httpx.Timeout(10.0, connect=2.0)

log = structlog.get_logger(__name__)


class NotAcknowledged(RuntimeError):
    """The simulator did not confirm that it matched the frame."""


def hand_over(client: httpx.Client, frame: Frame) -> None:
    """POST the frame to the simulator and return when it has matched; NotAcknowledged otherwise.

    A simulator that keeps other dated facts (409) is given ours first.
    """
    response = _post_frame(client, frame)
    if response.status_code == httpx.codes.CONFLICT:
        hand_over_facts(client)
        response = _post_frame(client, frame)
    if response.status_code != 200:
        raise NotAcknowledged(f"HTTP {response.status_code}: {response.text[:200]}")
    try:
        n = orjson.loads(response.content)["n"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotAcknowledged(f"no acknowledgement in {response.text[:200]!r}") from error
    if n != frame.n:
        raise NotAcknowledged(f"acknowledged frame {n} instead of {frame.n}")


def hand_over_facts(client: httpx.Client) -> None:
    """Give the simulator the dated facts of this process, and the environment's own table."""
    number = facts_in_force.refresh()
    document = {
        "revision": number,
        "config": settings.PLATFORM.indian_market_config,
        "tables": fact_selectors.fact_texts() if number else None,
    }
    try:
        response = client.post("/admin/facts", content=orjson.dumps(document))
    except httpx.HTTPError as error:
        raise NotAcknowledged(f"{type(error).__name__}: {error}") from error
    if response.status_code != 200:
        raise NotAcknowledged(f"facts: HTTP {response.status_code}: {response.text[:200]}")
    log.info("facts_handed_over", revision=number)


def _post_frame(client: httpx.Client, frame: Frame) -> httpx.Response:
    mine = {"facts": str(tables.in_force().revision)}
    try:
        return client.post("/frames", params=mine, content=orjson.dumps(encode(frame)))
    except httpx.HTTPError as error:
        raise NotAcknowledged(f"{type(error).__name__}: {error}") from error


def settle(client: httpx.Client, row: SettlementPrice) -> None:
    """Give the simulator an official value; it settles once, and books the difference of a correction."""
    document = {
        "timeline": row.timeline.key,
        "underlying": row.underlying,
        "day": row.day.isoformat(),
        "price": str(row.price),
    }
    try:
        response = client.post("/admin/settle", content=orjson.dumps(document))
    except httpx.HTTPError as error:
        raise NotAcknowledged(f"{type(error).__name__}: {error}") from error
    if response.status_code != 200:
        raise NotAcknowledged(f"HTTP {response.status_code}: {response.text[:200]}")


def simulator_client(url: str, token: str) -> httpx.Client:
    """The market process's connection to the simulator; proxies of the environment do not apply."""
    return httpx.Client(
        base_url=url,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        timeout=TIMEOUT,
        trust_env=False,
    )


@dataclass(slots=True)
class Pulse:
    """The process's heartbeat and health in Valkey; a Valkey that is away is logged, not fatal."""

    client: redis.Redis
    wall: Callable[[], datetime]
    _said: str = ""

    def beat(self) -> None:
        """Alive, for the next ten seconds; what was said last holds as long."""
        try:
            pipe = self.client.pipeline(transaction=False)
            pipe.set(HEARTBEAT, self.wall().isoformat().encode(), ex=HEARTBEAT_SECONDS)
            pipe.expire(HEALTH, HEARTBEAT_SECONDS)
            pipe.execute()
        except redis.RedisError as error:
            log.warning("valkey_away", key=HEARTBEAT, error=str(error))

    def say(self, state: str, **facts: Any) -> None:
        """How it goes: `state` is playing, waiting, finished or simulator_down."""
        if state != self._said:
            log.info("market", state=state, **facts)
            self._said = state
        document = {"state": state, "at": self.wall().isoformat(), **facts}
        try:
            self.client.set(HEALTH, orjson.dumps(document, default=str), ex=HEARTBEAT_SECONDS)
        except redis.RedisError as error:
            log.warning("valkey_away", key=HEALTH, error=str(error))


def health(client: redis.Redis) -> dict[str, Any] | None:
    """What the market process last said, or None when it has been silent for ten seconds."""
    document = client.get(HEALTH)
    return None if document is None else orjson.loads(document)
