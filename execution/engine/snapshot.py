"""What a tick reads. In a world of one thread it stands until the next write, so quiet frames read nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from django.db.models import (
    Case,
    DecimalField,
    Exists,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    When,
)

from allocations.models import StrategyBrokerAllocation
from allocations.risk import Effective
from allocations.selectors import effective_states
from baskets.models import BasketGrant
from execution.models import Order, Position, Settlement, StopWatch, StrategyExecution
from execution.states import OPEN_STATES
from market.kernel.money import ZERO
from market.models import Timeline
from strategies.models import StrategyVersion
from strategies.rules import LegRule, Schedule
from strategies.selectors import newest_versions, schedules_of, versions_by_id, watched_legs

Status = StrategyExecution.Status


@dataclass(frozen=True, slots=True)
class Trade:
    """The trade that a pair is in: the lots it was entered with, what was realised before it, when
    it began, and its net premium (received when above zero) where a stop or target is a share of it.
    """

    lots: int
    realised_before: Decimal
    since: datetime | None = None
    premium: Decimal | None = None


class OpenOrder(NamedTuple):
    """The columns of an open order by which its next step is chosen."""

    pk: int
    status: str
    pending_op: str
    action: str
    allocation_id: int
    next_lookup_at: datetime | None


class Snapshot:
    """The rows of one world on one day, each kind read when it is first asked for, then kept.

    Celery makes one for every tick. A headless run keeps one and forgets it when anything is written.
    """

    def __init__(self, timeline: Timeline, day: date, wall: datetime) -> None:
        self.timeline, self.day, self.wall = timeline, day, wall

    def forget(self) -> None:
        """Read everything anew from here on."""
        kept = ("timeline", "day", "wall")
        self.__dict__ = {name: self.__dict__[name] for name in kept}

    @cached_property
    def held(self) -> dict[int, list[Position]]:
        """Open positions by pair."""
        held: dict[int, list[Position]] = defaultdict(list)
        for position in self._positions():
            held[position.allocation_id].append(position)
        return dict(held)

    @cached_property
    def unclosed(self) -> date | None:
        """The earliest day before this one that was not closed."""
        rows = Position.objects.filter(timeline=self.timeline, day__lt=self.day)
        found: date | None = rows.aggregate(first=Min("day"))["first"]
        return found

    @cached_property
    def leaving(self) -> dict[int, list[int] | None]:
        """By pair that has an exit under way, the legs that leave; None for all of them."""
        rows = self._runs.filter(phase="exit", status__in=[Status.DUE, Status.RUNNING])
        return dict(rows.values_list("allocation_id", "only_legs")) if self.held else {}

    @cached_property
    def watched_legs(self) -> dict[int, dict[int, LegRule]]:
        """By version that is held, its legs with a stop or target of their own."""
        versions = {rows[0].allocation.strategy_version_id for rows in self.held.values()}
        return watched_legs(versions) if versions else {}

    @cached_property
    def watches(self) -> dict[tuple[int, str], StopWatch]:
        """By pair and contract ("" for the whole trade), what its stops have seen."""
        guarded = [
            pair for pair, rows in self.held.items()
            if has_bounds(rows[0].allocation)
            or rows[0].allocation.strategy_version_id in self.watched_legs
        ]  # fmt: skip
        if not guarded:
            return {}
        rows = StopWatch.objects.filter(timeline=self.timeline, allocation__in=guarded)
        return {(row.allocation_id, row.symbol): row for row in rows}

    @cached_property
    def states(self) -> dict[int, Effective]:
        """By pair that holds something, its trading state."""
        return effective_states([rows[0].allocation for rows in self.held.values()])

    @cached_property
    def trades(self) -> dict[int, Trade]:
        """By pair that holds something and has a stop or target, its open trade."""
        bound = {
            pair: rows[0].allocation.strategy_version
            for pair, rows in self.held.items()
            if has_bounds(rows[0].allocation)
        }
        shares = {pair for pair, version in bound.items() if is_share_of_premium(version)}
        return _trades(self.timeline, set(bound), shares)

    @cached_property
    def unasked(self) -> list[StrategyBrokerAllocation]:
        """Pairs that may enter in this world and have not been asked today."""
        asked = self._runs.filter(allocation=OuterRef("pk"), trading_day=self.day, phase="entry")
        return list(entering_pairs(self.timeline).exclude(Exists(asked)))

    @cached_property
    def versions(self) -> dict[int, StrategyVersion]:
        """By pair not asked yet, the version that it would enter."""
        return versions_to_enter(self.unasked, self.wall) if self.unasked else {}

    @cached_property
    def schedules(self) -> dict[int, Schedule]:
        """By version that may enter, its days."""
        return schedules_of(self.versions.values())

    @cached_property
    def corrigible(self) -> list[Settlement]:
        """Provisional settlements that no final one has corrected."""
        return list(provisional(self.timeline).select_related("position__contract"))

    @cached_property
    def unfinished(self) -> list[tuple[int, Status, datetime]]:
        """(id, status, due time) of runs that have not ended."""
        rows = self._runs.filter(status__in=[Status.DUE, Status.RUNNING]).order_by("due_at", "pk")
        return [
            (pk, Status(status), due)
            for pk, status, due in rows.values_list("pk", "status", "due_at")
        ]

    @cached_property
    def open_orders(self) -> list[OpenOrder]:
        """Orders that are not at their end, exits before entries: what reduces risk is sent first."""
        rows = Order.objects.filter(timeline=self.timeline, status__in=OPEN_STATES)
        return [
            OpenOrder(*row) for row in rows.order_by("action", "pk").values_list(*OpenOrder._fields)
        ]

    @property
    def _runs(self) -> QuerySet[StrategyExecution]:
        return StrategyExecution.objects.filter(timeline=self.timeline)

    def _positions(self) -> QuerySet[Position]:
        rows = Position.objects.filter(timeline=self.timeline).exclude(quantity=0)
        return rows.select_related(
            "contract",
            "allocation__strategy_version",
            "allocation__strategy__basket",
            "allocation__broker_account",
        ).order_by("allocation_id", "leg_number")


def has_bounds(pair: StrategyBrokerAllocation) -> bool:
    """Whether a stop, target or lock of the strategy or the pair watches the whole trade."""
    version = pair.strategy_version
    limits = (version.take_profit, version.stop_loss, version.lock_at, pair.take_profit, pair.stop_loss)
    return any(limit is not None for limit in limits)


def is_share_of_premium(version: StrategyVersion) -> bool:
    """Whether a stop or target of the whole trade is a share of its premium."""
    percent = StrategyVersion.StopUnit.PERCENT
    return (version.stop_loss is not None and version.stop_loss_unit == percent) or (
        version.take_profit is not None and version.take_profit_unit == percent
    )


def provisional(timeline: Timeline) -> QuerySet[Settlement]:
    """Provisional settlements that no final one has corrected yet."""
    rows = Settlement.objects.filter(position__timeline=timeline, provisional=True)
    return rows.exclude(position__settlements__provisional=False)


def entering_pairs(timeline: Timeline) -> QuerySet[StrategyBrokerAllocation]:
    """Pairs that may enter in this world: live accounts trade only in the live one."""
    rows = StrategyBrokerAllocation.objects.filter(
        archived_at=None,
        lots__gt=0,
        strategy__archived_at=None,
        broker_account__archived_at=None,
        strategy__basket__status__in=["active", "published"],
    )
    if timeline.source != Timeline.Source.LIVE:
        rows = rows.filter(broker_account__mode="paper")
    return rows.select_related("strategy__basket", "broker_account__user").order_by("pk")


def versions_to_enter(
    pairs: Collection[StrategyBrokerAllocation], wall: datetime
) -> dict[int, StrategyVersion]:
    """By pair, the version its next entry runs: the newest of an own strategy, the granted one of a
    subscribed basket; a pair whose grant has ended has none."""
    own = [p for p in pairs if p.strategy.basket.owner_id == p.broker_account.user_id]
    newest = newest_versions({pair.strategy_id for pair in own})
    chosen = {pair.pk: newest[pair.strategy_id] for pair in own if pair.strategy_id in newest}
    granted = [pair for pair in pairs if pair.pk not in {p.pk for p in own}]
    if not granted:
        return chosen
    grants = {
        (grant.user_id, grant.basket_id): grant
        for grant in BasketGrant.objects.filter(
            Q(entries_until=None) | Q(entries_until__gt=wall),
            user__in={p.broker_account.user_id for p in granted},
        ).select_related("version")
    }
    wanted: dict[int, int] = {}
    for pair in granted:
        grant = grants.get((pair.broker_account.user_id, pair.strategy.basket_id))
        for row in grant.version.contents if grant else []:
            if row["strategy"] == pair.strategy_id:
                wanted[pair.pk] = row["strategy_version"]
    found = versions_by_id(wanted.values())
    return chosen | {pair: found[version] for pair, version in wanted.items() if version in found}


def _trades(timeline: Timeline, pairs: set[int], shares: set[int]) -> dict[int, Trade]:
    """By pair, its open trade; what its flat rows have realised since is taken off `realised_before`."""
    entries = (
        StrategyExecution.objects.filter(
            timeline=timeline, allocation__in=pairs, phase="entry", started_at__isnull=False
        )
        .order_by("allocation_id", "-started_at")
        .distinct("allocation_id")
        .values_list("allocation_id", "pk", "lots", "realised_before", "started_at")
    )
    found = {pair: (pk, lots, before, since) for pair, pk, lots, before, since in entries}
    flat: dict[int, Decimal] = defaultdict(Decimal)
    rows = Position.objects.filter(timeline=timeline, allocation__in=pairs, quantity=0)
    for pair, realised in rows.values_list("allocation_id", "realised"):
        flat[pair] += realised
    premiums = _premiums({pk for pair, (pk, *_) in found.items() if pair in shares})
    trades = {}
    for pair in pairs:
        pk, lots, before, since = found.get(pair, (0, 1, ZERO, None))
        trades[pair] = Trade(lots, before - flat[pair], since, premiums.get(pk))
    return trades


def _premiums(entries: set[int]) -> dict[int, Decimal]:
    """By entry, the premium that its options took in (negative: cost), in rupees."""
    if not entries:
        return {}
    paid = Case(
        When(side="SELL", then=F("average_price") * F("filled_quantity")),
        default=-F("average_price") * F("filled_quantity"),
        output_field=DecimalField(max_digits=20, decimal_places=4),
    )
    orders = Order.objects.filter(
        execution__in=entries, action=Order.Action.OPEN, filled_quantity__gt=0
    ).exclude(contract__strike=None)
    sums = orders.order_by().values("execution_id").annotate(premium=Sum(paid))
    return {row["execution_id"]: row["premium"] for row in sums}
