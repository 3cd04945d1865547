"""Starting and finishing a run: its row is claimed, and why it ended is told."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from execution.engine import tell
from execution.engine.desk import Desk
from execution.engine.judging import Stop
from execution.models import Order, StrategyExecution
from users.prepared import Param, Prepared

Status = StrategyExecution.Status
ENDED = ["status", "code", "detail", "started_at", "finished_at"]  # what ends a run
TOLD = {
    Status.MISSED: "was missed",
    Status.DENIED: "was denied",
    Status.FAILED: "failed",
    Status.PARTIAL: "was only partly done",
}


def with_pair(rows: QuerySet[StrategyExecution]) -> QuerySet[StrategyExecution]:
    """With all that a run is decided by and nothing that is seldom asked for: a wide join costs more than
    the rest of a step. What a tick found first comes first."""
    return rows.select_related(
        "strategy_version", "allocation__strategy", "allocation__broker_account"
    ).order_by("due_at", "pk")


LOCKED = Prepared(
    lambda: with_pair(
        StrategyExecution.objects.select_for_update(of=("self",), skip_locked=True, no_key=True).filter(
            pk__among=Param("ids"), status=Param("status")
        )
    )
)
ORDERS = Prepared(
    lambda: Order.objects.select_for_update(of=("self",), no_key=True)
    .filter(execution__among=Param("ids"))
    .select_related("contract")
    .order_by("pk")
)


def locked_all(ids: Iterable[int], status: Status) -> list[StrategyExecution]:
    """These runs, locked, as far as they are in that status and no other worker holds them. Needs a
    transaction."""
    return LOCKED.rows(ids=list(ids), status=str(status))


def locked(execution_id: int, status: Status) -> StrategyExecution | None:
    """As `locked_all`, of one."""
    return next(iter(locked_all([execution_id], status)), None)


def orders_of_all(executions: Iterable[StrategyExecution]) -> dict[int, list[Order]]:
    """By run, its orders, oldest first, locked. Needs a transaction; positions are locked after them."""
    by_id = {execution.pk: execution for execution in executions}
    found: dict[int, list[Order]] = {pk: [] for pk in by_id}
    for order in ORDERS.rows(ids=list(by_id)):
        order.execution = by_id[order.execution_id]
        found[order.execution_id].append(order)
    return found


def orders_of(execution: StrategyExecution) -> list[Order]:
    """As `orders_of_all`, of one."""
    return orders_of_all([execution])[execution.pk]


def keep_waiting(execution: StrategyExecution, code: str, detail: str) -> None:
    """Say why a due run does not go yet; the same reason is written once."""
    if (execution.code, execution.detail) == (code, detail):
        return
    execution.code, execution.detail = code, detail
    execution.save(update_fields=["code", "detail"])


def stop_at(execution: StrategyExecution, stop: Stop, desk: Desk) -> None:
    """It ends by this stop, or waits for a frame that may clear it."""
    if stop.may_clear:
        keep_waiting(execution, stop.code, stop.said)
        return
    finish(execution, stop.status, desk, code=stop.code, detail=stop.detail)


def finish(
    execution: StrategyExecution, status: Status, desk: Desk, *, code: str = "", detail: str = ""
) -> None:
    """End the run; anything but a complete one is told to the owner."""
    end(execution, status, desk, code=code, detail=detail)
    execution.save(update_fields=ENDED)


def end(
    execution: StrategyExecution, status: Status, desk: Desk, *, code: str = "", detail: str = ""
) -> None:
    """As `finish`, for who writes the columns ENDED of several runs together."""
    execution.status = status
    execution.code = code
    execution.detail = detail or execution.detail
    execution.finished_at = desk.now
    tell.execution_changed(desk, execution)
    if status not in TOLD:
        return
    pair = execution.allocation
    tell.tell(
        desk,
        pair,
        kind=f"execution_{status}",
        severity=tell.Severity.WARNING,
        title=f"{execution.get_phase_display()} of {pair.strategy.name} on "
        f"{pair.broker_account.label} {TOLD[status]}",
        body=f"{code or status}: {execution.detail}".strip(),
        dedupe_key=f"execution:{pair.public_id}:{execution.trading_day}:{execution.phase}:{execution.cycle}",
    )
