"""What is due now: entries, timed exits, stops and targets, rolls. Each becomes one row, once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Q

from allocations.models import StrategyBrokerAllocation, TradingState
from allocations.selectors import effective_states
from baskets.models import BasketGrant
from execution.engine import closes, leave, marks, roll, tell
from execution.engine.desk import Desk
from execution.models import Position, StrategyExecution
from market.kernel import calendar
from market.kernel.clock import at
from market.kernel.contracts import exchange_of
from market.kernel.money import ZERO
from market.models import Timeline
from strategies.models import StrategyVersion
from strategies.rules import Schedule, Unresolvable, is_due_day
from strategies.selectors import newest_versions, schedules_of, versions_by_id

Status = StrategyExecution.Status
UNFINISHED = [Status.DUE, Status.RUNNING]


def open_due(desk: Desk) -> None:
    """Write a row for everything that has come due; doing it again writes nothing."""
    held = _held_by_pair(desk)
    open_entries(desk, {pair for pair, rows in held.items() if _alive(rows, desk)})
    open_exits(desk, held)


def open_entries(desk: Desk, holding: set[int]) -> None:
    """Entries whose time has come, for pairs that hold nothing and have not been asked today."""
    asked = set(
        StrategyExecution.objects.filter(
            timeline=desk.timeline, trading_day=desk.day, phase="entry"
        ).values_list("allocation_id", flat=True)
    )
    pairs = [p for p in entering_pairs(desk.timeline) if p.pk not in holding | asked]
    versions = versions_to_enter(pairs, desk) if pairs else {}
    late = {
        pair: version
        for pair, version in versions.items()
        if at(desk.day, version.entry_time) <= desk.now
    }
    schedules = schedules_of(late.values()) if late else {}
    rows = [
        _entry(pair, late[pair.pk], desk)
        for pair in pairs
        if pair.pk in late and _is_due_today(pair, schedules[late[pair.pk].pk], desk)
    ]
    StrategyExecution.objects.bulk_create(rows, ignore_conflicts=True)


def _is_due_today(pair: StrategyBrokerAllocation, schedule: Schedule, desk: Desk) -> bool:
    """By the schedule; one that the facts of the day cannot answer does not enter, the others do."""
    try:
        return is_due_day(schedule, desk.day, exchange_of(pair.strategy.underlying))
    except (Unresolvable, calendar.OutsideCoverage) as error:
        tell.tell(
            desk, pair, kind="schedule_unclear", severity=tell.Severity.WARNING,
            title=f"{pair.strategy.name} on {pair.broker_account.label} does not enter today",
            body=f"Its schedule cannot be read for {desk.day:%d %b %Y}: {error}",
            dedupe_key=f"schedule:{pair.public_id}:{desk.day}",
        )  # fmt: skip
        return False


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
    if not granted:
        return chosen
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
    """Exits by time, profit or loss, and rolls or closes at expiry, for pairs that hold something.

    A roll under way is no reason to wait: the exit ends it.
    """
    if not held:
        return
    leaving = set(
        StrategyExecution.objects.filter(
            timeline=desk.timeline, phase="exit", status__in=UNFINISHED
        ).values_list("allocation_id", flat=True)
    )
    free = {pair: rows for pair, rows in held.items() if pair not in leaving and _alive(rows, desk)}
    states = effective_states([rows[0].allocation for rows in free.values()]) if free else {}
    trades = _trades(desk, set(free)) if free else {}
    for pair, rows in free.items():
        halted = states[pair].state == TradingState.State.HALTED
        cause = "kill" if halted else _cause(rows, trades[pair], desk)
        _open_exit(rows, cause, desk)


def _open_exit(rows: list[Position], cause: str | None, desk: Desk) -> None:
    alive, version = _alive(rows, desk), rows[0].allocation.strategy_version
    if cause:
        leave.open_exit(alive, desk, cause=cause, due_at=_due_at(version, cause, desk))
        return
    expiring = _expiring(version, alive, desk)
    if not expiring:
        return
    due_at = _due_at(version, "expiry", desk)
    if version.at_expiry == StrategyVersion.AtExpiry.ROLL:
        roll.open_roll(rows[0].allocation_id, desk, due_at=due_at, positions=expiring)
    else:
        leave.open_exit(alive, desk, cause="expiry", due_at=due_at)


def _entry(
    pair: StrategyBrokerAllocation, version: StrategyVersion, desk: Desk
) -> StrategyExecution:
    return StrategyExecution(
        allocation=pair,
        timeline=desk.timeline,
        trading_day=desk.day,
        phase="entry",
        strategy_version=version,
        lots=pair.lots,
        cause="schedule",
        due_at=at(desk.day, version.entry_time),
    )


def _held_by_pair(desk: Desk) -> dict[int, list[Position]]:
    """Open positions by pair."""
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
        held[position.allocation_id].append(position)
    return held


def _alive(rows: list[Position], desk: Desk) -> list[Position]:
    """Without the worthless longs that an exit left to expire."""
    return [position for position in rows if not closes.is_worthless(position, desk)]


@dataclass(frozen=True, slots=True)
class Trade:
    """The trade that a pair is in: the lots it was entered with, and what was realised before it."""

    lots: int
    realised_before: Decimal


def _trades(desk: Desk, pairs: set[int]) -> dict[int, Trade]:
    """By pair, its open trade; what its flat rows have realised since is taken off `realised_before`."""
    entries = (
        StrategyExecution.objects.filter(
            timeline=desk.timeline, allocation__in=pairs, phase="entry", started_at__isnull=False
        )
        .order_by("allocation_id", "-started_at")
        .distinct("allocation_id")
        .values_list("allocation_id", "lots", "realised_before")
    )
    found = {pair: (lots, before) for pair, lots, before in entries}
    flat: dict[int, Decimal] = defaultdict(Decimal)
    rows = Position.objects.filter(timeline=desk.timeline, allocation__in=pairs, quantity=0)
    for pair, realised in rows.values_list("allocation_id", "realised"):
        flat[pair] += realised
    return {
        pair: Trade(lots, before - flat[pair])
        for pair, (lots, before) in ((p, found.get(p, (1, ZERO))) for p in pairs)
    }


def _cause(rows: list[Position], trade: Trade, desk: Desk) -> str | None:
    """Why the whole pair must leave now, if it must. Stop and target are rupees a lot that was entered."""
    version = rows[0].allocation.strategy_version
    if version.exit_time is not None and _exit_time_passed(version, rows, desk):
        return "schedule"
    pnl = marks.gross_pnl(rows, desk.frame) - trade.realised_before
    held = max(abs(row.quantity) // row.contract.lot_size for row in rows)
    lots = max(1, min(trade.lots, held))  # an entry that was only partly filled holds fewer
    if version.take_profit is not None and pnl >= version.take_profit * lots:
        return "target"
    if version.stop_loss is not None and pnl <= -version.stop_loss * lots:
        return "stop"
    return None


def _due_at(version: StrategyVersion, cause: str, desk: Desk) -> datetime:
    """When it should have gone: a frame may come later than the time that was set."""
    times = {"schedule": version.exit_time, "expiry": version.roll_time}
    due = times.get(cause)
    return desk.now if due is None else min(at(desk.day, due), desk.now)


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
