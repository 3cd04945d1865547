"""Valkey without what earlier tests told."""

import pytest

from market.quotes import connection


@pytest.fixture(autouse=True)
def valkey():
    client = connection()
    for pattern in ("live:*", "events:*", "frame:live-test*", "heartbeat:*"):
        for key in client.scan_iter(pattern, count=1000):
            client.delete(key)
    return client
