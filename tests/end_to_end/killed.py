"""What the rows of a desk say whose processes were killed in the middle of their work."""

from __future__ import annotations

from tests.end_to_end.running_desk import RunningDesk, eventually

RUNS = "SELECT id FROM strategy_executions WHERE phase = %s AND trading_day = %s"
SENT = "SELECT id FROM order_history WHERE status NOT IN ('DRAFT', 'READY', 'DENIED') AND id > %s"
LAST_ORDER = "SELECT coalesce(max(id), 0) AS id FROM order_history"
CARRIED = (
    "SELECT p.* FROM position_tracker p JOIN strategy_broker_allocations a ON a.id = p.allocation_id"
    " JOIN options_strategies s ON s.id = a.strategy_id"
    " WHERE s.name = 'Cash Secured Put' AND p.quantity != 0 ORDER BY p.id"
)
#: An order cut off on its way may or may not have left: it waits as UNKNOWN, its pair with it.
BUSY = (
    "SELECT id FROM strategy_executions e WHERE status IN ('due', 'running') AND NOT EXISTS"
    " (SELECT 1 FROM order_history o WHERE o.allocation_id = e.allocation_id AND o.status = 'UNKNOWN')"
    " UNION ALL SELECT id FROM order_history WHERE status = 'SENDING'"
)


def only_unknown_is_open(desk: RunningDesk) -> None:
    """Every order is at the broker once and as we have it; what was cut off is UNKNOWN and absent there."""
    eventually(lambda: not desk.rows(BUSY), within=120, what="all runs ended or wait for an UNKNOWN order")
    said = []

    def agree() -> bool:
        said[:] = [line for line in desk.unexplained() if "(UNKNOWN) is not at the broker" not in line]
        return not said

    eventually(agree, within=30, what=said)
