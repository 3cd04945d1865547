"""An entry: judged against state, limits and margin, planned at the current quotes, then worked
wave by wave until it is complete or its time is up.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from allocations.models import StrategyBrokerAllocation
from execution.engine import closes, limits, opens, orders, runs, siblings, tell, waiting
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.judging import (
    Plan,
    Stop,
    beyond_limits,
    found_legs,
    held_by,
    judge,
    shut,
    stopped,
    unresolved,
)
from execution.models import Order, StrategyExecution
from execution.states import OPEN_STATES, OrderState
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import IST
from market.kernel.money import ZERO
from strategies.rules import Unresolvable, stored

Status = StrategyExecution.Status


def start(execution_id: int, desk: Desk) -> list[Work]:
    """Judge and plan a due entry. The broker is asked for funds outside any transaction."""
    execution = (
        StrategyExecution.objects.select_related(
            "timeline", "strategy_version", "allocation__strategy__basket",
            "allocation__broker_account__user",
        )  # fmt: skip
        .filter(pk=execution_id, status=Status.DUE)
        .first()
    )
    if execution is None:
        return []
    if waiting.must_arm(execution):
        return _arm(execution, desk)
    verdict = judge(execution, desk)
    if isinstance(verdict, Plan):
        try:
            return _begin(execution, verdict, desk)
        except OutsideCoverage as error:  # no freeze quantity of the day: nothing can be sliced
            verdict = Stop(Status.DENIED, "NO_FACTS", str(error))
    _stop(execution_id, verdict, desk)
    return []


def _arm(execution: StrategyExecution, desk: Desk) -> list[Work]:
    """Resolve the contracts and begin to wait; the next steps ask for the price alone."""
    legs = found_legs(execution, desk)
    if isinstance(legs, Stop):
        _stop(execution.pk, legs, desk)
        return []
    try:
        watch = waiting.begin(execution, legs, desk)
    except Unresolvable as error:
        _stop(execution.pk, unresolved(error), desk)
        return []
    with transaction.atomic():
        held = runs.locked(execution.pk, Status.DUE)
        if held is None:
            return []
        held.armed_at, held.watch = desk.now, stored(watch)
        held.plan = {**(held.plan or {}), "legs": opens.as_plan(legs)}
        held.code, held.detail = "WAITING", waiting.words(watch)
        held.save(update_fields=["armed_at", "watch", "plan", "code", "detail"])
        tell.execution_changed(desk, held)
    return [Work(WorkKind.START, execution.pk)]


def advance(execution_id: int, desk: Desk) -> list[Work]:
    """Do the next thing that a running entry allows."""
    with transaction.atomic():
        execution = runs.locked(execution_id, Status.RUNNING)
        if execution is None:
            return []
        mine = runs.orders_of(execution)
        if not (execution.plan or {}).get("unwinding") and siblings.has_failed(execution):
            _begin_unwinding(execution, siblings.CODE)
        unwinding = (execution.plan or {}).get("unwinding")
        if not unwinding and opens.is_complete(execution, mine):
            runs.finish(execution, Status.DONE, desk)
            return []
        if any(order.status == OrderState.UNKNOWN for order in mine):
            return _hold(execution, mine, desk)
        return _unwind(execution, mine, desk) if unwinding else _work(execution, mine, desk)


def _hold(execution: StrategyExecution, mine: list[Order], desk: Desk) -> list[Work]:
    """While an order has no answer nothing new goes; when time is up the others are withdrawn."""
    if shut(execution.allocation, desk) is None and not _time_is_up(execution, desk):
        return []
    answered = [o for o in orders.open_orders(mine) if o.status != OrderState.UNKNOWN]
    opening = [order for order in answered if order.action == Order.Action.OPEN]
    return [Work(WorkKind.CANCEL, order.pk) for order in closes.withdraw(opening, desk)]


def _work(execution: StrategyExecution, mine: list[Order], desk: Desk) -> list[Work]:
    """Release what may go, or withdraw the rest when the pair is stopped or its time is up."""
    stop = stopped(execution.allocation, desk)
    if stop is not None and stop.may_clear and not _time_is_up(execution, desk):
        return []
    if stop is None and not _time_is_up(execution, desk):
        fresh = opens.release(execution, mine, desk)
        if fresh or orders.open_orders(mine):
            return [Work(WorkKind.DISPATCH, order.pk) for order in fresh]
        return _incomplete(execution, mine, "NOT_FILLED", desk)
    waiting = closes.withdraw(orders.open_orders(mine), desk)
    if waiting:
        return [Work(WorkKind.CANCEL, order.pk) for order in waiting]
    return _incomplete(execution, mine, stop.code if stop else "TIMED_OUT", desk)


@transaction.atomic
def _begin(due: StrategyExecution, plan: Plan, desk: Desk) -> list[Work]:
    """Where a limit spans several pairs it is asked once more, one entry at a time: what others have
    begun meanwhile counts."""
    shared = limits.lock_shared(due.allocation)
    execution = runs.locked(due.pk, Status.DUE)
    if execution is None:
        return []
    stop = None
    if shared:
        stop = beyond_limits(
            execution.allocation, lambda book: book.entering(plan.legs, execution.lots), desk
        )
    if stop is not None:
        runs.stop_at(execution, stop, desk)
        return []
    pair = StrategyBrokerAllocation.objects.select_for_update(no_key=True).get(pk=execution.allocation_id)
    execution.status = Status.RUNNING
    execution.started_at = desk.now
    execution.deadline = desk.wall + timedelta(seconds=settings.PLATFORM.execution_timeout_seconds)
    execution.plan = {"legs": opens.as_plan(plan.legs)}
    execution.margin = plan.margin
    execution.realised_before = sum((p.realised for p in held_by(pair, desk)), ZERO)
    late = 0 if execution.armed_at else int((desk.now - execution.due_at).total_seconds())
    execution.detail = f"{late} s after {execution.due_at.astimezone(IST):%H:%M:%S}." if late > 1 else ""
    execution.code = ""
    execution.save()
    if pair.strategy_version_id != execution.strategy_version_id:
        pair.strategy_version_id = execution.strategy_version_id
        pair.save(update_fields=["strategy_version", "updated_at"])
    if pair.entered_at is None:
        pair.entered_at = desk.now
        pair.save(update_fields=["entered_at"])
    fresh = opens.release(execution, [], desk)
    return [Work(WorkKind.DISPATCH, order.pk) for order in fresh] or [
        Work(WorkKind.ADVANCE, execution.pk)
    ]


@transaction.atomic
def _stop(execution_id: int, stop: Stop, desk: Desk) -> None:
    execution = runs.locked(execution_id, Status.DUE)
    if execution is not None:
        runs.stop_at(execution, stop, desk)


def _time_is_up(execution: StrategyExecution, desk: Desk) -> bool:
    return execution.deadline is not None and desk.wall >= execution.deadline


def _incomplete(
    execution: StrategyExecution, mine: list[Order], code: str, desk: Desk
) -> list[Work]:
    """Nothing more will fill: apply the completion policy."""
    filled = sum(order.filled_quantity for order in mine)
    if filled and execution.strategy_version.completion == "unwind":
        _begin_unwinding(execution, code)
        return _unwind(execution, mine, desk)
    words = _why(mine, code)
    status = Status.PARTIAL if filled else Status.FAILED
    runs.finish(execution, status, desk, code=code, detail=words)
    return []


def _begin_unwinding(execution: StrategyExecution, code: str) -> None:
    execution.plan = {**(execution.plan or {}), "unwinding": True, "code": code}
    execution.save(update_fields=["plan"])


def _unwind(execution: StrategyExecution, mine: list[Order], desk: Desk) -> list[Work]:
    """Bring the pair down to whole lots of the strategy: excess shorts first, then excess hedges.

    After a sibling failed none is kept.
    """
    opening = [o for o in orders.open_orders(mine) if o.action == Order.Action.OPEN]
    waiting = closes.withdraw(opening, desk)
    if waiting:
        return [Work(WorkKind.CANCEL, order.pk) for order in waiting]
    whole, excess = opens.excess_units(execution, mine)
    legs = opens.planned(execution)
    closing = {o.leg_number for o in mine if o.action == Order.Action.CLOSE and o.status in OPEN_STATES}
    if closing:
        return []
    shorts = [leg for leg in legs if leg.side == "SELL" and excess[leg.number] > 0]
    todo = shorts or [leg for leg in legs if excess[leg.number] > 0]
    if not todo or not desk.is_open(execution.allocation.strategy.underlying):
        words = f"Unwound to {whole} whole lots. " if not todo else "The session closed first. "
        status = Status.PARTIAL if whole or todo else Status.FAILED
        runs.finish(execution, status, desk, code=(execution.plan or {}).get("code", ""),
                    detail=words + _why(mine, ""))  # fmt: skip
        return []
    rows = {order.leg_number: order.contract for order in mine}
    fresh = orders.write(
        execution,
        [
            orders.Ticket(
                contract=rows[leg.number],
                leg_number=leg.number,
                action=Order.Action.CLOSE,
                wave=1 if leg.side == "SELL" else 2,
                side="BUY" if leg.side == "SELL" else "SELL",
                lots=excess[leg.number] // leg.contract.lot_size,
            )
            for leg in todo
            if not closes.must_wait(mine, rows[leg.number].pk, desk)
        ],
        mine,
        desk,
    )
    return [Work(WorkKind.DISPATCH, order.pk) for order in fresh]


def _why(mine: list[Order], code: str) -> str:
    refused = sorted({f"leg {o.leg_number}: {o.code}" for o in mine if o.code})
    return "; ".join([*([code] if code else []), *refused])

