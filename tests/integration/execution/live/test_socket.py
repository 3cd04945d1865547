"""/ws/live from connecting to closing, over a real Valkey."""

import asyncio
import random
from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.conf import settings as configured
from django.contrib.sessions.models import Session
from django.urls import re_path
from rest_framework.test import APIRequestFactory, force_authenticate

from execution.live import hub, tickets
from execution.live.api import LiveTicket
from execution.live.consumers import MESSAGES, LiveFeed
from execution.live.events import log_key, publish_event
from execution.live.feed import Conflation, Outlet
from tests.factories import UserFactory, make_api_key
from tests.integration.execution.live.browser import Socket, cookie_of, quick_heartbeat
from tests.integration.execution.live.rows_in_db import make_pair

pytestmark = pytest.mark.django_db(transaction=True)


class Publisher:
    """run_live's last steps, without its clock: what is put is told at once."""

    def __init__(self, client):
        self.feed, self.outlet, self.clock = Conflation(), Outlet(client), 0.0
        self.outlet.begin()

    def put(self, owner, channel, rows):
        self.clock += 1
        kind = channel.partition(":")[0]
        kept = {k: v for k, v in self.feed.told.items() if k[1].partition(":")[0] == kind}
        self.feed.replace((kind,), {**kept, (str(owner), channel): rows})
        self.outlet.publish(self.feed.due(self.clock))


@pytest.fixture
def cookie(user):
    return cookie_of(user)


@pytest.fixture
def feed(valkey):
    return Publisher(valkey)


def leg(price):
    return {"p1": {"quantity": -150, "ltp": price, "pnl": "10.00"}}


async def test_a_snapshot_comes_first_and_deltas_go_on_from_it(user, cookie, feed):
    feed.put(user.pk, "positions", leg("71.20"))
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("positions")
        snap = await socket.hear()
        feed.put(user.pk, "positions", leg("71.10"))
        delta = await socket.hear()

    assert (snap["t"], snap["seq"], snap["d"]) == ("snap", 1, leg("71.20"))
    assert (delta["t"], delta["prev"], delta["seq"], delta["d"]) == ("delta", 1, 2, {"p1": {"ltp": "71.10"}})


async def test_a_channel_without_rows_has_an_empty_snapshot_and_starts_with_the_first_row(user, cookie, feed):
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("positions")
        snap = await socket.hear()
        feed.put(user.pk, "positions", leg("71.20"))
        delta = await socket.hear()

    assert (snap["seq"], snap["d"]) == (0, {})
    assert (delta["prev"], delta["seq"], delta["d"]) == (0, 1, leg("71.20"))


async def test_market_rows_reach_everybody(user, cookie, feed):
    feed.put("all", "market", {"NIFTY": {"spot": "24490.15"}})
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("market")
        await socket.hear("snap")
        feed.put("all", "market", {"NIFTY": {"spot": "24491.00"}})

        assert (await socket.hear("delta"))["d"] == {"NIFTY": {"spot": "24491.00"}}


async def test_a_trader_never_sees_a_row_of_another(user, cookie, feed):
    other = await sync_to_async(UserFactory)()
    feed.put(other.pk, "positions", leg("1.00"))
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("positions", "summary", "orders")
        snaps = [await socket.hear() for _ in range(3)]
        feed.put(other.pk, "positions", leg("2.00"))
        publish_event(other.pk, "orders", {"id": 7})

        assert await socket.silent()
    assert [snap["d"] for snap in snaps] == [{}, {}, {}]


async def test_a_strangers_basket_is_not_there_and_ones_own_is(user, cookie, feed):
    other = await sync_to_async(UserFactory)()
    theirs = (await sync_to_async(make_pair)(other)).strategy.basket_id
    mine = (await sync_to_async(make_pair)(user)).strategy.basket_id
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe(f"positions:{theirs}", f"positions:{mine}")
        heard = [await socket.hear(), await socket.hear()]

    error, snap = sorted(heard, key=lambda message: message["t"])
    assert (error["t"], error["id"], error["code"]) == ("error", 1, "not_found")
    assert (snap["t"], snap["ch"]) == ("snap", f"positions:{mine}")


async def test_a_subscribers_own_rows_of_a_curators_basket_are_theirs_to_see(user, cookie, feed):
    curator = await sync_to_async(UserFactory)()
    pair = await sync_to_async(make_pair)(user, owner=curator)
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe(f"positions:{pair.strategy.basket_id}")

        assert (await socket.hear())["t"] == "snap"


async def test_a_resync_gives_a_new_snapshot_of_that_channel_alone(user, cookie, feed):
    feed.put(user.pk, "positions", leg("71.20"))
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("positions", "summary")
        await socket.hear(), await socket.hear()
        await socket.say(op="resync", ch="positions")
        snap = await socket.hear()

        assert (snap["t"], snap["ch"], snap["d"]) == ("snap", "positions", leg("71.20"))
        assert await socket.silent()


async def test_a_restarted_publisher_gives_every_channel_a_new_snapshot(user, cookie, feed, valkey):
    feed.put(user.pk, "positions", leg("71.20"))
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("positions")
        before = await socket.hear()
        Publisher(valkey)  # its book is empty
        after = await socket.hear()

    assert (after["t"], after["d"]) == ("snap", {})
    assert after["epoch"] != before["epoch"]


async def test_a_slow_channel_gets_the_newest_values_merged(user, cookie, feed):
    feed.put(user.pk, "positions", leg("1.00"))
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe({"n": "positions", "hz": 2})
        await socket.hear("snap")
        for price in ("2.00", "3.00", "4.00", "5.00"):
            feed.put(user.pk, "positions", leg(price))
            await asyncio.sleep(0.02)
        first, second = await socket.hear(), await socket.hear()

        assert first["d"] == {"p1": {"ltp": "2.00"}}
        assert (second["prev"], second["seq"], second["d"]) == (2, 5, {"p1": {"ltp": "5.00"}})
        assert await socket.silent()


async def test_the_heartbeat_carries_all_seqs(user, cookie, feed):
    feed.put(user.pk, "positions", leg("1.00"))
    publish_event(user.pk, "orders", {"id": 1})
    quick_heartbeat()
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("positions", "orders")

        assert await socket.hear("hb") == {"t": "hb", "seqs": {"positions": 1, "orders": 1}, "live": "down"}


async def test_every_event_arrives_in_order(user, cookie):
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("orders")
        snap = await socket.hear()
        for number in range(50):
            publish_event(user.pk, "orders", {"id": number})
        heard = [await socket.hear() for _ in range(50)]

    assert (snap["t"], snap["seq"], snap["d"]) == ("snap", 0, {})
    assert [(e["prev"], e["seq"], e["d"]["id"]) for e in heard] == [(n, n + 1, n) for n in range(50)]


async def test_a_client_that_returns_gets_what_it_missed(user, cookie):
    for number in (1, 2, 3):
        publish_event(user.pk, "orders", {"id": number})
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("orders")
        place = await socket.hear()
    for number in (4, 5):
        publish_event(user.pk, "orders", {"id": number})
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe({"n": "orders", "epoch": place["epoch"], "seq": place["seq"]})

        assert [(await socket.hear())["d"]["id"] for _ in range(2)] == [4, 5]
        assert await socket.silent()


async def test_events_older_than_the_log_are_a_gap_to_be_read_over_rest(user, cookie, valkey):
    publish_event(user.pk, "executions", {"id": 1})
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("executions")
        place = await socket.hear()
    publish_event(user.pk, "executions", {"id": 2})
    valkey.delete(log_key(user.pk, "executions"))  # as five quiet minutes would
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe({"n": "executions", "epoch": place["epoch"], "seq": place["seq"]})
        gap = await socket.hear()
        publish_event(user.pk, "executions", {"id": 3})
        event = await socket.hear()

    assert (gap["t"], gap["from"], gap["seq"], gap["rest"]) == ("gap", 1, 2, "/options/executions")
    assert (event["prev"], event["seq"]) == (2, 3)


async def test_random_cuts_lose_and_double_no_event(user, cookie):
    dice = random.Random(20260804)  # noqa: S311 - a test, repeated the same
    published, heard, place = 0, [], {}
    for _ in range(40):
        async with Socket(cookie=cookie) as socket:
            await socket.subscribe({"n": "orders", **place})
            if not place:
                first = await socket.hear()
                place = {"epoch": first["epoch"], "seq": first["seq"]}
            for _ in range(dice.randint(0, 4)):
                published += 1
                publish_event(user.pk, "orders", {"id": published})
            for _ in range(dice.randint(0, published - len(heard))):
                event = await socket.hear("ev")
                assert event["prev"] == place["seq"]
                place = {"epoch": event["epoch"], "seq": event["seq"]}
                heard.append(event["d"]["id"])

    assert heard == list(range(1, len(heard) + 1))
    assert len(heard) > 40


async def test_a_lost_valkey_connection_is_made_good(user, cookie, feed, valkey):
    feed.put(user.pk, "positions", leg("1.00"))
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("positions", "orders")
        await socket.hear(), await socket.hear()
        database = valkey.connection_pool.connection_kwargs.get("db", 0)
        for client in valkey.client_list():
            if client["name"] == "live-hub" and int(client["db"]) == int(database):
                valkey.client_kill_filter(_id=client["id"])
        feed.put(user.pk, "positions", leg("2.00"))
        again = [await socket.hear(), await socket.hear()]

    snap = next(m for m in again if m["ch"] == "positions")
    gap = next(m for m in again if m["ch"] == "orders")
    assert (snap["t"], snap["d"]) == ("snap", leg("2.00"))
    assert gap["t"] == "gap"


async def test_who_is_not_signed_in_is_closed_with_4401(db):
    async with Socket() as socket:
        assert await socket.closed() == 4401


@pytest.mark.parametrize("origin", ["https://evil.example", "http://testserver.evil.example", "null"])
async def test_a_foreign_page_is_closed_with_4403(cookie, origin):
    async with Socket(cookie=cookie, origin=origin) as socket:
        assert await socket.closed() == 4403


async def test_a_cookie_without_an_origin_is_closed_with_4403(cookie):
    async with Socket(cookie=cookie, origin="") as socket:
        assert await socket.closed() == 4403


async def test_with_the_live_feed_switched_off_every_socket_is_closed_with_4403(cookie, settings):
    settings.PLATFORM = replace(configured.PLATFORM, enable_realtime_websocket=False)
    async with Socket(cookie=cookie) as socket:
        assert await socket.closed() == 4403


async def test_a_message_that_is_none_is_told_what_is_wrong_and_closed_with_4400(cookie):
    async with Socket(cookie=cookie) as socket:
        await socket.say(op="buy", ch=["orders"])

        assert (await socket.hear())["detail"] == "op must be sub, unsub or resync."
        assert await socket.closed() == 4400


async def test_a_client_that_talks_without_end_is_closed_with_4429(cookie):
    async with Socket(cookie=cookie) as socket:
        for _ in range(MESSAGES + 1):
            await socket.subscribe("positions")

        assert await socket.closed() == 4429


class Hurried(LiveFeed):
    first_word_seconds = 0.2


async def test_a_client_that_asks_for_nothing_is_closed_with_4408(cookie):
    app = AuthMiddlewareStack(URLRouter([re_path("^ws/live$", Hurried.as_asgi())]))
    async with Socket(cookie=cookie, app=app) as socket:
        assert await socket.closed() == 4408


async def test_signing_out_closes_the_socket(user, cookie):
    quick_heartbeat()
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("positions")
        await socket.hear("hb")
        await Session.objects.all().adelete()

        assert await socket.closed() == 4401


async def test_a_deactivated_user_is_closed(user, cookie):
    quick_heartbeat()
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("positions")
        await socket.hear("hb")
        user.is_active = False
        await user.asave()

        assert await socket.closed() == 4401


async def test_a_new_password_closes_the_sockets_of_the_old_one(user, cookie):
    quick_heartbeat()
    async with Socket(cookie=cookie) as socket:
        await socket.subscribe("positions")
        await socket.hear("hb")
        user.set_password("another-long-password")
        await user.asave()

        assert await socket.closed() == 4401


def ask_for_a_ticket(user, key=None):
    request = APIRequestFactory().post("/options/live/ticket")
    force_authenticate(request, user=user, token=key)
    return LiveTicket.as_view()(request)


async def test_a_program_with_a_read_key_opens_a_socket_with_a_ticket_once(user, feed):
    key, _ = await sync_to_async(make_api_key)(user, scope="read")
    answer = await sync_to_async(ask_for_a_ticket)(user, key)
    assert answer.status_code == 201
    feed.put(user.pk, "positions", leg("71.20"))

    query = f"?ticket={answer.data['ticket']}"
    async with Socket(origin="", query=query) as socket:
        await socket.subscribe("positions")
        assert (await socket.hear())["d"] == leg("71.20")
    async with Socket(origin="", query=query) as socket:
        assert await socket.closed() == 4401


async def test_a_ticket_is_gone_after_its_thirty_seconds(user, valkey):
    ticket = await sync_to_async(tickets.issue)(user_id=user.pk, key_id=None)
    (key,) = valkey.scan_iter("live:ticket:*")

    assert ticket not in key.decode()
    assert 0 < valkey.ttl(key) <= 30


async def test_a_revoked_key_closes_its_socket(user, feed):
    key, _ = await sync_to_async(make_api_key)(user, scope="read")
    ticket = await sync_to_async(tickets.issue)(user_id=user.pk, key_id=key.pk)
    quick_heartbeat()
    async with Socket(origin="", query=f"?ticket={ticket}") as socket:
        await socket.subscribe("positions")
        await socket.hear("hb")
        key.revoked_at = key.created_at
        await key.asave()

        assert await socket.closed() == 4401


async def test_the_hub_stops_with_its_last_socket_and_starts_with_the_next(cookie, user, feed):
    for _ in range(2):
        async with Socket(cookie=cookie) as socket:
            await socket.subscribe("positions")
            assert (await socket.hear())["t"] == "snap"
        assert hub.of_this_process().tasks == []
