import dataclasses

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings

from optionsplatform.sockets import Guard, origin_allowed


def headers(**values):
    return [(name.encode(), value.encode()) for name, value in values.items()]


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        ({"origin": "http://127.0.0.1:8000", "host": "127.0.0.1:8000", "cookie": "sessionid=1"}, True),
        ({"origin": "http://evil.example", "host": "127.0.0.1:8000"}, False),
        ({"origin": "http://127.0.0.1:3000", "host": "127.0.0.1:8000"}, False),
        ({"origin": "http://evil.example", "host": "evil.example"}, False),
        ({"origin": "null", "host": "127.0.0.1:8000"}, False),
        ({"host": "127.0.0.1:8000", "cookie": "sessionid=1"}, False),
        ({"host": "127.0.0.1:8000"}, True),
    ],
)
def test_only_our_own_pages_may_use_the_cookie_of_a_socket(values, allowed):
    assert origin_allowed(headers(**values)) is allowed


async def echo(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})


async def test_a_foreign_page_is_closed_with_4403():
    foreign = headers(origin="http://evil.example", host="127.0.0.1:8000")
    socket = WebsocketCommunicator(Guard(echo), "/ws/live", headers=foreign)

    accepted, _ = await socket.connect()

    assert accepted
    assert await socket.receive_output() == {"type": "websocket.close", "code": 4403}


async def test_no_socket_opens_while_the_live_feed_is_switched_off(settings):
    off = dataclasses.replace(django_settings.PLATFORM, enable_realtime_websocket=False)
    settings.PLATFORM = off
    ours = headers(origin="http://127.0.0.1:8000", host="127.0.0.1:8000")
    socket = WebsocketCommunicator(Guard(echo), "/ws/live", headers=ours)

    await socket.connect()

    assert (await socket.receive_output())["code"] == 4403


async def test_our_own_page_reaches_the_application():
    ours = headers(origin="http://127.0.0.1:8000", host="127.0.0.1:8000")
    socket = WebsocketCommunicator(Guard(echo), "/ws/live", headers=ours)

    accepted, _ = await socket.connect()

    assert accepted
    assert await socket.receive_nothing()
