"""What an open mismatch holds back: entries of the pairs concerned, and closes of units that the
broker does not have. Derived from the rows at each question, so nothing is left to clear.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from django.db.models import Max, QuerySet, Sum

from execution.engine.desk import Desk
from execution.models import AccountBook, Mismatch, Order, Position, StrategyExecution
from execution.services import lock_account
from execution.states import OPEN_STATES
from users.prepared import Param, Prepared

if TYPE_CHECKING:
    from execution.engine.orders import Ticket


WHY_UNREAD = Prepared(
    lambda: AccountBook.objects.filter(
        broker_account=Param("account"), timeline=Param("timeline"), failing_since__isnull=False
    ).values_list("why", flat=True)
)


def open_mismatches(account_id: int | Param, timeline_id: int | Param) -> QuerySet[Mismatch]:
    """What the account's broker and we disagree about."""
    return Mismatch.objects.filter(
        broker_account=account_id, timeline=timeline_id, resolved_at=None
    )


MISSING = Prepared(
    lambda: open_mismatches(Param("account"), Param("timeline"))
    .filter(contract__among=Param("contracts"), product=Param("product"), missing__gt=0)
    .order_by()
    .values_list("contract")
    .annotate(Max("missing"))
)


def unread_since(account_id: int, desk: Desk) -> str:
    """The broker's words while the account's books cannot be read; "" while they can."""
    return WHY_UNREAD.first(account=account_id, timeline=desk.timeline.pk) or ""


def capped(execution: StrategyExecution, tickets: Iterable[Ticket], desk: Desk) -> list[Ticket]:
    """The tickets, each close no larger than what the broker's net still has of the contract."""
    wanted = list(tickets)
    closing = {t.contract.pk for t in wanted if t.action == Order.Action.CLOSE}
    missing = _missing(execution, closing, desk) if closing else {}
    if not missing:
        return wanted
    lock_account(execution.allocation.broker_account_id)  # pairs of one account share its net
    spare = _spare(execution, missing, desk)
    kept = []
    for ticket in wanted:
        lots = ticket.lots
        if ticket.action == Order.Action.CLOSE and ticket.contract.pk in spare:
            lots = min(lots, spare[ticket.contract.pk] // ticket.contract.lot_size)
            spare[ticket.contract.pk] -= lots * ticket.contract.lot_size
        if lots > 0:
            kept.append(replace(ticket, lots=lots))
    return kept


def _spare(
    execution: StrategyExecution, missing: dict[int, int], desk: Desk
) -> dict[int, int]:
    """By contract, units that closes of the account may still ask for."""
    account, product = execution.allocation.broker_account_id, execution.allocation.product
    held = Position.objects.filter(
        allocation__broker_account=account, timeline=desk.timeline, contract__in=missing, product=product
    )
    ours = dict(held.order_by().values_list("contract").annotate(Sum("quantity")))
    on_the_way: Counter[int] = Counter()
    live = Order.objects.filter(
        broker_account=account, timeline=desk.timeline, contract__in=missing, product=product,
        action=Order.Action.CLOSE, status__in=OPEN_STATES,
    )  # fmt: skip
    for contract, quantity, filled in live.values_list("contract", "quantity", "filled_quantity"):
        on_the_way[contract] += quantity - filled
    return {
        contract: max(0, abs(ours.get(contract, 0)) - units - on_the_way[contract])
        for contract, units in missing.items()
    }


def _missing(execution: StrategyExecution, contracts: set[int], desk: Desk) -> dict[int, int]:
    pair = execution.allocation
    found = MISSING.rows(
        account=pair.broker_account_id, timeline=desk.timeline.pk, contracts=list(contracts), product=pair.product
    )
    return dict(found)
