"""Celery's edge of the engine: a tick a second, and one task that does one thing."""

from __future__ import annotations

from celery import shared_task

from execution.deaths import tell_operators
from execution.engine import loop
from execution.engine.desk import Work, WorkKind
from execution.running import desk_now, heartbeat


@shared_task(name="execution.tick")
def tick() -> None:
    """Find what is to be done; the rows are the queue, so a lost tick loses nothing."""
    heartbeat("beat")
    heartbeat("worker")
    tell_operators()
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
    """Hand work to the workers; the rows stay, so what gets lost here is found by the next tick."""
    for work in works:
        perform.apply_async((work.kind.value, work.id), queue="orders", expires=30)
