"""A throwaway world for a headless run: an own database, an in-memory simulator, one story."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, time
from typing import Any

from django.conf import settings
from django.db import connection

from allocations.models import StrategyBrokerAllocation
from brokers.simulator.ledger import Ledger
from brokers.simulator.simulator import Simulator
from execution import story as stories
from execution.headless.play import Player
from market.kernel.clock import at
from market.models import Timeline
from market.services import activate_timeline, create_timeline
from users.models import User

NONCE = "0" * 32
TAG_KEY = b"a headless run is the same every time"
OWNER = "headless@example.com"
BEFORE_OPEN = time(8)


@contextmanager
def throwaway_database(name: str) -> Iterator[None]:
    """Run inside a database made for this and dropped after; the configured one is not touched."""
    previous, testing = connection.settings_dict["NAME"], connection.settings_dict["TEST"]
    made = {"NAME": name, "MIGRATE": False, "TEMPLATE": None}  # straight from the models: seconds faster
    connection.settings_dict["TEST"] = {**testing, **made}
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")  # nothing here outlives the run
    try:
        yield
    finally:
        connection.creation.destroy_test_db(previous, verbosity=0)
        connection.settings_dict["TEST"] = testing


def open_world(
    story: dict[str, Any], *, first_day: date, files: Sequence[str] = (), seed: int = 0
) -> Player:
    """The timeline, the story's rows and logins, ready for the first frame; simulated without files."""
    wall = at(first_day, BEFORE_OPEN)
    source = Timeline.Source.RECORDED if files else Timeline.Source.SIMULATED
    timeline = create_timeline(
        key="headless", source=source, first_day=first_day, files=files, seed=seed, nonce=NONCE
    )
    activate_timeline(timeline=timeline, now=wall)
    simulator = Simulator(Ledger(":memory:"), token=settings.SIMULATOR_TOKEN)
    player = Player(timeline=timeline, simulator=simulator, tag_key=TAG_KEY, wall=wall)
    user = User.objects.create_user(OWNER)
    stories.build(story, user=user, now=wall, transport=player.transport)
    pairs = StrategyBrokerAllocation.objects.order_by("pk")
    for number, pair in enumerate(pairs, start=1):
        pair.public_id = f"pair-{number}"
        pair.save(update_fields=["public_id"])
    return player
