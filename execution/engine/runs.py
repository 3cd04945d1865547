"""Starting and finishing a run: its row is claimed, and why it ended is told."""

from __future__ import annotations

from execution.engine import tell
from execution.engine.desk import Desk
from execution.engine.judging import Stop
from execution.models import Order, StrategyExecution

Status = StrategyExecution.Status
TOLD = {
    Status.MISSED: "was missed",
    Status.DENIED: "was denied",
    Status.FAILED: "failed",
    Status.PARTIAL: "was only partly done",
}


def locked(execution_id: int, status: Status) -> StrategyExecution | None:
    """The run, locked, if it is in that status and no other worker holds it. Needs a transaction."""
    return (
        StrategyExecution.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
        .select_related(
            "timeline",
            "strategy_version",
            "allocation__strategy__basket",
            "allocation__broker_account__user",
        )
        .filter(pk=execution_id, status=status)
        .first()
    )


def orders_of(execution: StrategyExecution) -> list[Order]:
    """The run's orders, oldest first, locked. Needs a transaction; positions are locked after them."""
    rows = execution.orders.select_for_update(of=("self",), no_key=True)
    return list(rows.select_related("contract").order_by("pk"))


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
    execution.status = status
    execution.code = code
    execution.detail = detail or execution.detail
    execution.finished_at = desk.now
    execution.save()
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
