"""Day loss limits over pairs that hold something, with the positions that count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from allocations.models import ScopeLimit, StrategyBrokerAllocation
from execution.models import Position


@dataclass(frozen=True, slots=True)
class LossWatch:
    """A day loss limit over pairs that hold something: their positions of the day, and who they are."""

    key: str
    name: str
    most: Decimal
    closes: bool
    positions: list[Position]
    pairs: set[int]
    example: StrategyBrokerAllocation


def loss_watches(self) -> list[LossWatch]:
        """Every day loss limit that reaches a pair that holds something."""
        return loss_watches(self.held, self._closed_today()) if self.held else []

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
    def again(self) -> list[Again]:
        """Pairs whose last exit of the day allows a re-entry that has not been asked yet."""
        exits = self._runs.filter(
            trading_day=self.day, phase="exit", status=Status.DONE, cause__in=LEFT_BY["either"],
            only_legs=None,
        ).exclude(strategy_version__reentry="none")
        last = {run.allocation_id: run for run in exits.select_related("strategy_version").order_by("cycle")}
        if not last:
            return []
        runs: dict[int, list[StrategyExecution]] = defaultdict(list)
        for run in self._runs.filter(trading_day=self.day, allocation__in=last).order_by("cycle"):
            runs[run.allocation_id].append(run)
        pairs = list(entering_pairs(self.timeline).filter(pk__in=last))
        granted = versions_to_enter(pairs, self.wall)
        return [
            Again(pair, last[pair.pk], sum(run.phase == "entry" for run in runs[pair.pk]) + 1)
            for pair in pairs
            if pair.pk in granted and _may_enter_again(last[pair.pk], runs[pair.pk])
        ]  # fmt: skip

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
        rows = Position.objects.filter(
            timeline=self.timeline, quantity=0, allocation__broker_account__user__in=users
        ).exclude(realised=F("day_opening_pnl"), charges=F("day_charges_before"))
        return list(rows.select_related("allocation__strategy", "allocation__broker_account"))

    def _positions(self) -> QuerySet[Position]:
        rows = Position.objects.filter(timeline=self.timeline).exclude(quantity=0)
        return rows.select_related(
            "contract",
            "allocation__strategy_version",
            "allocation__strategy__basket",
            "allocation__broker_account",
        ).order_by("allocation_id", "leg_number")


def _may_enter_again(left: StrategyExecution, runs: list[StrategyExecution]) -> bool:
    """Nothing of the pair is under way, no entry was asked since it left, and the count allows one."""
    version, entries = left.strategy_version, [run for run in runs if run.phase == "entry"]
    asked = sum(run.cause == "reentry" for run in entries)
    return (
        left.cause in LEFT_BY[version.reentry_after]
        and asked < version.reentry_count
        and not any(run.status in (Status.DUE, Status.RUNNING) for run in runs)
        and not any(run.due_at >= left.finished_at for run in entries if left.finished_at)
        and not any(run.phase == "exit" and run.cycle > left.cycle for run in runs)
    )


def loss_watches(
    held: Mapping[int, list[Position]], closed: Iterable[Position]
) -> list[LossWatch]:
    """Of each pair that holds something, and of each wider limit over one; what was closed today counts."""
    by_pair: dict[int, list[Position]] = {pair: list(rows) for pair, rows in held.items()}
    for row in closed:
        by_pair.setdefault(row.allocation_id, []).append(row)
    pairs = {pk: rows[0].allocation for pk, rows in by_pair.items()}
    watches = [
        LossWatch(f"pair:{pk}", f"pair {pairs[pk].name}", pairs[pk].max_day_loss,
                  pairs[pk].square_off_at_loss, by_pair[pk], {pk}, pairs[pk])
        for pk in held
    ]  # fmt: skip
    users = {pairs[pk].broker_account.user_id for pk in held}
    rows = ScopeLimit.objects.filter(user__in=users, max_day_loss__isnull=False)
    for limit in rows.select_related("broker_account", "basket").order_by("pk"):
        inside = {pk for pk, pair in pairs.items() if limit.reaches(pair)}
        open_pairs = sorted(inside & held.keys())
        if open_pairs and limit.max_day_loss is not None:
            positions = [row for pk in sorted(inside) for row in by_pair[pk]]
            watches.append(
                LossWatch(f"limit:{limit.pk}", limit.name, limit.max_day_loss, limit.square_off_at_loss,
                          positions, set(open_pairs), pairs[open_pairs[0]])
            )  # fmt: skip
    return watches
