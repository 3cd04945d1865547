"""A due entry: judged against state, limits and margin, and planned at the current quotes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta

import pgbulk
from django.conf import settings
from django.db import transaction

from allocations.models import StrategyBrokerAllocation
from execution.engine import limits, opens, runs, tell, waiting
from execution.engine.account_view import AccountView
from execution.engine.desk import Desk, Work, WorkKind
from execution.engine.judging import (
    Plan,
    Stop,
    beyond_limits,
    found_legs,
    judge,
    unresolved,
)
from execution.models import StrategyExecution
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import IST
from strategies.rules import Unresolvable, stored
from users.prepared import Param, Prepared, insert

Status = StrategyExecution.Status
#: What makes a due run a running one.
BEGUN = ["status", "started_at", "deadline", "plan", "margin", "realised_before", "detail", "code"]
#: Due entries, with the legs of their versions.
DUE = Prepared(
    lambda: runs.with_pair(
        StrategyExecution.objects.filter(pk__among=Param("ids"), status=Status.DUE)
    ).prefetch_related("strategy_version__legs")
)
ENTERING = Prepared(
    lambda: StrategyBrokerAllocation.objects.select_for_update(no_key=True)
    .filter(pk__among=Param("ids"))
    .order_by("pk")
)
Planned = tuple[StrategyExecution, Plan]


def start(execution_id: int, desk: Desk) -> list[Work]:
    """As `start_all`, of one."""
    return start_all([execution_id], desk)


def start_all(ids: Collection[int], desk: Desk) -> list[Work]:
    """Judge and plan due entries of one account. The broker is asked for funds outside any transaction."""
    due = DUE.rows(ids=list(ids))
    if not due:
        return []
    works: list[Work] = []
    planned: list[Planned] = []
    stops: dict[int, Stop] = {}
    view = AccountView([execution.allocation for execution in due], desk)
    for execution in due:
        if execution.timeline_id == desk.timeline.pk:
            execution.timeline = desk.timeline
        if waiting.must_arm(execution):
            works += _arm(execution, view)
            continue
        verdict = judge(execution, view)
        if isinstance(verdict, Plan):
            view.promise(verdict.needed)
            planned.append((execution, verdict))
        else:
            stops[execution.pk] = verdict
    _stop(stops, desk)
    return [*works, *_begun(planned, desk)]


def _begun(planned: list[Planned], desk: Desk) -> list[Work]:
    """Without a freeze quantity of the day nothing can be sliced: who needs it is denied, the others go."""
    if not planned:
        return []
    try:
        return _begin(planned, desk)
    except OutsideCoverage as error:
        if len(planned) == 1:
            _stop({planned[0][0].pk: Stop(Status.DENIED, "NO_FACTS", str(error))}, desk)
            return []
    return [work for one in planned for work in _begun([one], desk)]


def _arm(execution: StrategyExecution, view: AccountView) -> list[Work]:
    """Resolve the contracts and begin to wait; the next steps ask for the price alone."""
    legs, desk = found_legs(execution, view), view.desk
    if isinstance(legs, Stop):
        _stop({execution.pk: legs}, desk)
        return []
    try:
        watch = waiting.begin(execution, legs, desk)
    except Unresolvable as error:
        _stop({execution.pk: unresolved(error)}, desk)
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


@transaction.atomic
def _begin(planned: list[Planned], desk: Desk) -> list[Work]:
    """Where a limit spans several pairs it is asked once more, one entry at a time: what others have
    begun meanwhile counts."""
    plans = {execution.pk: plan for execution, plan in planned}
    view = AccountView([execution.allocation for execution, _ in planned], desk)
    shared = limits.lock_shared(view)
    begun = []
    for execution in runs.locked_all(plans, Status.DUE):
        plan = plans[execution.pk]
        stop = _crowded_out(execution, plan, view) if shared else None
        if stop is not None:
            runs.stop_at(execution, stop, desk)
            continue
        _plan_it(execution, plan, view)
        if shared:  # the next one is judged with this one begun
            execution.save(update_fields=BEGUN)
        begun.append(execution)
    if not shared:
        pgbulk.update(StrategyExecution, begun, BEGUN)
    _enter_pairs(begun, desk)
    rows = opens.contracts_of(begun)
    fresh = [order for execution in begun for order in opens.made(execution, [], rows, desk)]
    works = [Work(WorkKind.DISPATCH, order.pk) for order in insert(fresh)]
    empty = {execution.pk for execution in begun} - {order.execution_id for order in fresh}
    return [*works, *(Work(WorkKind.ADVANCE, pk) for pk in sorted(empty))]


def _crowded_out(execution: StrategyExecution, plan: Plan, view: AccountView) -> Stop | None:
    return beyond_limits(
        execution.allocation, lambda book: book.entering(plan.legs, execution.lots), view
    )


def _plan_it(execution: StrategyExecution, plan: Plan, view: AccountView) -> None:
    desk = view.desk
    execution.status = Status.RUNNING
    execution.started_at = desk.now
    execution.deadline = desk.wall + timedelta(seconds=settings.PLATFORM.execution_timeout_seconds)
    execution.plan = {"legs": opens.as_plan(plan.legs)}
    execution.margin = plan.margin
    execution.realised_before = view.realised_by(execution.allocation)
    late = 0 if execution.armed_at else int((desk.now - execution.due_at).total_seconds())
    execution.detail = f"{late} s after {execution.due_at.astimezone(IST):%H:%M:%S}." if late > 1 else ""
    execution.code = ""


def _enter_pairs(begun: list[StrategyExecution], desk: Desk) -> None:
    """Each pair runs the version that it enters, and has entered."""
    versions = {execution.allocation_id: execution.strategy_version_id for execution in begun}
    changed = []
    for pair in ENTERING.rows(ids=list(versions)):
        if pair.entered_at is not None and pair.strategy_version_id == versions[pair.pk]:
            continue
        pair.strategy_version_id, pair.entered_at = versions[pair.pk], pair.entered_at or desk.now
        pair.updated_at = desk.wall
        changed.append(pair)
    pgbulk.update(StrategyBrokerAllocation, changed, ["strategy_version_id", "entered_at", "updated_at"])


def _stop(stops: Mapping[int, Stop], desk: Desk) -> None:
    if not stops:
        return
    with transaction.atomic():
        for execution in runs.locked_all(stops, Status.DUE):
            runs.stop_at(execution, stops[execution.pk], desk)
