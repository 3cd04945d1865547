"""Celery's edge of the engine: a tick a second, and one task that does one thing."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from brokers.registry import adapter_for
from execution.engine import loop
from execution.engine.desk import Desk, Work, WorkKind
from execution.live import events
from market import quotes
from market.selectors import active_timeline


class LiveFeed:
    """Tells the live feed of what has been committed."""

    def book_changed(self, timeline_key: str) -> None:
        events.book_changed(timeline_key)

    def event(self, owner_id: int, channel: str, payload: dict[str, object]) -> None:
        events.publish_event(owner_id, channel, payload)


def desk_now() -> Desk | None:
    """The desk at the last published frame; None while the market gives no fresh one."""
    timeline = active_timeline()
    frame = quotes.latest(timeline.key)
    if frame is None:
        return None
    return Desk(
        timeline=timeline,
        frame=frame,
        wall=timezone.now(),
        adapter_for=adapter_for,
        feed=LiveFeed(),
        tag_key=settings.SECRET_KEY.encode(),
    )


@shared_task(name="execution.tick")
def tick() -> None:
    """Find what is to be done; the rows are the queue, so a lost tick loses nothing."""
    quotes.beat("worker")
    desk = desk_now()
    if desk is not None:
        enqueue(loop.tick(desk))


@shared_task(name="execution.perform")
def perform(kind: str, row_id: int) -> None:
    """Do one thing, then enqueue what its commit made possible."""
    desk = desk_now()
    if desk is not None:
        enqueue(loop.perform(Work(WorkKind(kind), row_id), desk))


def enqueue(works: list[Work]) -> None:
    for work in works:
        perform.delay(work.kind.value, work.id)
