"""The engine's two moves: find what is to be done, and do one thing of it. Beat and Celery call
these, and so does a headless day, so both are the same engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db.models import QuerySet

from allocations.services import put_in_force
from execution.engine import (
    adjust,
    broker_stops,
    chasing,
    day,
    dispatch,
    entry,
    follow,
    leave,
    missed_close,
    queueing,
    roll,
    schedule,
    settle,
    verify,
    wire,
    working,
)
from execution.engine.chasing import OpenOrder
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.snapshot import Snapshot
from execution.models import Order, StrategyExecution
from execution.reconcile import look
from execution.states import RESTING, OrderState
from market.models import Timeline
from users.prepared import Param, Prepared

Status = StrategyExecution.Status
Step = Callable[[int, Desk], list[Work]]

STARTS: dict[str, Step] = {
    "entry": entry.start, "exit": leave.start, "roll": roll.start, "adjust": adjust.start,
}  # fmt: skip
ADVANCES: dict[str, Step] = {
    "entry": working.advance, "exit": leave.advance, "roll": roll.advance, "adjust": adjust.advance,
}  # fmt: skip
#: Entries of one account are begun and advanced together, so many at a time: they read the same things.
TOGETHER = {WorkKind.START: entry.start_all, WorkKind.ADVANCE: working.advance_all}
MOST_TOGETHER = 10
ON_ORDERS: dict[WorkKind, Step] = {
    WorkKind.DISPATCH: dispatch.dispatch,
    WorkKind.CANCEL: wire.cancel,
    WorkKind.CHASE: wire.chase,
    WorkKind.FOLLOW: follow.follow,
    WorkKind.LOOKUP: wire.lookup,
    WorkKind.SYNC: wire.sync,
    WorkKind.RECONCILE: look.reconcile,
    WorkKind.VERIFY: verify.verify,
}

PHASES = Prepared(
    lambda: StrategyExecution.objects.filter(pk__among=Param("ids")).values_list("pk", "phase")
)

#: The most urgent first; what has begun is ended before more is begun.
TURN = {
    WorkKind.CANCEL: 0, WorkKind.DISPATCH: 1, WorkKind.LOOKUP: 2, WorkKind.CHASE: 3, WorkKind.EXIT: 4,
    WorkKind.SYNC: 5, WorkKind.ADVANCE: 6, WorkKind.FOLLOW: 7, WorkKind.VERIFY: 8,
    WorkKind.RECONCILE: 9, WorkKind.START: 10,
}  # fmt: skip


def tick(desk: Desk, seen: Snapshot | None = None) -> list[Work]:
    """Write rows for what has come due, settle what has expired, and list all that waits.

    Who knows that nothing was written since its last tick may hand its snapshot on.
    """
    seen = seen or Snapshot(desk.timeline, desk.day, desk.wall, now=desk.now)
    missed_close.close_missed(desk, seen)
    if seen.has_waiting_limits:
        put_in_force(day=desk.day, now=desk.wall)
        seen.forget()
    schedule.open_due(desk, seen)
    settle.settle_expired(desk, seen)
    if day.is_over(desk) and not day.is_closed(desk):
        day.close(desk)
    unverified = [Work(WorkKind.VERIFY, pk) for pk, due in seen.unverified if due is None or due <= desk.wall]
    stops = broker_stops.keep(desk, seen)
    return [*_books(desk, seen), *_runs(desk, seen), *_orders(desk, seen), *stops, *unverified]


def perform(work: Work, desk: Desk) -> list[Work]:
    """Do one thing; what it makes possible next is returned, to be done after its commit."""
    step = ON_ORDERS.get(work.kind)
    if step is not None:
        return step(work.id, desk)
    return _perform_run(work, _phases([work])[work.id], desk)


def perform_some(works: Sequence[Work], desk: Desk) -> tuple[list[Work], list[Work]]:
    """The first of one account's works of one kind, with others where they go together: what was done,
    and what follows."""
    first = works[0]
    if first.kind not in TOGETHER:
        return [first], perform(first, desk)
    phases = _phases(works)
    if phases[first.id] != StrategyExecution.Phase.ENTRY:
        return [first], _perform_run(first, phases[first.id], desk)
    entries = [work for work in works if phases[work.id] == StrategyExecution.Phase.ENTRY]
    done = entries[:MOST_TOGETHER]
    return done, TOGETHER[first.kind]([work.id for work in done], desk)


def _phases(works: Sequence[Work]) -> dict[int, str]:
    return dict(PHASES.rows(ids=[work.id for work in works]))


def _perform_run(work: Work, phase: str, desk: Desk) -> list[Work]:
    if work.kind is WorkKind.ADVANCE:
        return ADVANCES[phase](work.id, desk)
    # an exit closes no more than the broker has, so the net must be fresh
    moved = look.refresh(work.id, desk) if phase == "exit" else []
    return [*STARTS[phase](work.id, desk), *moved]


def _runs(desk: Desk, seen: Snapshot) -> list[Work]:
    due = [(pk, phase, status) for pk, phase, status, due_at in seen.unfinished if due_at <= desk.now]
    return [
        begin(pk, phase) if status == Status.DUE else Work(WorkKind.ADVANCE, pk)
        for pk, phase, status in due
    ]


def begin(pk: int, phase: str) -> Work:
    """The first thing to do for a due run."""
    return Work(WorkKind.EXIT if phase == StrategyExecution.Phase.EXIT else WorkKind.START, pk)


def _orders(desk: Desk, seen: Snapshot) -> list[Work]:
    frozen = {o.allocation_id for o in seen.open_orders if o.status == OrderState.UNKNOWN}
    works = [
        Work(kind, order.pk)
        for order in seen.open_orders
        if (kind := _next_step(order, desk, frozen=order.allocation_id in frozen)) is not None
    ]
    return sorted(works, key=lambda work: TURN[work.kind])


def _books(desk: Desk, seen: Snapshot) -> list[Work]:
    due = [account for account, due_at in seen.books if due_at is not None and due_at <= desk.wall]
    return [Work(WorkKind.RECONCILE, account) for account in due]


def _next_step(order: OpenOrder, desk: Desk, *, frozen: bool) -> WorkKind | None:
    if order.status in RESTING:
        if order.pending_op != Order.PendingOp.CANCEL:
            return WorkKind.CHASE if chasing.is_left(order, desk) else None
        again = order.asked_at is None or desk.wall - order.asked_at >= wire.ASK_AGAIN
        return WorkKind.CANCEL if again else None
    if order.status == OrderState.READY and (order.action == Order.Action.CLOSE or not frozen):
        return WorkKind.DISPATCH
    asking = order.status in (OrderState.UNKNOWN, OrderState.SENDING)
    return WorkKind.LOOKUP if asking and _is_due(order.next_lookup_at, desk) else None


def _is_due(next_lookup_at: datetime | None, desk: Desk) -> bool:
    return next_lookup_at is not None and next_lookup_at <= desk.wall


def sendable(timeline: Timeline) -> QuerySet[Order]:
    """READY orders that wait for nothing but their account's rate, exits first."""
    rows = Order.objects.filter(timeline=timeline, status=OrderState.READY)
    return rows.exclude(queueing.waits()).order_by("action", "pk")


def uncancelled(timeline: Timeline) -> QuerySet[Order]:
    """Orders to be cancelled that wait for nothing but their account's rate."""
    return Order.objects.filter(queueing.unasked_cancels(), timeline=timeline).order_by("pk")
