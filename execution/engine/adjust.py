"""Adjustments: one leg is shifted, exited or added by hand, or comes back after its own stop or target,
through the same gates as an entry.

A short is bought back before its successor is sold. A hedge is replaced before it is sold, and never
sold while a short that nothing else covers is open.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from execution import gates
from execution.engine import adjusting, closes, opens, orders, returning, runs
from execution.engine.account_view import AccountView
from execution.engine.adjusting import Change
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.judging import Stop, stopped
from execution.models import REENTRY, Order, Position, StrategyExecution
from execution.states import OrderState
from market.services import ensure_contracts
from strategies.rules import Unresolvable, coverable_lots, mid_of, uncovered_lots

Status = StrategyExecution.Status


def plan_of(change: Change) -> dict[str, Any]:
    """The change as it stands with its run."""
    return {
        "close": None if change.close is None else change.close.contract.symbol,
        "closes_first": change.closes_first,
        "legs": [] if change.open is None else opens.as_plan([change.open]),
        "lots": change.lots,
    }


def start(execution_id: int, desk: Desk) -> list[Work]:
    """Judge it again at this frame; the broker is asked for funds outside any transaction."""
    execution = (
        StrategyExecution.objects.select_related(
            "timeline", "strategy_version", "allocation__strategy__basket",
            "allocation__strategy_version", "allocation__broker_account__user",
        )  # fmt: skip
        .filter(pk=execution_id, status=Status.DUE)
        .first()
    )
    if execution is None:
        return []
    if execution.cause == REENTRY:
        return returning.start(execution, desk)
    change = _change(execution, closes.positions_of_pair(execution))
    stop = _judged(execution, change, desk)
    with transaction.atomic():
        stop = stop or adjusting.crowded_out(execution.allocation, change, desk)
        held = runs.locked(execution_id, Status.DUE)
        if held is None:
            return []
        if stop is not None:
            runs.finish(held, stop.status, desk, code=stop.code, detail=stop.detail)
            return []
        held.status, held.started_at = Status.RUNNING, desk.now
        held.save()
        return _work(held, desk)


@transaction.atomic
def advance(execution_id: int, desk: Desk) -> list[Work]:
    """Do the next thing that the change allows."""
    execution = runs.locked(execution_id, Status.RUNNING)
    return [] if execution is None else _work(execution, desk)


def _judged(execution: StrategyExecution, change: Change, desk: Desk) -> Stop | None:
    symbol = (execution.plan or {})["close"]
    if symbol is not None and change.close is None:
        return Stop(Status.DENIED, "NOT_HELD", f"{symbol} is not held any more.")
    try:
        if change.open is not None:
            mid_of(desk.frame, change.open.contract)
    except Unresolvable as error:
        return Stop(Status.DENIED, error.code, error.message)
    view = AccountView([execution.allocation], desk)
    return adjusting.why_not(execution.allocation, change, view, funds=True)


def _change(execution: StrategyExecution, held: list[Position]) -> Change:
    """The run's change, read back against what is held now."""
    plan: dict[str, Any] = execution.plan or {}
    return Change(
        held=held,
        close=next((p for p in held if p.contract.symbol == plan["close"]), None),
        open=next(iter(opens.planned(execution)), None),
        lots=plan["lots"],
        trade_lots=execution.lots,
    )


def _work(execution: StrategyExecution, desk: Desk) -> list[Work]:
    symbol = (execution.plan or {})["close"]
    stops = closes.withdraw_stops(execution, [symbol] if symbol else [], desk)
    mine = runs.orders_of(execution)  # before the positions, as the applier locks them
    held = closes.positions_of_pair(execution, lock=True)
    change = _change(execution, held)
    if not desk.is_open(execution.allocation.strategy.underlying):
        runs.finish(execution, Status.PARTIAL, desk, code="SESSION_OVER",
                    detail="The session closed before the change was complete.")  # fmt: skip
        return []
    opening = change.open is not None and not _is_open(change, mine)
    if opening and (change.close is None or not (execution.plan or {})["closes_first"]):
        return _open(execution, change, mine, desk)
    if change.close is not None:
        return [*(Work(WorkKind.CANCEL, o.pk) for o in stops), *_close(execution, change, desk)]
    runs.finish(execution, Status.DONE, desk)
    return []


def _is_open(change: Change, mine: list[Order]) -> bool:
    assert change.open is not None
    filled = gates.filled_units(mine).get(change.open.number, 0)
    return filled >= change.lots * change.open.contract.lot_size


def _close(execution: StrategyExecution, change: Change, desk: Desk) -> list[Work]:
    """Close the old leg; a hedge only when what is left covers every short but the declared ones."""
    assert change.close is not None
    if closes.is_worthless(change.close, desk):
        runs.finish(execution, Status.DONE, desk, detail="The old leg is worthless: it may expire.")
        return []
    if not _may_go(execution, change):
        runs.finish(execution, Status.PARTIAL, desk, code="UNDECLARED_NAKED",
                    detail="The old hedge stays: a short would be left without one.")  # fmt: skip
        return []
    fresh = closes.release(execution, [change.close], [change.close], desk)
    return [Work(WorkKind.DISPATCH, order.pk) for order in fresh]


def _may_go(execution: StrategyExecution, change: Change) -> bool:
    version, left = execution.strategy_version, change.book(closed=True, opened=0)
    now = change.book(closed=False, opened=0)
    declared = {"CE": version.naked_calls, "PE": version.naked_puts}
    return all(
        uncovered_lots(left, kind) <= max(most * change.trade_lots, uncovered_lots(now, kind))
        for kind, most in declared.items()
    )


def _open(
    execution: StrategyExecution, change: Change, mine: list[Order], desk: Desk
) -> list[Work]:
    """Open the new leg within the time of an entry; a short as far as hedges and declaration reach."""
    if execution.deadline is None:
        execution.deadline = desk.wall + timedelta(seconds=settings.PLATFORM.execution_timeout_seconds)
        execution.save(update_fields=["deadline"])
    waiting = orders.open_orders(mine)
    stop = stopped(execution.allocation, AccountView([execution.allocation], desk))
    if stop is not None or desk.wall >= execution.deadline:
        answered = [order for order in waiting if order.status != OrderState.UNKNOWN]
        rest = closes.withdraw(answered, desk)
        return [Work(WorkKind.CANCEL, order.pk) for order in rest] or _incomplete(
            execution, mine, stop.code if stop else "TIMED_OUT", desk
        )
    fresh = _release(execution, change, mine, desk)
    if not fresh and not waiting:
        return _incomplete(execution, mine, "NOT_FILLED", desk)
    return [Work(WorkKind.DISPATCH, order.pk) for order in fresh]


def _incomplete(
    execution: StrategyExecution, mine: list[Order], code: str, desk: Desk
) -> list[Work]:
    if any(order.status == OrderState.UNKNOWN for order in mine):
        return []  # its answer decides
    done = any(order.filled_quantity for order in mine)
    words = "The new leg is not all open; what was filled stays." if done else "Nothing was changed."
    runs.finish(execution, Status.PARTIAL if done else Status.FAILED, desk, code=code, detail=words)
    return []


def _release(
    execution: StrategyExecution, change: Change, mine: list[Order], desk: Desk
) -> list[Order]:
    leg = change.open
    assert leg is not None
    goal = change.lots
    if leg.side == "SELL" and leg.contract.is_option:
        version, kind = execution.strategy_version, leg.contract.option_type
        declared = version.naked_calls if kind == "CE" else version.naked_puts
        before = Change(held=[p for p in change.held if p.contract.symbol != leg.contract.symbol],
                        close=change.close, open=None, lots=0, trade_lots=change.trade_lots)  # fmt: skip
        book = before.book(closed=True, opened=0)
        naked = max(declared * change.trade_lots, uncovered_lots(change.book(closed=False, opened=0), kind))
        goal = coverable_lots(book, leg, goal, naked)
    ticket = orders.Ticket(
        contract=ensure_contracts([leg.contract])[leg.contract.symbol],
        leg_number=leg.number,
        action=Order.Action.OPEN,
        wave=1 if leg.side == "BUY" else 2,
        side=leg.side,
        lots=goal - gates.ordered_lots(leg, mine, completion=execution.strategy_version.completion),
    )
    return orders.write(execution, [ticket], mine, desk)
