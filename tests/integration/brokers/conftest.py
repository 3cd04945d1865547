from __future__ import annotations

import httpx
import pytest

from tests.integration.brokers.served import ServedDesk
from tests.unit.brokers.desk import Desk, frame


@pytest.fixture(params=["in process", "over a socket"])
def desk(request):
    """A desk with one frame, on both transports; its client waits 0.4 s for an answer."""
    opened = Desk() if request.param == "in process" else ServedDesk()
    opened.push(frame())
    opened.client.timeout = httpx.Timeout(0.4)
    yield opened
    if isinstance(opened, ServedDesk):
        opened.stop()


@pytest.fixture
def served():
    opened = ServedDesk()
    opened.push(frame())
    yield opened
    opened.stop()
