"""Celery's edge of the engine: a tick a second, and one task that does one thing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from uuid import uuid4

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from execution import silence
from execution.deaths import tell_operators
from execution.engine import loop
from execution.engine.desk import Work, WorkKind
from execution.models import StrategyExecution
from execution.reconcile import books
from execution.running import desk_now, heartbeat, is_first

log = structlog.get_logger(__name__)
Enqueue = Callable[[list[Work]], None]
BESIDE_ORDERS = {WorkKind.RECONCILE}  # three books of a broker: no order waits behind them
BOOT = uuid4().hex  # of this process


@shared_task(name="execution.tick")
def tick() -> None:
    """Find what is to be done; the rows are the queue, so a lost tick loses nothing."""
    heartbeat("beat")
    heartbeat("worker")
    tell_operators()
    desk = desk_now()
    silence.watch(now=timezone.now(), frame=None if desk is None else desk.frame)
    if desk is not None:
        if is_first(BOOT):  # what happened while no worker ran is not known
            books.ask([pk for pk, _ in books.accounts_in(desk.timeline)], desk.timeline, now=desk.wall)
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
        queue = "celery" if work.kind in BESIDE_ORDERS else "orders"
        perform.apply_async((work.kind.value, work.id), queue=queue, expires=30)


def start_after_commit(runs: Iterable[StrategyExecution], *, enqueue: Enqueue = enqueue) -> None:
    """Start these runs once their rows are committed, without waiting for the next tick."""
    hand_over_after_commit([Work(WorkKind.START, run.pk) for run in runs], enqueue=enqueue)


def hand_over_after_commit(works: list[Work], *, enqueue: Enqueue = enqueue) -> None:
    """Hand work to the workers once the rows that it is about are committed."""
    if works:
        transaction.on_commit(partial(hand_over, works, enqueue=enqueue))


def hand_over(works: list[Work], *, enqueue: Enqueue = enqueue) -> None:
    """With Valkey away nothing is lost: the rows are the queue, and the next tick finds them."""
    try:
        enqueue(works)
    except OperationalError as error:
        log.warning("workers_not_reached", error=str(error), works=len(works))
