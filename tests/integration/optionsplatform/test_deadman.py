"""The outside monitor is told while all is well, and only then."""

from __future__ import annotations

import pytest

from market import quotes
from optionsplatform.deadman import deadman, troubles
from optionsplatform.processes import BEATING
from tests.integration.listener import listening

pytestmark = pytest.mark.django_db


@pytest.fixture
def monitor(settings):
    with listening() as said:
        settings.DEADMAN_URL = f"{said.url}/ping/1"
        yield said


@pytest.fixture
def beating():
    for name in BEATING:
        quotes.connection().set(f"heartbeat:{name}", b"now", ex=60)
    yield
    quotes.connection().delete(*(f"heartbeat:{name}" for name in BEATING))


def test_the_monitor_is_told_while_everything_beats(monitor, beating):
    assert troubles() == {}
    assert deadman() is True

    assert [path for path, _, _ in monitor.heard] == ["/ping/1"]


def test_the_monitor_hears_nothing_while_a_process_is_silent(monitor, beating):
    quotes.connection().delete("heartbeat:worker")

    assert deadman() is False
    assert monitor.heard == []


def test_a_monitor_that_refuses_or_is_away_breaks_nothing(monitor, beating, settings):
    monitor.answers = [404]
    assert deadman() is False
    settings.DEADMAN_URL = "http://127.0.0.1:9/"
    assert deadman() is False


def test_without_an_address_nobody_is_told(settings):
    settings.DEADMAN_URL = ""

    assert deadman() is False
