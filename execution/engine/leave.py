"""Exits: converge to flat. Entries of the pair are withdrawn, shorts go first, nothing times out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from execution import services
from execution.engine import closes, runs
from execution.engine.desk import Desk, Work, WorkKind
from execution.models import COMING_BACK, Order, Position, StrategyExecution
from execution.states import OPEN_STATES

Status = StrategyExecution.Status


@transaction.atomic
def start(execution_id: int, desk: Desk) -> list[Work]:
    """Begin a due exit in an open session; outside one it stays due and goes at the next open."""
    execution = runs.locked(execution_id, Status.DUE)
    if execution is None:
        return []
    if not desk.is_open(execution.allocation.strategy.underlying):
        return []
    execution.status = Status.RUNNING
    execution.started_at = desk.now
    late = int((desk.now - execution.due_at).total_seconds())
    if late > 1:
        words = f"{late} s late: done at the first frame after it was due."
        execution.detail = f"{execution.detail} {words}".strip()
    execution.save()
    return work(execution, desk)


@transaction.atomic
def advance(execution_id: int, desk: Desk) -> list[Work]:
    """Send what may go now; finish when the pair is flat and nothing is on its way."""
    execution = runs.locked(execution_id, Status.RUNNING)
    return [] if execution is None else work(execution, desk)


def work(execution: StrategyExecution, desk: Desk) -> list[Work]:
    """One step toward flat, inside the caller's transaction with the run locked.

    An exit of some legs brings those to flat, and the shorts that lean on them: these go first.
    """
    _end_entries(execution, desk)
    waiting = closes.withdraw_opens(execution, desk)
    cancels = [Work(WorkKind.CANCEL, order.pk) for order in waiting]
    held = closes.positions_of_pair(execution, lock=True)
    leaving = closes.leaving(held, execution.only_legs)
    left = [position for position in leaving if not closes.is_worthless(position, desk)]
    if not left and not waiting and not _on_the_way(execution):
        words = "Worthless longs are left to expire." if leaving else ""
        runs.finish(execution, Status.DONE, desk, detail=" ".join([execution.detail, words]).strip())
        return cancels
    if not desk.is_open(execution.allocation.strategy.underlying):
        return cancels
    opening = any(order.action == Order.Action.OPEN for order in waiting)
    if execution.only_legs is not None and opening:  # one of them may be a short that needs its hedge
        left = [position for position in left if position.quantity < 0]
    fresh = closes.release(execution, left, held, desk)
    return cancels + [Work(WorkKind.DISPATCH, order.pk) for order in fresh]


def due_exit(
    positions: Sequence[Position],
    *,
    cause: str,
    due_at: datetime,
    detail: str = "",
    legs: Sequence[int] | None = None,
) -> services.DueExit:
    """The exit of the pair that holds these positions, or of its legs."""
    return services.DueExit(
        allocation=positions[0].allocation,
        due_at=due_at,
        cause=cause,
        lots=max(abs(p.quantity) // p.contract.lot_size for p in positions),
        detail=detail,
        legs=legs,
    )


def open_exits(due: Sequence[services.DueExit], desk: Desk) -> None:
    """Open these, one a pair, unless one is under way or the pair has become flat since it was read."""
    if not due:
        return
    held = Position.objects.filter(
        timeline=desk.timeline, allocation__in=[each.allocation for each in due]
    ).exclude(quantity=0)
    holding = set(held.values_list("allocation_id", flat=True))
    still = [each for each in due if each.allocation.pk in holding]
    services.open_due(still, timeline=desk.timeline, day=desk.day)


def _end_entries(execution: StrategyExecution, desk: Desk) -> None:
    """An entry that is still being worked ends here: what it opened is about to be closed.

    A roll that waits, or a leg that is to come back, is left to wait by an exit of some legs; a roll
    that has begun counts on all.
    """
    rows = StrategyExecution.objects.filter(
        allocation=execution.allocation,
        timeline=execution.timeline_id,
        phase__in=["entry", "roll", "adjust"],
        status__in=[Status.DUE, Status.RUNNING],
    )
    if execution.only_legs is not None:
        rows = rows.exclude(phase="roll", status=Status.DUE).exclude(COMING_BACK)
    locked = rows.select_for_update(of=("self",), no_key=True).order_by("pk")
    for row in locked.select_related("allocation__strategy", "allocation__broker_account__user"):
        runs.finish(row, Status.FAILED, desk, code="WITHDRAWN", detail=f"Exit: {execution.cause}.")


def _on_the_way(execution: StrategyExecution) -> bool:
    rows = Order.objects.filter(
        allocation=execution.allocation, timeline=execution.timeline_id, status__in=OPEN_STATES
    )
    return (rows if execution.only_legs is None else rows.filter(execution=execution)).exists()
