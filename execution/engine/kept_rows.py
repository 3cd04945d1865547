"""The queries of every tick: open positions and their pairs are kept from one to the next."""

from __future__ import annotations

from django.db.models import F, QuerySet

from allocations.models import StrategyBrokerAllocation
from execution.engine.chasing import COLUMNS
from execution.models import Order, Position, Settlement, StrategyExecution
from execution.states import OPEN_STATES
from market.models import Timeline
from users.prepared import Kept, Param, Prepared, Stamp

Status = StrategyExecution.Status


def provisional(timeline: Timeline | Param) -> QuerySet[Settlement]:
    """Provisional settlements that no final one has corrected yet."""
    rows = Settlement.objects.filter(position__timeline=timeline, provisional=True)
    return rows.exclude(position__settlements__provisional=False)


#: Open positions, and the pairs that hold them: several share a pair, which is read and made once.
POSITIONS = Kept(
    Prepared(
        lambda: Position.objects.filter(timeline=Param("timeline"))
        .exclude(quantity=0)
        .order_by("allocation_id", "leg_number")
        .values_list("pk", Stamp("pk", "contract__symbol"))
    ),
    Prepared(lambda: Position.objects.filter(pk__among=Param("ids")).select_related("contract")),
)
PAIRS = Kept(
    Prepared(
        lambda: StrategyBrokerAllocation.objects.filter(pk__among=Param("pairs")).values_list(
            "pk", Stamp("pk", "strategy_version__number", "strategy__name", "strategy__basket__name",
            "broker_account__label")
        )
    ),
    Prepared(
        lambda: StrategyBrokerAllocation.objects.filter(pk__among=Param("ids")).select_related(
            "strategy_version", "strategy__basket", "broker_account"
        )
    ),
)
#: Flat rows with a result of the day.
CLOSED = Prepared(
    lambda: Position.objects.filter(
        timeline=Param("timeline"), quantity=0, allocation__broker_account__user__among=Param("users")
    ).exclude(realised=F("day_opening_pnl"), charges=F("day_charges_before"))
    .select_related("allocation__strategy", "allocation__broker_account")
)  # fmt: skip
CORRIGIBLE = Prepared(lambda: provisional(Param("timeline")).select_related("position__contract"))
UNFINISHED = Prepared(
    lambda: StrategyExecution.objects.filter(
        timeline=Param("timeline"), status__in=[Status.DUE, Status.RUNNING]
    ).order_by("due_at", "pk").values_list("pk", "phase", "status", "due_at")
)  # fmt: skip
OPEN_ORDERS = Prepared(
    lambda: Order.objects.filter(timeline=Param("timeline"), status__in=OPEN_STATES)
    .order_by("action", "pk")
    .values_list(*COLUMNS)
)
