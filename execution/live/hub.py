"""One Valkey subscription of the web process, fanned out to its sockets."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import orjson
import redis.asyncio
import structlog
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from redis import RedisError

from execution.live import chains, logins
from execution.live.events import EPOCH_KEY as EVENT_EPOCH
from execution.live.events import announcements, log_key, sequence_key
from execution.live.feed import EPOCH_KEY, META, state_key
from execution.live.logins import Login
from execution.live.outbox import Outbox, Overflow
from execution.live.protocol import is_chain
from execution.live.rows import EVERYBODY

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 5.0
RECONNECT_SECONDS = 0.5


@dataclass(eq=False, slots=True)
class Member:
    """One socket as the hub knows it; `closing` is the code it is to be closed with."""

    login: Login
    outbox: Outbox = field(default_factory=Outbox)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    closing: int | None = None

    @property
    def owner(self) -> str:
        return str(self.login.user_id)

    def close(self, code: int) -> None:
        self.closing = self.closing or code
        self.woken.set()


class Hub:
    """Lives while it has members: the first to join starts it, the last to leave stops it."""

    def __init__(self, url: str, *, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self.client = redis.asyncio.Redis.from_url(url, socket_timeout=5)
        self.url = url
        self.heartbeat = heartbeat
        self.members: dict[str, set[Member]] = defaultdict(set)
        self.ready = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def join(self, member: Member, *, patience: float = 5.0) -> bool:
        """Hear everything of the member's owner from now on; False while Valkey cannot be reached."""
        self.members[member.owner].add(member)
        if not self.tasks:
            self.tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._beat())]
        try:
            await asyncio.wait_for(self.ready.wait(), patience)
        except TimeoutError:
            await self.leave(member)
            return False
        return True

    async def leave(self, member: Member) -> None:
        group = self.members.get(member.owner, set())
        group.discard(member)
        if not group:
            self.members.pop(member.owner, None)
        if not self.members:
            await self._stop()

    async def snapshot(self, owner: str, channel: str) -> tuple[str, int, dict[str, Any]]:
        """(epoch, seq, rows) of a STATE channel, read at one instant."""
        pipe = self.client.pipeline(transaction=True)
        pipe.hgetall(state_key(owner, channel))
        pipe.get(EPOCH_KEY)
        kept, epoch = await pipe.execute()
        if not kept:
            return (epoch or b"").decode(), 0, {}
        meta = orjson.loads(kept.pop(META.encode()))
        return meta["epoch"], meta["seq"], {key.decode(): orjson.loads(row) for key, row in kept.items()}

    async def events(self, owner: str, channel: str) -> tuple[str, int, list[tuple[int, str]]]:
        """(epoch, last seq, kept events) of an EVENT channel, read at one instant."""
        pipe = self.client.pipeline(transaction=True)
        pipe.get(EVENT_EPOCH)
        pipe.get(sequence_key(int(owner), channel))
        pipe.xrange(log_key(int(owner), channel))
        epoch, seq, entries = await pipe.execute()
        kept = [fields[b"e"].decode() for _, fields in entries]
        return (epoch or b"").decode(), int(seq or 0), [(orjson.loads(e)["seq"], e) for e in kept]

    async def may_be_quoted(self, channel: str) -> bool:
        """False when run_live tells the market's expiries and this chain's is not among them."""
        series = chains.series_of(channel)
        assert series is not None  # the protocol checked it
        try:
            _, _, rows = await self.snapshot(EVERYBODY, "market")
        except (RedisError, OSError):
            return True  # not known: its snapshot is tried until it can be had
        return not rows or series[1].isoformat() in rows.get(series[0], {}).get("expiries", ())

    async def watch(self, channels: Iterable[str]) -> None:
        """Have run_live value these chains; what fails here is said again at the next heartbeat."""
        try:
            await chains.watch(self.client, channels)
        except (RedisError, OSError) as error:
            log.warning("live_chains_not_watched", error=str(error))

    def dispatch(self, channel: str, data: bytes) -> None:
        """Hand an announcement to the sockets that it concerns."""
        owner = channel.rpartition(":")[2]
        members = self._everybody() if owner == EVERYBODY else list(self.members.get(owner, ()))
        if not members:
            return
        for message in orjson.loads(data):
            raw = orjson.dumps(message).decode()  # once for all of them
            for member in members:
                self._offer(member, message, raw)
                member.woken.set()

    def _offer(self, member: Member, message: dict[str, Any], raw: str) -> None:
        if message["t"] == "epoch":
            return member.outbox.resync_all(events_lost=False)
        try:
            return member.outbox.offer(message, raw)
        except Overflow:
            return member.close(4429)

    def _chains(self) -> set[str]:
        subscribed = (member.outbox.subscriptions for member in self._everybody())
        return {name for names in subscribed for name in names if is_chain(name)}

    def _everybody(self) -> list[Member]:
        return [member for group in self.members.values() for member in group]

    async def _listen(self) -> None:
        """Keep the subscription; after a loss of it every socket takes new snapshots."""
        first = True
        while True:
            try:
                async with self._listener() as client, client.pubsub() as pubsub:
                    await pubsub.psubscribe(announcements("*"))
                    while await pubsub.get_message(timeout=HEARTBEAT_SECONDS) is None:
                        continue  # the confirmation comes first
                    self._resynced(lost=not first)
                    first = False
                    await self._pass_on(pubsub)
            except (RedisError, OSError) as error:
                self.ready.clear()
                log.warning("live_hub_disconnected", error=str(error), retry_in=RECONNECT_SECONDS)
                await asyncio.sleep(RECONNECT_SECONDS)

    def _listener(self) -> redis.asyncio.Redis:
        """Silence is no failure here, but a dead connection is noticed by a ping."""
        return redis.asyncio.Redis.from_url(
            self.url, socket_timeout=None, health_check_interval=10, client_name="live-hub"
        )

    async def _pass_on(self, pubsub: Any) -> None:
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=HEARTBEAT_SECONDS)
            if message is not None:
                self.dispatch(message["channel"].decode(), message["data"])

    def _resynced(self, *, lost: bool) -> None:
        self.ready.set()
        for member in self._everybody():
            member.outbox.resync_all(events_lost=lost)
            member.woken.set()

    async def _beat(self) -> None:
        """Every 5 seconds: the seqs to every socket, and an end for those no longer signed in."""
        while True:
            await asyncio.sleep(self.heartbeat)
            valid = await self._valid_logins()
            state = await self._feed_state()
            await self.watch(self._chains())
            for member in self._everybody():
                if valid is not None and member.login not in valid:
                    member.close(4401)
                else:
                    member.outbox.heartbeat = state
                    member.woken.set()

    async def _valid_logins(self) -> set[Login] | None:
        asked = {member.login for member in self._everybody()}
        try:
            return await database_sync_to_async(logins.still_valid)(asked, now=timezone.now())
        except DatabaseError as error:
            log.warning("logins_not_checked", error=str(error))
            return None

    async def _feed_state(self) -> str:
        """Whether run_live gives signs of life: without it the rows are not moving."""
        try:
            return "up" if await self.client.exists("heartbeat:live") else "down"
        except (RedisError, OSError):
            return "down"

    async def _stop(self) -> None:
        tasks, self.tasks = self.tasks, []
        self.ready.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.client.aclose()


#: A hub belongs to its event loop; a web process has one loop, a test suite has many.
_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def of_this_process() -> Hub:
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub(settings.REDIS_URL)
    return _hubs[loop]
