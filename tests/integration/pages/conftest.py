from __future__ import annotations

import pytest

from market.quotes import connection
from tests.integration.pages import world as story


@pytest.fixture
def world(user):
    """The demo story of `user`; Valkey is emptied of it afterwards."""
    yield story.build(user)
    connection().delete("frame:demo", "heartbeat:market")


@pytest.fixture
def browser(client, user):
    """A signed-in browser."""
    client.force_login(user)
    return client
