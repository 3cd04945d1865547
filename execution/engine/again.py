"""Re-entry: after a stop or target the pair enters again, so many times a day, until its cut-off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from execution.engine import closes, opens
from execution.engine.desk import Desk
from execution.engine.snapshot import Snapshot
from execution.engine.trades import Again
from execution.engine.waiting import REENTRY
from execution.models import Order, StrategyExecution
from market.kernel.clock import at
from strategies.rules import premium_of

Status = StrategyExecution.Status


def open_reentries(desk: Desk, seen: Snapshot) -> None:
    """A row for each re-entry that is due; doing it again writes nothing."""
    due = [each for each in seen.again if _in_time(each, desk) and not _holds(each, desk, seen)]
    rows = [row for each in due if (row := _row(each, desk)) is not None]
    if rows:
        StrategyExecution.objects.bulk_create(rows, ignore_conflicts=True)


def _in_time(each: Again, desk: Desk) -> bool:
    until = each.exit.strategy_version.reentry_until
    return until is not None and desk.now < at(desk.day, until)


def _holds(each: Again, desk: Desk, seen: Snapshot) -> bool:
    """Worthless longs that the exit left to expire are no trade."""
    held = seen.held.get(each.pair.pk, [])
    return any(not closes.is_worthless(position, desk) for position in held)


def _row(each: Again, desk: Desk) -> StrategyExecution | None:
    version, plan = each.exit.strategy_version, None
    if version.reentry == "cost":
        plan = _plan_at_cost(each)
        if plan is None:
            return None
    return StrategyExecution(
        allocation=each.pair,
        timeline=desk.timeline,
        trading_day=desk.day,
        phase="entry",
        cycle=each.cycle,
        strategy_version=version,
        lots=each.pair.lots,
        cause=REENTRY,
        due_at=each.exit.finished_at or desk.now,
        plan=plan,
    )


def _plan_at_cost(each: Again) -> dict[str, object] | None:
    """The contracts of the last entry, and what a lot of them took in; None if a leg never filled."""
    run = (
        StrategyExecution.objects.filter(
            allocation=each.pair, timeline=each.exit.timeline_id, phase="entry",
            started_at__lte=each.exit.finished_at,
        )
        .order_by("-started_at")
        .first()
    )  # fmt: skip
    if run is None:
        return None
    legs, costs = opens.planned(run), _averages(run.orders.filter(action=Order.Action.OPEN))
    if any(leg.number not in costs for leg in legs):
        return None
    return {"legs": (run.plan or {})["legs"], "cost": str(premium_of(legs, costs))}


def _averages(orders: Iterable[Order]) -> dict[int, Decimal]:
    """Average price of what filled, by leg number."""
    units: dict[int, int] = defaultdict(int)
    rupees: dict[int, Decimal] = defaultdict(Decimal)
    for order in orders:
        if order.filled_quantity and order.average_price is not None:
            units[order.leg_number] += order.filled_quantity
            rupees[order.leg_number] += order.filled_quantity * order.average_price
    return {leg: rupees[leg] / units[leg] for leg in units}
