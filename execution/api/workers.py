"""Handing rows to the workers at once, so that a kill does not wait for the next tick."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import structlog
from django.db import transaction
from kombu.exceptions import OperationalError

from execution import tasks
from execution.engine.desk import Work, WorkKind
from execution.models import StrategyExecution

log = structlog.get_logger(__name__)
Enqueue = Callable[[list[Work]], None]


def start_after_commit(
    runs: Iterable[StrategyExecution], *, enqueue: Enqueue = tasks.enqueue
) -> None:
    """Start these runs once their rows are committed."""
    works = [Work(WorkKind.START, run.pk) for run in runs]
    if works:
        transaction.on_commit(partial(hand_over, works, enqueue=enqueue))


def hand_over(works: list[Work], *, enqueue: Enqueue = tasks.enqueue) -> None:
    """With Valkey away nothing is lost: the rows are the queue, and the next tick finds them."""
    try:
        enqueue(works)
    except OperationalError as error:
        log.warning("workers_not_reached", error=str(error), works=len(works))
