"""What is due now: entries, timed exits, stops and targets, rolls. Each becomes one row, once."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q

from allocations.models import StrategyBrokerAllocation
from allocations.selectors import effective_states
from baskets.models import BasketGrant
from execution.engine import closes, leave, marks, roll
from execution.engine.desk import Desk
from execution.models import Position, StrategyExecution
from market.kernel import calendar
from market.kernel.clock import at
from market.kernel.contracts import exchange_of
from market.models import Timeline
from strategies.models import StrategyVersion
from strategies.rules import is_due_day
from strategies.selectors import newest_versions, schedules_of, versions_by_id

Status = StrategyExecution.Status
UNFINISHED = [Status.DUE, Status.RUNNING]


def open_due(desk: Desk) -> None:
    """Write a row for everything that has come due; doing it again writes nothing."""
    held = _held_by_pair(desk)
    open_entries(desk, set(held))
    open_exits(desk, held)


def open_entries(desk: Desk, holding: set[int]) -> None:
    """Entries whose time has come, for pairs that hold nothing and have not been asked today."""
    pairs = [pair for pair in entering_pairs(desk.timeline) if pair.pk not in holding]
    asked = set(
        StrategyExecution.objects.filter(
            timeline=desk.timeline, trading_day=desk.day, phase="entry"
        ).values_list("allocation_id", flat=True)
    )
    pairs = [pair for pair in pairs if pair.pk not in asked]
    versions = versions_to_enter(pairs, desk)
    schedules = schedules_of(versions.values())
    rows = []
    for pair in pairs:
        version = versions.get(pair.pk)
        if version is None:
            continue
        due_at = at(desk.day, version.entry_time)
        exchange = exchange_of(pair.strategy.underlying)
        if due_at <= desk.now and is_due_day(schedules[version.pk], desk.day, exchange):
            rows.append(_entry(pair, version, due_at, desk))
    StrategyExecution.objects.bulk_create(rows, ignore_conflicts=True)


def entering_pairs(timeline: Timeline) -> list[StrategyBrokerAllocation]:
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
    return list(
        rows.select_related("strategy__basket", "broker_account__user").order_by("pk")
    )


def versions_to_enter(
    pairs: list[StrategyBrokerAllocation], desk: Desk
) -> dict[int, StrategyVersion]:
    """By pair, the version its next entry runs: the newest of an own strategy, the granted one of a
    subscribed basket; a pair whose grant has ended has none."""
    own = [p for p in pairs if p.strategy.basket.owner_id == p.broker_account.user_id]
    newest = newest_versions({pair.strategy_id for pair in own})
    chosen = {pair.pk: newest[pair.strategy_id] for pair in own if pair.strategy_id in newest}
    granted = [pair for pair in pairs if pair.pk not in {p.pk for p in own}]
    grants = {
        (grant.user_id, grant.basket_id): grant
        for grant in BasketGrant.objects.filter(
            Q(entries_until=None) | Q(entries_until__gt=desk.wall),
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
    return chosen | {
        pair: found[version] for pair, version in wanted.items() if version in found
    }


def open_exits(desk: Desk, held: dict[int, list[Position]]) -> None:
    """Exits by time, profit or loss, and rolls or closes at expiry, for pairs that hold something."""
    busy = set(
        StrategyExecution.objects.filter(
            timeline=desk.timeline, phase__in=["exit", "roll"], status__in=UNFINISHED
        ).values_list("allocation_id", flat=True)
    )
    free = {pair: rows for pair, rows in held.items() if pair not in busy}
    states = effective_states([rows[0].allocation for rows in free.values()])
    before = _realised_before(desk, set(free))
    for pair, rows in free.items():
        version = rows[0].allocation.strategy_version
        cause = "kill" if states[pair].state == "halted" else None
        cause = cause or _cause(version, rows, before.get(pair, Decimal(0)), desk)
        expiring = [] if cause else _expiring(version, rows, desk)
        with transaction.atomic():
            if cause:
                leave.open_exit(rows, desk, cause=cause)
            elif expiring and version.at_expiry == StrategyVersion.AtExpiry.ROLL:
                roll.open_roll(pair, desk, expiry=expiring[0].contract.expiry, positions=expiring)
            elif expiring:
                leave.open_exit(rows, desk, cause="expiry")


def _entry(
    pair: StrategyBrokerAllocation, version: StrategyVersion, due_at: object, desk: Desk
) -> StrategyExecution:
    return StrategyExecution(
        allocation=pair,
        timeline=desk.timeline,
        trading_day=desk.day,
        phase="entry",
        strategy_version=version,
        lots=pair.lots,
        cause="schedule",
        due_at=due_at,
    )


def _held_by_pair(desk: Desk) -> dict[int, list[Position]]:
    """Open positions by pair, without the worthless longs that an exit left to expire."""
    rows = (
        Position.objects.filter(timeline=desk.timeline)
        .exclude(quantity=0)
        .select_related(
            "contract",
            "allocation__strategy_version",
            "allocation__strategy__basket",
            "allocation__broker_account",
        )
        .order_by("allocation_id", "leg_number")
    )
    held: dict[int, list[Position]] = defaultdict(list)
    for position in rows:
        if not closes.is_worthless(position, desk):
            held[position.allocation_id].append(position)
    return held


def _realised_before(desk: Desk, pairs: set[int]) -> dict[int, Decimal]:
    """By pair, what it had realised when its open trade began, less what its flat rows hold now."""
    entries = (
        StrategyExecution.objects.filter(
            timeline=desk.timeline, allocation__in=pairs, phase="entry", started_at__isnull=False
        )
        .order_by("allocation_id", "-started_at")
        .distinct("allocation_id")
        .values_list("allocation_id", "realised_before")
    )
    before = dict(entries)
    flat = Position.objects.filter(timeline=desk.timeline, allocation__in=pairs, quantity=0)
    for pair, realised in flat.values_list("allocation_id", "realised"):
        before[pair] = before.get(pair, Decimal(0)) - realised
    return before


def _cause(
    version: StrategyVersion, rows: list[Position], before: Decimal, desk: Desk
) -> str | None:
    """Why the whole pair must leave now, if it must."""
    if version.exit_time is not None and _exit_time_passed(version, rows, desk):
        return "schedule"
    pnl = marks.gross_pnl(rows, desk.frame) - before
    lots = rows[0].allocation.lots or 1
    if version.take_profit is not None and pnl >= version.take_profit * lots:
        return "target"
    if version.stop_loss is not None and pnl <= -version.stop_loss * lots:
        return "stop"
    return None


def _exit_time_passed(version: StrategyVersion, rows: list[Position], desk: Desk) -> bool:
    opened = min((row.opened_at for row in rows if row.opened_at), default=desk.now)
    yesterday = at(desk.day, version.entry_time) > opened + timedelta(hours=12)
    assert version.exit_time is not None
    return yesterday or desk.now >= at(desk.day, version.exit_time)


def _expiring(version: StrategyVersion, rows: list[Position], desk: Desk) -> list[Position]:
    """Positions whose roll or close is due by the version's rule."""
    if version.at_expiry == StrategyVersion.AtExpiry.SETTLE or version.roll_time is None:
        return []
    if desk.now < at(desk.day, version.roll_time):
        return []
    nearest: date = min(row.contract.expiry for row in rows)
    exchange = rows[0].contract.exchange
    left = calendar.trading_days_between(exchange, desk.day, nearest)
    if left > version.roll_days_before:
        return []
    return [row for row in rows if row.contract.expiry == nearest]
