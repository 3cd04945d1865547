"""The engine's two moves: find what is to be done, and do one thing of it. Beat and Celery call
these, and so does a headless day, so both are the same engine.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Q

from execution.engine import day, dispatch, entry, leave, roll, schedule, settle, wire
from execution.engine.desk import Desk, Work, WorkKind
from execution.models import Order, PerformanceMetric, StrategyExecution
from execution.states import OrderState

Status = StrategyExecution.Status
Step = Callable[[int, Desk], list[Work]]

STARTS: dict[str, Step] = {"entry": entry.start, "exit": leave.start, "roll": roll.start}
ADVANCES: dict[str, Step] = {"entry": entry.advance, "exit": leave.advance, "roll": roll.advance}
ON_ORDERS: dict[WorkKind, Step] = {
    WorkKind.DISPATCH: dispatch.dispatch,
    WorkKind.CANCEL: wire.cancel,
    WorkKind.CHASE: wire.chase,
    WorkKind.LOOKUP: wire.lookup,
    WorkKind.SYNC: wire.sync,
}


def tick(desk: Desk) -> list[Work]:
    """Write rows for what has come due, settle what has expired, and list all that waits."""
    schedule.open_due(desk)
    settle.settle_expired(desk)
    if day.is_over(desk) and not _closed(desk):
        day.close(desk)
    return [*_runs(desk), *_orders(desk)]


def perform(work: Work, desk: Desk) -> list[Work]:
    """Do one thing; what it makes possible next is returned, to be done after its commit."""
    step = ON_ORDERS.get(work.kind)
    if step is not None:
        return step(work.id, desk)
    phase = StrategyExecution.objects.values_list("phase", flat=True).get(pk=work.id)
    steps = STARTS if work.kind is WorkKind.START else ADVANCES
    return steps[phase](work.id, desk)


def _runs(desk: Desk) -> list[Work]:
    rows = StrategyExecution.objects.filter(timeline=desk.timeline, due_at__lte=desk.now)
    unfinished = rows.filter(status__in=[Status.DUE, Status.RUNNING]).order_by("due_at", "pk")
    kinds = {Status.DUE: WorkKind.START, Status.RUNNING: WorkKind.ADVANCE}
    return [
        Work(kinds[Status(status)], pk)
        for pk, status in unfinished.values_list("pk", "status")
    ]


def _orders(desk: Desk) -> list[Work]:
    """Exits before entries: what reduces risk is sent first."""
    rows = Order.objects.filter(timeline=desk.timeline)
    works = [
        Work(WorkKind.CANCEL, pk)
        for pk in rows.filter(pending_op=Order.PendingOp.CANCEL, status__in=wire.RESTING)
        .order_by("pk")
        .values_list("pk", flat=True)
    ]
    ready = rows.filter(status=OrderState.READY).order_by("action", "pk")
    works += [Work(WorkKind.DISPATCH, pk) for pk in ready.values_list("pk", flat=True)]
    unanswered = rows.filter(
        Q(next_lookup_at__lte=desk.wall), status__in=[OrderState.UNKNOWN, OrderState.SENDING]
    )
    works += [Work(WorkKind.LOOKUP, pk) for pk in unanswered.values_list("pk", flat=True)]
    resting = rows.filter(status__in=wire.RESTING, pending_op="").order_by("pk")
    works += [Work(WorkKind.CHASE, pk) for pk in resting.values_list("pk", flat=True)]
    return works


def _closed(desk: Desk) -> bool:
    """Whether the day has been written down and nothing of it is provisional any more."""
    rows = PerformanceMetric.objects.filter(timeline=desk.timeline, trading_day=desk.day)
    return rows.filter(final=True).exists() and not rows.filter(provisional=True).exists()
