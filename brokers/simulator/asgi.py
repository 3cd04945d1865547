"""The simulator as a server: `uvicorn brokers.simulator.asgi:application`."""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from brokers.simulator.ledger import Ledger
from brokers.simulator.simulator import Simulator
from brokers.simulator.wire import Answer
from market.facts import tables
from market.kernel.contracts import facts_from_config

LONGEST_WAIT = 30.0
LATENCY_STEP = 0.05
DEV_TOKEN = "dev-simulator-token"  # noqa: S105 - dev only, refused elsewhere
NO_EVENTS = b'{"events":[]'


class Server:
    """The ASGI shell: wall time, late and lost answers, and waiting for events live here."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._changed: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        request = Request(scope, receive)
        answer = await self._answer(request)
        if answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.dropped:
            await _drop(send)
            return
        await Response(answer.body, answer.status, answer.headers)(scope, receive, send)

    async def _answer(self, request: Request) -> Answer:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        body = await request.body()
        patience = _wait(request)
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        while True:
            login = request.headers.get("authorization", "")
            changed = self._changed[login]
            answer = self._simulator.handle(
                request.method, path, request.headers, body, datetime.now(UTC)
            )
            if request.method != "GET":
                self._wake(login)
            left = until - loop.time()
            if left <= 0 or not _is_empty(answer):
                return answer
            await _until(changed, min(left, LATENCY_STEP if self._simulator.has_latency else 1.0))

    def _wake(self, login: str) -> None:
        """Whoever waits for events of that login looks again; everybody, when it is the operator's."""
        waiting = [login] if self._simulator.is_account(login) else list(self._changed)
        for each in waiting:
            self._changed.pop(each, asyncio.Event()).set()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self._simulator.ledger.close()
                return


def _wait(request: Request) -> float:
    """Seconds that a reader of events is willing to wait; every other request waits for nothing."""
    if (request.method, request.url.path) != ("GET", "/events"):
        return 0.0
    asked = parse_qs(request.url.query).get("wait", ["0"])[0]
    try:
        return min(max(float(asked), 0.0), LONGEST_WAIT)
    except ValueError:
        return 0.0


def _is_empty(answer: Answer) -> bool:
    """Whether this is a good answer without events, so that waiting makes sense."""
    return answer.status == 200 and answer.body.startswith(NO_EVENTS)


async def _until(changed: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(changed.wait(), seconds)
    except TimeoutError:
        return


async def _drop(send: Send) -> None:
    """Begin an answer and never finish it: the server then closes the connection."""
    headers: list[Any] = [(b"content-length", b"100")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def create() -> ASGIApp:
    """The server from its environment variables."""
    if config := os.environ.get("INDIAN_MARKET_CONFIG"):
        tables.install(facts_from_config(json.loads(config)))  # the exchange keeps the desk's facts
    latency = timedelta(milliseconds=int(os.environ.get("SIMULATOR_LATENCY_MS", "0")))
    rate = os.environ.get("SIMULATOR_ORDERS_PER_SECOND")
    simulator = Simulator(
        Ledger(os.environ.get("SIMULATOR_DB", ":memory:")),
        token=_operator_token(),
        latency=latency,
        orders_per_second=int(rate) if rate else None,
    )
    return Server(simulator)


def _operator_token() -> str:
    """SIMULATOR_TOKEN; only dev has a default."""
    if token := os.environ.get("SIMULATOR_TOKEN"):
        return token
    if os.environ.get("PLATFORM_ENV", "dev") != "dev":
        raise SystemExit("SIMULATOR_TOKEN is not set; outside dev the simulator needs its own.")
    return DEV_TOKEN


application = create()
