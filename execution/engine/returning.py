"""A leg that left by its own stop or target comes back into its trade: at the strike that its rule means
now, or in the same contract once it is back at what it cost. Judged as an entry, then worked as an
adjustment (adjust.py).
"""

from __future__ import annotations

from dataclasses import replace

from django.db import transaction
from django.db.models import QuerySet

from allocations.models import StrategyBrokerAllocation
from execution.engine import adjusting, opens, runs, spent, tell, waiting
from execution.engine.account_view import AccountView
from execution.engine.adjusting import Change
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.judging import (
    MAY_CLEAR,
    Stop,
    guarded,
    stopped,
    unresolved,
    untimely,
)
from execution.engine.trades import is_over
from execution.models import COMING_BACK, StrategyExecution
from strategies.rules import (
    ResolvedLeg,
    Unresolvable,
    resolve_leg_at,
    stored,
)
from strategies.selectors import leg_rules

Status = StrategyExecution.Status


def start(execution: StrategyExecution, desk: Desk) -> list[Work]:
    """Arm it, or judge it at this frame and begin. The broker is asked outside any transaction."""
    if waiting.must_arm(execution):
        return _arm(execution, desk)
    if _under_way(execution).exists():  # one change of a trade at a time; exits first
        return []
    verdict = _judged(execution, desk)
    with transaction.atomic():
        if isinstance(verdict, Change):
            verdict = adjusting.crowded_out(execution.allocation, verdict, desk) or verdict
        held = runs.locked(execution.pk, Status.DUE)
        if held is None:
            return []
        if isinstance(verdict, Stop):
            runs.stop_at(held, verdict, desk)
            return []
        StrategyBrokerAllocation.objects.select_for_update(no_key=True).get(pk=held.allocation_id)
        if _under_way(held).exists():
            return []
        return _begin(held, verdict, desk)


def _begin(execution: StrategyExecution, change: Change, desk: Desk) -> list[Work]:
    assert change.open is not None
    execution.status, execution.started_at = Status.RUNNING, desk.now
    execution.plan = {**(execution.plan or {}), "legs": opens.as_plan([change.open])}
    execution.code = ""
    execution.detail = f"Leg {change.open.number} comes back in {change.open.contract.symbol}."
    execution.save()
    return [Work(WorkKind.ADVANCE, execution.pk)]


def _arm(execution: StrategyExecution, desk: Desk) -> list[Work]:
    """Begin to wait for the old contract's old price; the next steps ask for the price alone."""
    pair = execution.allocation
    stop = _ended(execution, desk) or untimely(execution, desk) or stopped(pair, AccountView([pair], desk))
    if stop is None:
        try:
            watch = waiting.begin(execution, waiting.legs_of(execution, desk), desk)
        except Unresolvable as error:
            stop = unresolved(error)
    with transaction.atomic():
        held = runs.locked(execution.pk, Status.DUE)
        if held is None:
            return []
        if stop is not None:
            runs.stop_at(held, stop, desk)
            return []
        held.armed_at, held.watch = desk.now, stored(watch)
        held.code, held.detail = "WAITING", waiting.words(watch)
        held.save(update_fields=["armed_at", "watch", "code", "detail"])
        tell.execution_changed(desk, held)
    return [Work(WorkKind.START, execution.pk)]


def _judged(execution: StrategyExecution, desk: Desk) -> Change | Stop:
    """What it opens now, or why it does not: in time, not stopped, guards, hedges, limits and funds."""
    pair = execution.allocation
    view = AccountView([pair], desk)
    stop = _ended(execution, desk) or untimely(execution, desk) or stopped(pair, view)
    if stop is not None:
        return stop
    try:
        leg = _leg(execution, desk)
    except Unresolvable as error:
        return unresolved(error)
    change = Change(
        held=view.held_by(pair),
        close=None,
        open=leg,
        lots=(execution.plan or {})["lots"],
        trade_lots=execution.lots,
        comes_back=True,
    )
    stop = guarded(execution, [leg], desk) or adjusting.why_not(pair, change, view, funds=True)
    return change if stop is None else _patient(execution, stop)


def _leg(execution: StrategyExecution, desk: Desk) -> ResolvedLeg:
    """The contract to open: the old one at cost, else what the leg's rule means now in its expiry."""
    if execution.strategy_version.reentry == "cost":
        (leg,) = waiting.legs_of(execution, desk)
        return leg
    (left,) = opens.planned(execution)
    rule = next(rule for rule in leg_rules(execution.strategy_version) if rule.number == left.number)
    contract = left.contract
    return replace(resolve_leg_at(rule, contract.expiry, contract.underlying, desk.frame), ratio=1)


def _patient(execution: StrategyExecution, stop: Stop) -> Stop:
    """A price may come; so may a hedge, while another leg of the trade is to come back."""
    hedge_may_come = stop.code == "UNDECLARED_NAKED" and _others(execution).filter(COMING_BACK).exists()
    return replace(stop, may_clear=stop.may_clear or stop.code in MAY_CLEAR or hedge_may_come)


def _ended(execution: StrategyExecution, desk: Desk) -> Stop | None:
    """Its trade is over, or would be: what it has realised has reached the trade's own stop or target."""
    since = StrategyExecution.objects.filter(
        allocation=execution.allocation, timeline=execution.timeline_id, trading_day=execution.trading_day
    )
    if is_over(execution.due_at, since.exclude(pk=execution.pk)):
        return Stop(Status.DENIED, "TRADE_OVER", "The leg's trade has left, rolled or been entered anew since.")
    why = spent.words(execution, desk)
    return Stop(Status.DENIED, "TRADE_SPENT", f"{why}.") if why else None


def _under_way(execution: StrategyExecution) -> QuerySet[StrategyExecution]:
    """Whatever else changes the pair now."""
    return _others(execution).exclude(COMING_BACK)


def _others(execution: StrategyExecution) -> QuerySet[StrategyExecution]:
    mine = StrategyExecution.objects.filter(
        allocation=execution.allocation, timeline=execution.timeline_id, status__in=[Status.DUE, Status.RUNNING]
    )
    return mine.exclude(pk=execution.pk)
