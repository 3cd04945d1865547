"""Celery's edge of the engine: a tick a second, and a turn at one account's work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from uuid import uuid4

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from execution import hours, silence
from execution.deaths import tell_operators
from execution.engine import loop, shift
from execution.engine.desk import Work, WorkKind
from execution.models import StrategyExecution
from execution.reconcile import books
from execution.running import (
    BEGIN,
    LOOK,
    POLL,
    TURN,
    URGENT,
    WAITS_FOR,
    begin_turn,
    desk_now,
    forget_turns,
    free,
    heartbeat,
    is_first,
    lately,
    reserve,
    the_only_tick,
    unmarked,
    was_tick_missed,
)

log = structlog.get_logger(__name__)
Enqueue = Callable[[list[Work]], None]
TURN_SECONDS = 0.05  # then the next account has its turn
BESIDE_ORDERS = {WorkKind.RECONCILE}  # three books of a broker: no order waits behind them
#: A message's priority: what has begun anywhere goes before what has not, or under load more begins than
#: is finished in its time.
AT_ONCE, AFTER_ALL = 0, 9
EXITING = {WorkKind.EXIT, WorkKind.CANCEL}
BOOT = uuid4().hex  # of this process


@shared_task(name="execution.tick")
def tick() -> None:
    """Find what is to be done; the rows are the queue, so a lost tick loses nothing."""
    heartbeat("beat")
    tell_operators()
    desk = desk_now()
    silence.watch(now=timezone.now(), frame=None if desk is None else desk.frame)
    if desk is None:
        return
    hours.tell_unknown(desk)
    if is_first(BOOT):  # what happened while no worker ran is not known
        forget_turns()
        books.ask([pk for pk, _ in books.accounts_in(desk.timeline)], desk.timeline, now=desk.wall)
    with the_only_tick(desk) as is_mine:
        works = loop.tick(desk) if is_mine else []
    if is_mine and was_tick_missed():
        tick.apply_async(expires=WAITS_FOR)
    grouped = shift.by_account([work for work in works if work.kind not in BESIDE_ORDERS])
    for mark in (URGENT, TURN, BEGIN):  # what leaves waits for no other turn, nothing for entries
        for account in reserve([a for a in grouped if _mark(grouped[a]) == mark], mark=mark):
            _send(account, grouped[account])
    looks = {work.id: work for work in works if work.kind in BESIDE_ORDERS}
    enqueue([looks[account] for account in reserve(looks, mark=LOOK)])


@shared_task(name="execution.perform")
def perform(account: int, works: list[tuple[str, int]]) -> None:
    """A turn at the account: do this and what follows; what is left waits behind the other accounts."""
    todo = [Work(WorkKind(kind), row_id) for kind, row_id in works]
    mark = _mark(todo)
    begin_turn(account, mark=mark)
    desk = lately.desk()
    if desk is None:
        return
    until = time.monotonic() + TURN_SECONDS
    turn = shift.Turn(todo)
    try:
        turn.work_off(desk, is_over=lambda: time.monotonic() >= until)
    finally:
        free(account, mark=mark)
        if turn.waiting:
            reserve([account], again=True, mark=_mark(turn.waiting))
            _send(account, turn.waiting)


def poll(accounts: list[int]) -> None:
    """Have these accounts' order books read, where neither that nor a look at all their books waits."""
    unread = unmarked(accounts, mark=LOOK)
    enqueue([Work(WorkKind.SYNC, account) for account in reserve(unread, mark=POLL)])


def enqueue(works: list[Work]) -> None:
    """Hand work to the workers; the rows stay, so what gets lost here is found by the next tick."""
    for account, mine in shift.by_account(works).items():
        hand_to(account, mine)


def hand_to(account: int, works: list[Work]) -> None:
    """As `enqueue`, of works that are known to be the account's."""
    _send(account, [work for work in works if work.kind not in BESIDE_ORDERS])
    _send(account, [work for work in works if work.kind in BESIDE_ORDERS], queue="celery")


def start_after_commit(runs: Iterable[StrategyExecution], *, enqueue: Enqueue = enqueue) -> None:
    """Start these runs once their rows are committed, without waiting for the next tick."""
    hand_over_after_commit([loop.begin(run.pk, run.phase) for run in runs], enqueue=enqueue)


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


def _send(account: int, works: list[Work], *, queue: str = "orders") -> None:
    if not works:
        return
    words = [(work.kind.value, work.id) for work in works]
    priority = AFTER_ALL if _mark(works) == BEGIN else AT_ONCE
    perform.apply_async((account, words), queue=queue, expires=WAITS_FOR, priority=priority)


def _mark(works: list[Work]) -> str:
    kinds = {work.kind for work in works}
    if not kinds.isdisjoint(EXITING):
        return URGENT
    if kinds == {WorkKind.START}:
        return BEGIN
    if kinds == {WorkKind.SYNC}:
        return POLL
    return LOOK if kinds <= BESIDE_ORDERS else TURN
