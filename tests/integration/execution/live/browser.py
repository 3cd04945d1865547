"""A browser's or program's end of /ws/live."""

from __future__ import annotations

from typing import Any

import orjson
from channels.testing import WebsocketCommunicator
from django.test import Client

from execution.live import hub
from optionsplatform.asgi import application

OURS = "http://testserver"


def cookie_of(user) -> str:
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"


class Socket:
    """One connection; `close_code` is set once the server has closed it."""

    def __init__(self, *, cookie="", origin=OURS, query="", app=application):
        headers = [(b"host", b"testserver")]
        headers += [(b"origin", origin.encode())] if origin else []
        headers += [(b"cookie", cookie.encode())] if cookie else []
        self.wire = WebsocketCommunicator(app, f"/ws/live{query}", headers=headers)

    async def __aenter__(self) -> Socket:
        connected, _ = await self.wire.connect(timeout=5)
        assert connected  # every refusal is a close code on an accepted socket
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.wire.disconnect()

    async def say(self, **message: Any) -> None:
        await self.wire.send_to(text_data=orjson.dumps(message).decode())

    async def subscribe(self, *channels: Any) -> None:
        await self.say(id=1, op="sub", ch=list(channels))

    async def hear(self, kind: str | None = None, *, timeout: float = 3) -> dict[str, Any]:
        """The next message, or the next of that kind."""
        while True:
            message = await self.wire.receive_json_from(timeout=timeout)
            if kind is None or message["t"] == kind:
                return message

    async def closed(self, *, timeout: float = 3) -> int:
        while True:
            output = await self.wire.receive_output(timeout=timeout)
            if output["type"] == "websocket.close":
                return output["code"]

    async def silent(self, seconds: float = 0.2) -> bool:
        return await self.wire.receive_nothing(timeout=seconds)


def quick_heartbeat(seconds: float = 0.2) -> None:
    hub.of_this_process().heartbeat = seconds
