"""The engine's two moves: find what is to be done, and do one thing of it. Beat and Celery call
these, and so does a headless day, so both are the same engine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db.models import QuerySet

from execution.engine import day, dispatch, entry, leave, roll, schedule, settle, wire
from execution.engine.desk import Desk, Work, WorkKind
from execution.models import Order, StrategyExecution
from execution.states import OPEN_STATES, OrderState
from market.models import Timeline

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

TURN = {WorkKind.CANCEL: 0, WorkKind.DISPATCH: 1, WorkKind.LOOKUP: 2, WorkKind.CHASE: 3}


def tick(desk: Desk) -> list[Work]:
    """Write rows for what has come due, settle what has expired, and list all that waits."""
    schedule.open_due(desk)
    settle.settle_expired(desk)
    if day.is_over(desk) and not day.is_closed(desk):
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
    rows = Order.objects.filter(timeline=desk.timeline, status__in=OPEN_STATES).order_by("action", "pk")
    found = list(
        rows.values_list("pk", "status", "pending_op", "action", "allocation_id", "next_lookup_at")
    )
    frozen = {pair for _, status, _, _, pair, _ in found if status == OrderState.UNKNOWN}
    works = []
    for pk, status, pending_op, action, pair, next_lookup_at in found:
        if status in wire.RESTING:
            cancelling = pending_op == Order.PendingOp.CANCEL
            works.append(Work(WorkKind.CANCEL if cancelling else WorkKind.CHASE, pk))
        elif status == OrderState.READY and (action == Order.Action.CLOSE or pair not in frozen):
            works.append(Work(WorkKind.DISPATCH, pk))
        elif status in (OrderState.UNKNOWN, OrderState.SENDING) and _is_due(next_lookup_at, desk):
            works.append(Work(WorkKind.LOOKUP, pk))
    return sorted(works, key=lambda work: TURN[work.kind])


def _is_due(next_lookup_at: datetime | None, desk: Desk) -> bool:
    return next_lookup_at is not None and next_lookup_at <= desk.wall


def sendable(timeline: Timeline) -> QuerySet[Order]:
    """READY orders that wait for nothing but their account's rate, exits first."""
    rows = Order.objects.filter(timeline=timeline, status=OrderState.READY)
    return rows.exclude(dispatch.waits()).order_by("action", "pk")
