"""Exits: converge to flat. Entries of the pair are withdrawn, shorts go first, nothing times out."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from execution import services
from execution.engine import closes, runs
from execution.engine.desk import Desk, Work, WorkKind
from execution.models import Order, Position, StrategyExecution
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
        execution.detail = f"{late} s late: done at the first frame after it was due."
    execution.save()
    return work(execution, desk)


@transaction.atomic
def advance(execution_id: int, desk: Desk) -> list[Work]:
    """Send what may go now; finish when the pair is flat and nothing is on its way."""
    execution = runs.locked(execution_id, Status.RUNNING)
    return [] if execution is None else work(execution, desk)


def work(execution: StrategyExecution, desk: Desk) -> list[Work]:
    """One step toward flat, inside the caller's transaction with the run locked."""
    _end_entries(execution, desk)
    waiting = closes.withdraw_opens(execution, desk)
    cancels = [Work(WorkKind.CANCEL, order.pk) for order in waiting]
    held = closes.positions_of_pair(execution, lock=True)
    left = [position for position in held if not closes.is_worthless(position, desk)]
    if not left and not waiting and not _on_the_way(execution):
        words = "Worthless longs are left to expire." if held else ""
        runs.finish(execution, Status.DONE, desk, detail=" ".join([execution.detail, words]).strip())
        return cancels
    if not desk.is_open(execution.allocation.strategy.underlying):
        return cancels
    fresh = closes.release(execution, left, held, desk)
    return cancels + [Work(WorkKind.DISPATCH, order.pk) for order in fresh]


def open_exit(
    pair_positions: list[Position], desk: Desk, *, cause: str, due_at: datetime
) -> StrategyExecution | None:
    """A due exit of the pair that holds these positions, unless one is under way."""
    return services.open_exit(
        allocation=pair_positions[0].allocation,
        timeline=desk.timeline,
        day=desk.day,
        due_at=due_at,
        cause=cause,
        lots=max(abs(p.quantity) // p.contract.lot_size for p in pair_positions),
    )


def _end_entries(execution: StrategyExecution, desk: Desk) -> None:
    """An entry that is still being worked ends here: what it opened is about to be closed."""
    rows = StrategyExecution.objects.filter(
        allocation=execution.allocation,
        timeline=execution.timeline,
        phase__in=["entry", "roll", "adjust"],
        status__in=[Status.DUE, Status.RUNNING],
    )
    for row in rows.select_for_update(of=("self",), no_key=True).order_by("pk").select_related(
            "allocation__strategy", "allocation__broker_account__user"):  # fmt: skip
        runs.finish(row, Status.FAILED, desk, code="WITHDRAWN", detail=f"Exit: {execution.cause}.")


def _on_the_way(execution: StrategyExecution) -> bool:
    return Order.objects.filter(
        allocation=execution.allocation, timeline=execution.timeline, status__in=OPEN_STATES
    ).exists()
