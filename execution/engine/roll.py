"""Rolls: the expiring legs are closed, and only when they are flat the next expiry's are opened.
The other legs of the pair stay, and lots stay.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from execution import services
from execution.engine import closes, leave, opens, orders, runs
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.judging import Stop, tolerance_of
from execution.engine.roll_judging import judged
from execution.models import Order, Position, StrategyExecution
from execution.states import OrderState

Status = StrategyExecution.Status


@transaction.atomic
def start(execution_id: int, desk: Desk) -> list[Work]:
    """Begin to close the old legs if the roll is taken at these prices."""
    execution = runs.locked(execution_id, Status.DUE)
    if execution is None or not desk.is_open(execution.allocation.strategy.underlying):
        return []
    if _legs_leave(execution):  # they are not rolled; the others are, once these are gone
        return []
    closes.lock_stops(execution)  # before the positions, as the applier locks them
    held = closes.positions_of_pair(execution, lock=True)
    verdict = judged(execution, held, desk)
    if isinstance(verdict, Stop):
        return _refuse(execution, verdict, held, desk)
    execution.status = Status.RUNNING
    execution.started_at = desk.now
    execution.lots = verdict.lots
    execution.code = ""
    execution.plan = {
        "legs": opens.as_plan(verdict.targets),
        "kept": opens.as_plan(verdict.kept),
        "kept_units": {str(p.leg_number): abs(p.quantity) for p in held if p not in verdict.old},
        "old": [position.contract.symbol for position in verdict.old],
    }
    execution.save()
    return _work(execution, desk)


def _refuse(
    execution: StrategyExecution, stop: Stop, held: list[Position], desk: Desk
) -> list[Work]:
    """Wait while a later frame may take it, else do what the strategy says instead of a roll."""
    closing = execution.strategy_version.roll_else == "close"
    in_time = desk.now - execution.due_at <= tolerance_of(execution)
    if stop.may_clear and (in_time or not closing):
        runs.keep_waiting(execution, stop.code, stop.said)
        return []
    alive = [position for position in held if not closes.is_worthless(position, desk)]
    words = "The pair is closed instead." if closing else "The expiring legs stay and settle."
    runs.finish(execution, Status.DENIED, desk, code=stop.code, detail=f"{stop.detail} {words}")
    if not closing or not alive:
        return []
    due = leave.due_exit(alive, cause="expiry", due_at=desk.now)
    left = services.open_exit(due, timeline=desk.timeline, day=desk.day)
    return [] if left is None else [Work(WorkKind.START, left.pk)]


@transaction.atomic
def advance(execution_id: int, desk: Desk) -> list[Work]:
    """Close the old legs, then open the new ones; finish when the new ones are filled."""
    execution = runs.locked(execution_id, Status.RUNNING)
    return [] if execution is None else _work(execution, desk)


def open_roll(
    allocation_id: int, desk: Desk, *, due_at: datetime, positions: list[Position]
) -> StrategyExecution | None:
    """The due roll of the day for positions of one expiry; one a day."""
    row, fresh = StrategyExecution.objects.get_or_create(
        allocation_id=allocation_id,
        timeline=desk.timeline,
        trading_day=desk.day,
        phase="roll",
        cycle=1,
        defaults={
            "strategy_version_id": positions[0].allocation.strategy_version_id,
            "lots": max(abs(p.quantity) // p.contract.lot_size for p in positions),
            "cause": "expiry",
            "detail": f"Rolls out of {positions[0].contract.expiry:%d %b %Y}.",
            "due_at": due_at,
        },
    )
    return row if fresh else None


def _work(execution: StrategyExecution, desk: Desk) -> list[Work]:
    stops = closes.withdraw_stops(execution, (execution.plan or {})["old"], desk)
    mine = runs.orders_of(execution)  # before the positions, as the applier locks them
    held = closes.positions_of_pair(execution, lock=True)
    old = [p for p in held if p.contract.symbol in (execution.plan or {})["old"]]
    if not desk.is_open(execution.allocation.strategy.underlying):
        runs.finish(execution, Status.PARTIAL, desk, code="SESSION_OVER",
                    detail="The session closed before the roll was complete.")  # fmt: skip
        return []
    if old:
        fresh = closes.release(execution, old, held, desk)
        return [*_cancels(stops), *(Work(WorkKind.DISPATCH, order.pk) for order in fresh)]
    if any(order.status == OrderState.UNKNOWN for order in mine):
        return _hold(execution, mine, desk)
    if opens.is_complete(execution, mine):
        runs.finish(execution, Status.DONE, desk)
        return []
    return _open_new(execution, mine, desk)


def _cancels(waiting: list[Order]) -> list[Work]:
    return [Work(WorkKind.CANCEL, order.pk) for order in waiting]


def _legs_leave(execution: StrategyExecution) -> bool:
    return StrategyExecution.objects.filter(
        allocation=execution.allocation, timeline=execution.timeline_id, phase="exit",
        status__in=[Status.DUE, Status.RUNNING], only_legs__isnull=False,
    ).exists()  # fmt: skip


def _hold(execution: StrategyExecution, mine: list[Order], desk: Desk) -> list[Work]:
    """While an order has no answer nothing new goes; when time is up the others are withdrawn."""
    if execution.deadline is None or desk.wall < execution.deadline:
        return []
    answered = [o for o in orders.open_orders(mine) if o.status != OrderState.UNKNOWN]
    return [Work(WorkKind.CANCEL, order.pk) for order in closes.withdraw(answered, desk)]


def _open_new(execution: StrategyExecution, mine: list[Order], desk: Desk) -> list[Work]:
    if execution.deadline is None:  # the clock of an entry runs once the old legs are flat
        execution.deadline = desk.wall + timedelta(seconds=settings.PLATFORM.execution_timeout_seconds)
        execution.save(update_fields=["deadline"])
    waiting = orders.open_orders(mine)
    if desk.wall >= execution.deadline:
        rest = closes.withdraw(waiting, desk)
        if rest:
            return [Work(WorkKind.CANCEL, order.pk) for order in rest]
        runs.finish(execution, Status.PARTIAL, desk, code="TIMED_OUT",
                    detail="The old legs are closed; the new ones are not all open.")  # fmt: skip
        return []
    fresh = opens.release(execution, mine, desk)
    if not fresh and not waiting:
        runs.finish(execution, Status.PARTIAL, desk, code="NOT_FILLED",
                    detail="The old legs are closed; the new ones were refused.")  # fmt: skip
    return [Work(WorkKind.DISPATCH, order.pk) for order in fresh]
