"""What a tick reads of the stops that rest at the broker: each kind of rows when it is first asked for."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from execution.models import Fill, Mismatch, Order, OrderEvent, Position, StrategyExecution
from execution.moves import STOP, WITHDRAWN
from execution.states import OPEN_STATES
from market.models import Timeline
from users.prepared import Param, Prepared

Status = StrategyExecution.Status
FIRED = "stopped"  # the event by which a fired stop is told and followed once


def _fired(**mine: Any) -> QuerySet[Order]:
    """Filled stops; one that filled while an exit withdrew it is part of that exit."""
    rows = Order.objects.filter(order_type=STOP, filled_quantity__gt=0, **mine)
    return rows.exclude(code=WITHDRAWN)


#: Stops that fired and have had no consequence yet.
UNSAID = Prepared(
    lambda: _fired(timeline=Param("timeline"))
    .exclude(Exists(OrderEvent.objects.filter(order=OuterRef("pk"), dedupe_key=FIRED)))
    .select_related(
        "execution__strategy_version", "allocation__strategy", "broker_account",
        "allocation__broker_account__user", "contract",
    ).order_by("pk")
)  # fmt: skip
LIVE = Prepared(
    lambda: Order.objects.filter(
        Q(allocation__among=Param("guarded"), action=Order.Action.CLOSE) | Q(order_type=STOP),
        timeline=Param("timeline"), status__in=OPEN_STATES,
    ).select_related("contract").order_by("pk")
)  # fmt: skip


class BrokerStops:
    """Of one world; `guarded` are the pairs that hold something and have the option."""

    def __init__(self, timeline: Timeline, held: dict[int, list[Position]]) -> None:
        self.timeline = timeline
        self.guarded = {
            pair: rows for pair, rows in held.items() if rows[0].allocation.strategy_version.stop_at_broker
        }

    @cached_property
    def live(self) -> dict[int, list[Order]]:
        """By pair, open orders: of guarded pairs that close something, of others the stops."""
        found: dict[int, list[Order]] = defaultdict(list)
        for order in LIVE.rows(timeline=self.timeline.pk, guarded=list(self.guarded)):
            found[order.allocation_id].append(order)
        return dict(found)

    @cached_property
    def busy(self) -> dict[int, list[int] | None]:
        """By pair, the legs that a run changes now; None for all: nothing of them is placed or moved."""
        exits = Q(phase="exit", status__in=[Status.DUE, Status.RUNNING])
        others = Q(phase__in=["entry", "roll", "adjust"], status=Status.RUNNING)
        pairs = {*self.guarded, *self.live}
        runs = StrategyExecution.objects.filter(
            exits | others, timeline=self.timeline, allocation__in=pairs
        )
        found: dict[int, list[int] | None] = {}
        for pair, legs in runs.values_list("allocation_id", "only_legs"):
            before = found.get(pair, [])
            found[pair] = None if legs is None or before is None else [*before, *legs]
        return found

    @cached_property
    def missing(self) -> dict[tuple[int, int], int]:
        """By account and contract, units of ours that the broker's net does not have."""
        accounts = {rows[0].allocation.broker_account_id for rows in self.guarded.values()}
        rows = Mismatch.objects.filter(
            timeline=self.timeline, broker_account__in=accounts, resolved_at=None, missing__gt=0
        ).values_list("broker_account_id", "contract_id", "missing")
        found: dict[tuple[int, int], int] = {}
        for account, contract, units in rows:
            if contract is not None:
                found[account, contract] = max(found.get((account, contract), 0), units)
        return found

    @cached_property
    def unsaid(self) -> list[Order]:
        """Stops that fired at the broker and have had no consequence yet."""
        return UNSAID.rows(timeline=self.timeline.pk)

    @cached_property
    def fired(self) -> dict[int, list[datetime]]:
        """By guarded pair that breaks even, when a stop of it filled at the broker."""
        pairs = [
            pair for pair, rows in self.guarded.items() if rows[0].allocation.strategy_version.break_even
        ]
        found: dict[int, list[datetime]] = defaultdict(list)
        if pairs:
            fills = Fill.objects.filter(order__in=_fired(timeline=self.timeline, allocation__in=pairs))
            for pair, at in fills.values_list("order__allocation_id", "at"):
                found[pair].append(at)
        return dict(found)
