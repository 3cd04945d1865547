"""Every WebSocket route and channel: signed out, from a foreign page, switched off, as a stranger.

What one socket does from opening to closing is in tests/integration/execution/live/test_socket.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings as configured

from execution.live import tickets
from execution.live.events import EVENT_CHANNELS, publish_event
from execution.live.feed import Conflation, Outlet
from execution.live.protocol import SHARED_CHANNELS, STATE_CHANNELS
from execution.live.routing import websocket_urlpatterns
from market.quotes import connection
from optionsplatform.asgi import application
from tests.factories import UserFactory, make_api_key
from tests.integration.execution.live.browser import OURS, Socket, cookie_of
from tests.integration.execution.live.rows_in_db import make_pair

pytestmark = pytest.mark.django_db(transaction=True)

#: An address for each route; a new route without one fails.
ADDRESSES = {r"^ws/live/?$": ["/ws/live", "/ws/live/"]}
PATHS = [path for route in websocket_urlpatterns for path in ADDRESSES[str(route.pattern)]]
OWN = [name for name in (*STATE_CHANNELS, *EVENT_CHANNELS) if name not in SHARED_CHANNELS]
HIDDEN = "owner-only"


@pytest.fixture(autouse=True)
def valkey():
    client = connection()
    for pattern in ("live:*", "events:*"):
        for key in client.scan_iter(pattern, count=1000):
            client.delete(key)
    return client


@pytest.fixture
def cookie(stranger):
    return cookie_of(stranger)


async def close_code(path: str, **headers: str) -> int:
    """The code with which the server closes the socket after accepting it."""
    given = {"host": "testserver", **headers}
    sent = [(name.encode(), value.encode()) for name, value in given.items() if value]
    wire = WebsocketCommunicator(application, path, headers=sent)
    accepted, _ = await wire.connect(timeout=5)
    assert accepted
    output = await wire.receive_output(timeout=5)
    await wire.disconnect()
    assert output["type"] == "websocket.close"
    return output["code"]


@pytest.mark.parametrize("path", PATHS)
async def test_nobody_gets_a_socket_without_signing_in(path, db):
    assert await close_code(path, origin=OURS) == 4401
    assert await close_code(path, origin=OURS, cookie="sessionid=made-up") == 4401
    assert await close_code(f"{path}?ticket=made-up") == 4401


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ["https://evil.example", "http://testserver:81", "https://testserver.evil", "null", ""])
async def test_a_foreign_page_gets_no_socket_with_the_users_cookie(path, origin, cookie):
    assert await close_code(path, origin=origin, cookie=cookie) == 4403


@pytest.mark.parametrize("path", PATHS)
async def test_switched_off_nobody_gets_a_socket_not_even_with_a_ticket(path, stranger, cookie, settings):
    ticket = await sync_to_async(tickets.issue)(user_id=stranger.pk, key_id=None)
    settings.PLATFORM = replace(configured.PLATFORM, enable_realtime_websocket=False)

    assert await close_code(path, origin=OURS, cookie=cookie) == 4403
    assert await close_code(f"{path}?ticket={ticket}") == 4403


@pytest.mark.parametrize("path", PATHS)
async def test_a_ticket_of_a_key_that_was_revoked_or_of_a_closed_user_opens_nothing(path, stranger):
    key, _ = await sync_to_async(make_api_key)(stranger, scope="read")
    ticket = await sync_to_async(tickets.issue)(user_id=stranger.pk, key_id=key.pk)
    key.revoked_at = key.created_at
    await key.asave()
    assert await close_code(f"{path}?ticket={ticket}") == 4401

    ticket = await sync_to_async(tickets.issue)(user_id=stranger.pk, key_id=None)
    stranger.is_active = False
    await stranger.asave()
    assert await close_code(f"{path}?ticket={ticket}") == 4401


@pytest.mark.parametrize("channel", OWN)
async def test_no_channel_tells_a_stranger_what_is_the_owners(channel, user, cookie, valkey):
    outlet, feed = Outlet(valkey), Conflation()
    outlet.begin()
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe(channel)
        snap = await socket.hear()
        if channel in EVENT_CHANNELS:
            publish_event(user.pk, channel, {"id": 1, "note": HIDDEN})
        else:
            feed.replace((channel,), {(str(user.pk), channel): {"row": {"note": HIDDEN}}})
            outlet.publish(feed.due(1.0))

        assert await socket.silent()
    assert (snap["t"], snap["ch"], snap["d"]) == ("snap", channel, {})


async def test_a_strangers_basket_is_not_told_apart_from_one_that_is_not_there(user, cookie):
    pair = await sync_to_async(make_pair)(user)
    theirs, nobodys = pair.strategy.basket_id, 987654321
    async with Socket(cookie=cookie) as socket:
        heard = []
        for op in ("sub", "resync"):
            for basket in (theirs, nobodys):
                name = f"positions:{basket}"
                await socket.say(id=1, op=op, ch=[name] if op == "sub" else name)
                told = await socket.hear()
                heard.append((told["t"], told["code"], told["detail"].replace(str(basket), "N")))

    assert len(set(heard)) == 1
    assert heard[0][:2] == ("error", "not_found")


@pytest.mark.parametrize(
    "name", ["positions:0", "positions:-1", "positions:*", "positions:1:2", "orders:1", "summary:1",
             "live:state", "positions:\u0661", "positions:" + "9" * 18, "\x00", ""],
)  # fmt: skip
async def test_a_name_that_is_no_channel_of_yours_is_said_and_the_socket_lives(name, cookie):
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe(name)
        assert (await socket.hear())["code"] == "not_found"
        await socket.subscribe("positions")
        assert (await socket.hear())["t"] == "snap"


async def test_a_ticket_shows_its_own_users_rows_only(user, valkey):
    other = await sync_to_async(UserFactory)()
    ticket = await sync_to_async(tickets.issue)(user_id=other.pk, key_id=None)
    async with Socket(origin="", query=f"?ticket={ticket}") as socket:
        await socket.subscribe("orders")
        await socket.hear("snap")
        publish_event(user.pk, "orders", {"id": 1, "note": HIDDEN})
        publish_event(other.pk, "orders", {"id": 2})

        assert (await socket.hear("ev"))["d"] == {"id": 2}
