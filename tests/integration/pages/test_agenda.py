"""The desk says what touches the money next."""

from __future__ import annotations

from datetime import time

import pytest

from tests.integration.pages import world as story

pytestmark = pytest.mark.django_db


def test_pairs_that_exit_together_are_named_together(browser, world):
    coming = browser.get("/").context["next"]

    assert coming.words == "Iron Condor exits on Zerodha paper and Angel One paper"
    assert (coming.at.hour, coming.at.minute, coming.other_day) == (15, 10, False)


def test_before_the_entry_the_entry_comes_next(client, user):
    story.build(user, clock=time(9, 16), traded=False)
    client.force_login(user)

    coming = client.get("/").context["next"]

    assert coming.words.endswith("enters on Zerodha paper and Angel One paper")
    assert (coming.at.hour, coming.at.minute) == (9, 20)


def test_a_paused_pair_that_holds_nothing_is_not_announced(client, user):
    world = story.build(user, clock=time(9, 16), traded=False)
    client.force_login(user)
    client.post("/risk/pause", {"scope": "basket", "target": world.basket.pk})

    assert client.get("/").context["next"] is None
