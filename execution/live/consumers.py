"""/ws/live: parses what the client says, and sends what its outbox holds."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import parse_qs

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils import timezone
from redis import RedisError

from execution.live import hub as hubs
from execution.live import logins, tickets
from execution.live.hub import Hub, Member
from execution.live.logins import Login
from execution.live.outbox import Outbox
from execution.live.protocol import (
    MOST_CHAINS,
    MOST_CHANNELS,
    BadMessage,
    NoSuchChannel,
    Request,
    Wanted,
    basket_of,
    is_chain,
    is_event,
    is_shared,
    parse,
)
from execution.live.rows import EVERYBODY

log = structlog.get_logger(__name__)

BAD, SIGNED_OUT, FORBIDDEN, TIMED_OUT, TOO_MUCH, RESTART = 4400, 4401, 4403, 4408, 4429, 1012
FIRST_WORD_SECONDS = 10.0
SEND_SECONDS = 15.0
MESSAGES, PER_SECONDS = 30, 10.0
RETRY_SECONDS = 0.5


class LiveFeed(AsyncWebsocketConsumer):
    channel_layer_alias = "none"  # the hub feeds this socket, not a channel layer
    first_word_seconds = FIRST_WORD_SECONDS
    hub: Hub
    member: Member | None = None
    pump: asyncio.Task[None] | None = None
    spoken = False
    retry_at = 0.0

    async def connect(self) -> None:
        await self.accept()  # a close code needs an accepted socket
        self.hub = hubs.of_this_process()
        self.heard_at: list[float] = []
        login = await self._login()
        if isinstance(login, int):
            return await self.close(code=login)
        member = Member(login)
        self.member = member
        if not await self.hub.join(member):
            self.member = None
            return await self.close(code=RESTART)
        self.pump = asyncio.create_task(self._pump(member))
        self.pump.add_done_callback(_say_failure)
        return None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.member is None:
            return None
        if self._too_often():
            return self.member.close(TOO_MUCH)
        try:
            request = parse(text_data or "")
            await self._obey(request)
        except BadMessage as error:
            self._error(None, "bad_message", str(error))
            return self.member.close(BAD)
        return None

    async def disconnect(self, code: int) -> None:
        if self.pump is not None:
            self.pump.cancel()
        if self.member is not None:
            member, self.member = self.member, None
            await self.hub.leave(member)

    async def _login(self) -> Login | int:
        """Who is there, or the code that says why not."""
        if not settings.PLATFORM.enable_realtime_websocket:
            return FORBIDDEN
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        if ticket := query.get("ticket"):
            return await self._by_ticket(ticket[0])
        headers = {name: value.decode("latin-1") for name, value in self.scope["headers"]}
        if not logins.origin_is_ours(headers.get(b"origin", ""), headers.get(b"host", "")):
            return FORBIDDEN
        return logins.from_scope(self.scope) or SIGNED_OUT

    async def _by_ticket(self, ticket: str) -> Login | int:
        try:
            login = await tickets.redeem(self.hub.client, ticket)
        except (RedisError, OSError):
            return RESTART
        if login is None:
            return SIGNED_OUT
        valid = await database_sync_to_async(logins.still_valid)([login], now=timezone.now())
        return login if login in valid else SIGNED_OUT

    async def _obey(self, request: Request) -> None:
        member = self.member
        assert member is not None
        self.spoken = True
        for wanted in request.channels:
            try:
                await self._one(member.outbox, request, wanted)
            except NoSuchChannel:
                self._error(
                    request.id, "not_found", f"There is no channel {wanted.name!r} of yours."
                )
        member.woken.set()

    async def _one(self, outbox: Outbox, request: Request, wanted: Wanted) -> None:
        if request.op == "unsub":
            return outbox.unsubscribe(wanted.name)
        if request.op == "resync":
            if wanted.name not in outbox.subscriptions:
                raise NoSuchChannel(wanted.name)
            return outbox.resync(wanted.name, epoch=wanted.epoch, seq=wanted.seq)
        if wanted.name not in outbox.subscriptions and len(outbox.subscriptions) >= MOST_CHANNELS:
            raise BadMessage(f"a socket may have at most {MOST_CHANNELS} channels.")
        if is_chain(wanted.name):
            return await self._chain(outbox, wanted)
        basket = basket_of(wanted.name)
        if basket is not None:
            sees = database_sync_to_async(logins.may_see_basket)
            if not await sees(int(self.member.owner), basket):  # type: ignore[union-attr]  # set when the socket was accepted
                raise NoSuchChannel(wanted.name)
        return outbox.subscribe(wanted)

    async def _chain(self, outbox: Outbox, wanted: Wanted) -> None:
        others = [name for name in outbox.subscriptions if is_chain(name) and name != wanted.name]
        if len(others) >= MOST_CHAINS:
            raise BadMessage(f"a socket may watch at most {MOST_CHAINS} chains; unsub one first.")
        if not await self.hub.may_be_quoted(wanted.name):
            raise NoSuchChannel(wanted.name)
        outbox.subscribe(wanted)
        await self.hub.watch([wanted.name])

    def _error(self, number: int | None, code: str, detail: str) -> None:
        document: dict[str, Any] = {"t": "error", "id": number, "code": code, "detail": detail}
        self.member.outbox.say(document)  # type: ignore[union-attr]  # set when the socket was accepted

    def _too_often(self) -> bool:
        now = time.monotonic()
        self.heard_at = [at for at in self.heard_at if now - at < PER_SECONDS] + [now]
        return len(self.heard_at) > MESSAGES

    async def _pump(self, member: Member) -> None:
        """The only sender: what is written reaches the client in this order."""
        opened = time.monotonic()
        try:
            while member.closing is None:
                await self._await_work(member, opened)
                member.woken.clear()
                await self._send_all(await self._caught_up(member))
                await self._send_all(member.outbox.take(time.monotonic()))
                if not self.spoken and time.monotonic() - opened > self.first_word_seconds:
                    member.close(TIMED_OUT)
            await self.close(code=member.closing)
        except TimeoutError:
            await self.close(code=TIMED_OUT)  # it did not read for so long
        except OSError:
            log.debug("live_client_gone")  # disconnect() follows

    async def _await_work(self, member: Member, opened: float) -> None:
        now = time.monotonic()
        waits = [member.outbox.wait(now)]
        if not self.spoken:
            waits.append(max(0.0, opened + self.first_word_seconds - now) + 0.001)
        if member.outbox.waiting():  # a gap was found, or Valkey was away at the last try
            waits.append(max(0.0, self.retry_at - now))
        known = [wait for wait in waits if wait is not None]
        try:
            async with asyncio.timeout(min(known) if known else None):
                await member.woken.wait()
        except TimeoutError:
            return  # time for what was held back

    async def _caught_up(self, member: Member) -> list[str]:
        """Snapshots and replays of the channels that wait for one; with Valkey away, tried again."""
        ready: list[str] = []
        if time.monotonic() < self.retry_at:
            return ready
        try:
            for channel in member.outbox.waiting():
                ready += await self._caught_up_one(member, channel)
        except (RedisError, OSError) as error:
            self.retry_at = time.monotonic() + RETRY_SECONDS
            log.warning("live_snapshot_failed", owner=member.owner, error=str(error))
        return ready

    async def _caught_up_one(self, member: Member, channel: str) -> list[str]:
        if is_event(channel):
            return member.outbox.replay(channel, *await self.hub.events(member.owner, channel))
        owner = EVERYBODY if is_shared(channel) else member.owner
        snapshot = member.outbox.snapshot(channel, *await self.hub.snapshot(owner, channel))
        return [] if snapshot is None else [snapshot]

    async def _send_all(self, messages: list[str]) -> None:
        for message in messages:
            async with asyncio.timeout(SEND_SECONDS):
                await self.send(text_data=message)


def _say_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("live_socket_failed", exc_info=error)
