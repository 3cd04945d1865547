"""Messages go through Valkey by one client a channel, and lose nothing by it."""

from uuid import uuid4

import pytest
import redis
from django.conf import settings

from optionsplatform.celery import app
from optionsplatform.transport import Channel


@pytest.fixture
def line():
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue(f"test-{uuid4().hex}")
        yield queue
        queue.clear()
        queue.close()


def unacked() -> int:
    return redis.Redis.from_url(settings.REDIS_URL).hlen("unacked")


def test_a_message_is_kept_until_it_is_acknowledged_and_one_client_does_it_all(line):
    assert isinstance(line.channel, Channel)
    line.put({"order": 1})
    client, before = line.channel._create_client(), unacked()
    message = line.get(timeout=5)
    assert message.payload == {"order": 1}
    assert unacked() == before + 1
    message.ack()
    assert unacked() == before
    assert line.channel._create_client() is client


def test_a_channel_whose_connections_were_closed_has_a_new_client(line):
    client = line.channel._create_client()
    line.channel._disconnect_pools()
    assert line.channel._create_client() is not client
    line.put("after")
    assert line.get(timeout=5).payload == "after"
