"""The story played by the engine, its frame published, and the API as its owner."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import orjson
import pytest
from rest_framework.test import APIClient

from execution.engine.desk import Desk as EngineDesk
from execution.engine.desk import Silent
from market import quotes
from tests.factories import make_api_key
from users.models import User


@pytest.fixture
def owner(desk) -> User:
    return User.objects.get(email="headless@example.com")


@pytest.fixture
def traded(desk):
    """The desk at 09:21 of its day: every pair has entered."""
    desk.at(9, 20)
    desk.at(9, 21)
    yield publish(desk)
    forget()


@pytest.fixture
def untraded(desk):
    """The desk at 09:16, before any entry."""
    desk.at(9, 16)
    yield publish(desk)
    forget()


@pytest.fixture
def mine(owner) -> APIClient:
    """The API as the owner in the browser."""
    client = APIClient()
    client.force_login(owner)
    return client


@pytest.fixture
def theirs(stranger) -> APIClient:
    client = APIClient()
    client.force_login(stranger)
    return client


@pytest.fixture
def program(owner):
    """program("read"): the API as a program of the owner."""

    def client(scope) -> APIClient:
        _, token = make_api_key(owner, scope=scope)
        made = APIClient()
        made.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return made

    return client


def publish(desk):
    """What the market process does with a frame: Valkey has it, and the world knows its time."""
    quotes.publish(desk.player.last)
    desk.player.timeline.refresh_from_db()
    return desk


#: Where a message of entries alone waits: kombu's list of the least priority.
AFTER_ALL = "orders\x06\x169"


def messages(queue: str) -> list[list[tuple[str, int]]]:
    """The (kind, row id) of each message that waits for the workers; the next to be taken comes first."""
    found = []
    for raw in reversed(quotes.connection().lrange(queue, 0, -1)):
        (_, works), _, _ = orjson.loads(base64.b64decode(orjson.loads(raw)["body"]))
        found.append([(kind, row) for kind, row in works])
    return found


def queued(queue: str) -> list[tuple[str, int]]:
    """(kind, row id) of all that waits for the workers, whatever accounts' turns it is in."""
    return sorted(work for message in messages(queue) for work in message)


def forget() -> None:
    connection = quotes.connection()
    for pattern in ("frame:headless", "frame-number:headless", "live:state:*", "preview:*", "orders*"):
        for key in connection.scan_iter(pattern, count=1000):
            connection.delete(key)


def engine_desk(desk) -> EngineDesk:
    """What a view gets from the running desk, with the simulator in process."""
    player = desk.player
    return EngineDesk(
        timeline=player.timeline, frame=player.last, wall=datetime.now(UTC),
        adapter_for=player.adapter, feed=Silent(), tag_key=player.tag_key,
    )  # fmt: skip
