"""Who may open a WebSocket at all: the right origin, and only when the live feed is switched on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.http.request import validate_host

from optionsplatform.metrics import OPEN_SOCKETS

FORBIDDEN = 4403
Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class Refuse(AsyncWebsocketConsumer):
    """Accept, then close with 4403: a browser sees a close code on an accepted socket only."""

    async def connect(self) -> None:
        await self.accept()
        await self.close(code=FORBIDDEN)


class Guard:
    """Refuse foreign origins, and everybody while enable_realtime_websocket is off."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._refuse = Refuse.as_asgi()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if not settings.PLATFORM.enable_realtime_websocket or not origin_allowed(scope["headers"]):
            await self._refuse(scope, receive, send)
            return
        with OPEN_SOCKETS.track_inprogress():
            await self._application(scope, receive, send)


def origin_allowed(headers: list[tuple[bytes, bytes]]) -> bool:
    """Our own pages and trusted origins; no origin at all only where no cookie could be abused."""
    values = {name.lower(): value.decode("latin-1") for name, value in headers}
    origin = values.get(b"origin")
    if origin is None:
        return b"cookie" not in values
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    parts = urlsplit(origin)
    same = parts.netloc == values.get(b"host")
    return same and validate_host((parts.hostname or "").lower(), settings.ALLOWED_HOSTS)
