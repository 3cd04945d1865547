"""The simulator without a socket: an httpx transport for trade_day and tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import httpx

from brokers.simulator.simulator import Simulator


class Transport(httpx.BaseTransport):
    """Same requests and answers as over HTTP; an answer later than the client waits is a time-out."""

    def __init__(self, simulator: Simulator, wall: Callable[[], datetime]) -> None:
        self._simulator = simulator
        self._wall = wall

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._simulator.handle(
            request.method,
            request.url.raw_path.decode(),
            request.headers,
            request.read(),
            self._wall(),
        )
        patience = request.extensions.get("timeout", {}).get("read")
        if patience is not None and answer.delay > patience:
            raise httpx.ReadTimeout("The answer came too late.", request=request)
        if answer.dropped:
            raise httpx.RemoteProtocolError("The connection was closed.", request=request)
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body)
