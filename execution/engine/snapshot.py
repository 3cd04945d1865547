"""What a tick reads. In a world of one thread it stands until the next write, so quiet frames read nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime, timedelta
from functools import cached_property

from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from allocations.models import PendingLimit, StrategyBrokerAllocation
from allocations.risk import Effective
from allocations.selectors import effective_states
from baskets.models import BasketGrant
from execution.engine import comebacks, siblings
from execution.engine.chasing import OpenOrder
from execution.engine.comebacks import Again, LegAgain, Runs
from execution.engine.kept_rows import CLOSED, CORRIGIBLE, OPEN_ORDERS, PAIRS, POSITIONS, UNFINISHED
from execution.engine.losses import LossWatch, loss_watches
from execution.engine.stops_seen import BrokerStops
from execution.engine.trades import Trade, has_bounds, is_share_of_premium, open_trades
from execution.models import (
    COMING_BACK,
    Position,
    ReceiptAccount,
    Settlement,
    StopWatch,
    StrategyExecution,
)
from execution.reconcile.books import accounts_in
from market.kernel.clock import IST
from market.models import Timeline
from strategies.models import StrategyVersion
from strategies.rules import LegRule, Schedule
from strategies.selectors import newest_versions, schedules_of, versions_by_id, watched_legs

Status = StrategyExecution.Status
RECEIPT_LIFE = timedelta(days=1)  # a receipt is not looked at for longer


class Snapshot:
    """The rows of one world on one day, each kind read when it is first asked for, then kept.

    Celery makes one for every tick, at that market time. A headless run keeps one for all the day's times
    and forgets it when anything is written.
    """

    def __init__(self, timeline: Timeline, day: date, wall: datetime, *, now: datetime | None = None) -> None:
        self.timeline, self.day, self.wall, self.now = timeline, day, wall, now

    def forget(self) -> None:
        """Read everything anew from here on."""
        kept = ("timeline", "day", "wall", "now")
        self.__dict__ = {name: self.__dict__[name] for name in kept}

    @cached_property
    def has_waiting_limits(self) -> bool:
        """Whether a looser limit was asked for on another day of the market."""
        return PendingLimit.objects.exclude(asked_on=self.day).exists()

    @cached_property
    def held(self) -> dict[int, list[Position]]:
        """Open positions by pair."""
        held: dict[int, list[Position]] = defaultdict(list)
        for position in POSITIONS.rows(timeline=self.timeline.pk):
            held[position.allocation_id].append(position)
        for pair in PAIRS.rows(pairs=list(held)) if held else []:
            for position in held[pair.pk]:
                position.allocation = pair
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
        return {pair: legs for pair, phase, legs in self._changing if phase == "exit"}

    @cached_property
    def watched_legs(self) -> dict[int, dict[int, LegRule]]:
        """By version that is held, its legs with a stop or target of their own."""
        versions = {rows[0].allocation.strategy_version_id for rows in self.held.values()}
        return watched_legs(versions) if versions else {}

    @cached_property
    def watches(self) -> dict[tuple[int, str], StopWatch]:
        """By pair and contract ("" for the whole trade), what its stops have seen."""
        pairs = {pair: rows[0].allocation for pair, rows in self.held.items()}
        legs = self.watched_legs
        guarded = [pk for pk, p in pairs.items() if has_bounds(p) or p.strategy_version_id in legs]
        if not guarded:
            return {}
        rows = StopWatch.objects.filter(timeline=self.timeline, allocation__in=guarded)
        return {(row.allocation_id, row.symbol): row for row in rows}

    @cached_property
    def adjusting(self) -> set[int]:
        """Pairs one leg of which is being changed: a roll waits until that is over."""
        return {pair for pair, phase, _ in self._changing if phase == "adjust"}

    @cached_property
    def _changing(self) -> list[tuple[int, str, list[int] | None]]:
        """(pair, phase, legs) of exits and adjustments under way of what is held; a leg that waits to
        come back is none."""
        rows = self._runs.filter(phase__in=["exit", "adjust"], status__in=[Status.DUE, Status.RUNNING])
        rows = rows.exclude(COMING_BACK)
        return list(rows.values_list("allocation_id", "phase", "only_legs")) if self.held else []

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
        return open_trades(self.timeline, set(bound), shares)

    @cached_property
    def abandoned(self) -> set[int]:
        """Pairs whose open trade must end: all were wanted or none, and a sibling did not complete."""
        pairs = (rows[0].allocation for rows in self.held.values())
        return siblings.abandoned(pairs, self.timeline)

    @cached_property
    def loss_watches(self) -> list[LossWatch]:
        """Every day loss limit that reaches a pair that holds something."""
        return loss_watches(self.held, self._closed_today()) if self.held else []

    @cached_property
    def unasked(self) -> list[StrategyBrokerAllocation]:
        """Pairs that may enter in this world and have not been asked today; before their time they are
        left out where that is known."""
        asked = self._runs.filter(allocation=OuterRef("pk"), trading_day=self.day, phase="entry")
        rows = entering_pairs(self.timeline).exclude(Exists(asked))
        if self.now is not None:  # jitter only makes it later
            due = StrategyVersion.objects.filter(
                strategy=OuterRef("strategy"), entry_time__lte=self.now.astimezone(IST).time()
            )
            rows = rows.filter(Exists(due))
        return list(rows)

    @cached_property
    def versions(self) -> dict[int, StrategyVersion]:
        """By pair not asked yet, the version that it would enter."""
        return versions_to_enter(self.unasked, self.wall) if self.unasked else {}

    @cached_property
    def schedules(self) -> dict[int, Schedule]:
        """By version that may enter, its days."""
        return schedules_of(self.versions.values())

    @cached_property
    def broker_stops(self) -> BrokerStops:
        """Stops that rest at the broker, or have fired there."""
        return BrokerStops(self.timeline, self.held)

    @cached_property
    def again(self) -> list[Again]:
        """Pairs that left today by a stop or target and may enter again."""
        exits, runs = self._left_today
        return comebacks.pairs_again(exits, runs, self._may_enter) if exits else []

    @cached_property
    def legs_again(self) -> list[LegAgain]:
        """Legs that left today by their own stop or target and may come back into their trade."""
        exits, runs = self._left_today
        return comebacks.legs_again(exits, runs, self._may_enter) if exits else []

    @cached_property
    def _left_today(self) -> tuple[list[StrategyExecution], Runs]:
        exits = comebacks.exits_of_day(self.timeline, self.day)
        pairs = {run.allocation_id for run in exits}
        return exits, comebacks.runs_by_pair(self._runs, self.day, pairs) if pairs else {}

    def _may_enter(self, pairs: Collection[int]) -> list[StrategyBrokerAllocation]:
        if not pairs:
            return []
        rows = list(entering_pairs(self.timeline).filter(pk__in=pairs))
        granted = versions_to_enter(rows, self.wall)
        return [pair for pair in rows if pair.pk in granted]

    @cached_property
    def corrigible(self) -> list[Settlement]:
        """Provisional settlements that no final one has corrected."""
        return CORRIGIBLE.rows(timeline=self.timeline.pk)

    @cached_property
    def unfinished(self) -> list[tuple[int, str, Status, datetime]]:
        """(id, phase, status, due time) of runs that have not ended."""
        rows = UNFINISHED.rows(timeline=self.timeline.pk)
        return [(pk, phase, Status(status), due) for pk, phase, status, due in rows]

    @cached_property
    def open_orders(self) -> list[OpenOrder]:
        """Orders that are not at their end, exits before entries: what reduces risk is sent first."""
        return [OpenOrder(*row) for row in OPEN_ORDERS.rows(timeline=self.timeline.pk)]

    @cached_property
    def books(self) -> list[tuple[int, datetime | None]]:
        """Accounts that trade here, and when their books are to be read next."""
        return accounts_in(self.timeline)

    @cached_property
    def unverified(self) -> list[tuple[int, datetime | None]]:
        """(id, when to look) of receipts' accounts that the broker has not confirmed flat."""
        rows = ReceiptAccount.objects.filter(
            receipt__timeline=self.timeline, verified_at=None, receipt__at__gt=self.wall - RECEIPT_LIFE
        )
        return list(rows.order_by("pk").values_list("pk", "next_check_at"))

    @property
    def _runs(self) -> QuerySet[StrategyExecution]:
        return StrategyExecution.objects.filter(timeline=self.timeline)

    def _closed_today(self) -> list[Position]:
        """Flat rows with a result of the day, of the users who hold something."""
        users = {rows[0].allocation.broker_account.user_id for rows in self.held.values()}
        return CLOSED.rows(timeline=self.timeline.pk, users=list(users))


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
