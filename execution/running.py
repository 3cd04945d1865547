"""The running desk: the active world at its last published frame, with real wires and a live feed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from allocations.models import ScopeLimit
from allocations.risk import Exposure
from brokers.registry import adapter_for
from execution.engine import exposures, limits
from execution.engine.desk import Desk
from execution.engine.margins import NoMargin, Sheet
from execution.live import events
from market import facts_in_force, quotes
from market.models import Timeline
from market.selectors import active_timeline

RECONCILE_EVERY = timedelta(seconds=60)


class LiveFeed:
    """Tells the live feed of what has been committed."""

    def book_changed(self, timeline_key: str) -> None:
        events.book_changed(timeline_key)

    def event(self, owner_id: int, channel: str, payload: dict[str, Any]) -> None:
        events.publish_event(owner_id, channel, payload)


def desk_now() -> Desk | None:
    """The desk at the last published frame; None while no world is active or it gives no fresh one."""
    try:
        timeline = active_timeline()
    except Timeline.DoesNotExist:  # nothing has been set up to run yet
        return None
    frame = quotes.latest(timeline.key)
    if frame is None:
        return None
    facts_in_force.refresh()
    return Desk(
        timeline=timeline,
        frame=frame,
        wall=timezone.now(),
        adapter_for=adapter_for,
        feed=LiveFeed(),
        tag_key=settings.SECRET_KEY.encode(),
        reconcile_every=RECONCILE_EVERY,
    )


def used_of_limits(user_id: int, rows: Sequence[ScopeLimit]) -> dict[int, Exposure]:
    """By limit row, what its scope holds and has begun to enter; without prices nothing is known."""
    desk = desk_now() if rows else None
    if desk is None:
        return {}
    books, sheet = list(exposures.books_of_user(user_id, desk).values()), Sheet(desk.frame)
    try:
        return {
            row.pk: exposures.exposure(limits.within(row, books), desk, sheet)
            for row in rows
        }
    except NoMargin:
        return {}


def heartbeat(process: str) -> None:
    """Say that the process is alive, for ten seconds."""
    quotes.connection().set(f"heartbeat:{process}", timezone.now().isoformat(), ex=10)


def is_first(boot: str) -> bool:
    """Whether this is the first tick of the process that started as `boot`."""
    day = 86400
    return bool(quotes.connection().set(f"ticked:{boot}", timezone.now().isoformat(), nx=True, ex=day))
