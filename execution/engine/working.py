"""A running entry, worked wave by wave until it is complete or its time is up, and ended by its policy."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pgbulk
from django.db import transaction

from execution.engine import closes, opens, orders, runs, siblings
from execution.engine.account_view import AccountView
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.judging import shut, stopped
from execution.models import Order, StrategyExecution
from execution.states import OPEN_STATES, OrderState
from market.models import Contract
from users.prepared import insert

Status = StrategyExecution.Status


def advance(execution_id: int, desk: Desk) -> list[Work]:
    """As `advance_all`, of one."""
    return advance_all([execution_id], desk)


@transaction.atomic
def advance_all(ids: Collection[int], desk: Desk) -> list[Work]:
    """Do the next thing that each of these running entries of one account allows."""
    held = runs.locked_all(ids, Status.RUNNING)
    if not held:
        return []
    mine = runs.orders_of_all(held)
    done = [run for run in held if not _must_unwind(run) and opens.is_complete(run, mine[run.pk])]
    for execution in done:
        runs.end(execution, Status.DONE, desk)
    pgbulk.update(StrategyExecution, done, runs.ENDED)
    rest = [execution for execution in held if execution not in done]
    if not rest:
        return []
    step = _Step(AccountView([execution.allocation for execution in rest], desk), opens.contracts_of(rest))
    works = [work for execution in rest for work in step.take(execution, mine[execution.pk])]
    return [*works, *step.write()]


def _must_unwind(execution: StrategyExecution) -> bool:
    """Whether it is unwound; it begins to be when a sibling has failed."""
    if not (execution.plan or {}).get("unwinding") and siblings.has_failed(execution):
        _begin_unwinding(execution, siblings.CODE)
    return bool((execution.plan or {}).get("unwinding"))


class _Step:
    """The next step of running entries of one account; what they open is written together."""

    def __init__(self, view: AccountView, rows: Mapping[str, Contract]) -> None:
        self._view, self._rows, self._desk = view, rows, view.desk
        self._fresh: list[Order] = []

    def take(self, execution: StrategyExecution, mine: list[Order]) -> list[Work]:
        """What follows besides the orders to open."""
        if any(order.status == OrderState.UNKNOWN for order in mine):
            return self._hold(execution, mine)
        if (execution.plan or {}).get("unwinding"):
            return _unwind(execution, mine, self._desk)
        return self._work(execution, mine)

    def write(self) -> list[Work]:
        """Write what may be opened, to be sent after the commit."""
        return [Work(WorkKind.DISPATCH, order.pk) for order in insert(self._fresh)]

    def _hold(self, execution: StrategyExecution, mine: list[Order]) -> list[Work]:
        """While an order has no answer nothing new goes; when time is up the others are withdrawn."""
        if shut(execution.allocation, self._view) is None and not _time_is_up(execution, self._desk):
            return []
        answered = [o for o in orders.open_orders(mine) if o.status != OrderState.UNKNOWN]
        opening = [order for order in answered if order.action == Order.Action.OPEN]
        return [Work(WorkKind.CANCEL, order.pk) for order in closes.withdraw(opening, self._desk)]

    def _work(self, execution: StrategyExecution, mine: list[Order]) -> list[Work]:
        """Release what may go, or withdraw the rest when the pair is stopped or its time is up."""
        stop, desk = stopped(execution.allocation, self._view), self._desk
        if stop is not None and stop.may_clear and not _time_is_up(execution, desk):
            return []
        if stop is None and not _time_is_up(execution, desk):
            fresh = opens.made(execution, mine, self._rows, desk)
            self._fresh += fresh
            if fresh or orders.open_orders(mine):
                return []
            return _incomplete(execution, mine, "NOT_FILLED", desk)
        waiting = closes.withdraw(orders.open_orders(mine), desk)
        if waiting:
            return [Work(WorkKind.CANCEL, order.pk) for order in waiting]
        return _incomplete(execution, mine, stop.code if stop else "TIMED_OUT", desk)


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

