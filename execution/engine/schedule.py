"""What is due now: entries, timed exits, stops and targets, rolls. Each becomes one row, once."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from allocations.models import StrategyBrokerAllocation, TradingState
from execution import services
from execution.engine import again, broker_stops, closes, day_loss, leave, roll, tell, watching
from execution.engine.desk import Desk
from execution.engine.snapshot import Snapshot
from execution.engine.watching import Leave
from execution.models import Position, StrategyExecution
from market.kernel import calendar
from market.kernel.clock import at
from market.kernel.contracts import exchange_of
from strategies.models import StrategyVersion
from strategies.rules import Schedule, Unresolvable, is_due_day, jitter


def open_due(desk: Desk, seen: Snapshot) -> None:
    """Write a row for everything that has come due; doing it again writes nothing."""
    open_entries(desk, seen)
    again.open_reentries(desk, seen)
    broker_stops.follow_fired(desk, seen)
    again.open_comebacks(desk, seen)
    open_exits(desk, seen)


def open_entries(desk: Desk, seen: Snapshot) -> None:
    """Entries whose time has come, for pairs that hold nothing and have not been asked today."""
    holding = {pair for pair, rows in seen.held.items() if _alive(rows, desk)}
    late = {
        pair.pk: pair
        for pair in seen.unasked
        if pair.pk not in holding and _is_late(pair, seen.versions.get(pair.pk), desk)
    }
    rows = [
        _entry(pair, seen.versions[pk], desk)
        for pk, pair in late.items()
        if _is_due_today(pair, seen.schedules[seen.versions[pk].pk], desk)
    ]
    if not rows:
        return
    StrategyExecution.objects.bulk_create(rows, ignore_conflicts=True)


def entry_time(pair: StrategyBrokerAllocation, version: StrategyVersion, day: date) -> datetime:
    """When the pair enters on that day: the version's time, and the pair's own jitter after it."""
    later = jitter(pair.public_id, day, version.jitter_seconds)
    return at(day, version.entry_time) + timedelta(seconds=later)


def _is_late(
    pair: StrategyBrokerAllocation, version: StrategyVersion | None, desk: Desk
) -> bool:
    return version is not None and entry_time(pair, version, desk.day) <= desk.now


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


def open_exits(desk: Desk, seen: Snapshot) -> None:
    """Exits by time, profit or loss, and rolls or closes at expiry, for pairs that hold something.

    A roll under way is no reason to wait: the exit ends it.
    """
    lost, leaves = day_loss.leaving(desk, seen), watching.judge(desk, seen)
    due: list[services.DueExit] = []
    for pair, rows in seen.held.items():
        if seen.leaving.get(pair, ()) is None or not _alive(rows, desk):
            continue
        halted = seen.states[pair].state == TradingState.State.HALTED
        urgent = "kill" if halted else "day_loss" if pair in lost else ""
        urgent = urgent or ("sibling" if pair in seen.abandoned else "")
        why = Leave(urgent, "") if urgent else _timed(rows, desk) or leaves.get(pair)
        if why is None and pair in seen.adjusting:
            continue
        if (exit_ := _due_exit(rows, why, desk, leaving=pair in seen.leaving)) is not None:
            due.append(exit_)
    leave.open_exits(due, desk)


def _due_exit(
    rows: list[Position], why: Leave | None, desk: Desk, *, leaving: bool
) -> services.DueExit | None:
    """The exit that is due, if any; a roll that is due instead is opened."""
    alive, version = _alive(rows, desk), rows[0].allocation.strategy_version
    if why:
        due_at = _due_at(version, why.cause, desk)
        return leave.due_exit(alive, cause=why.cause, due_at=due_at, detail=why.detail, legs=why.legs)
    expiring = _expiring(version, alive, desk)
    if not expiring:
        return None
    due_at = _due_at(version, "expiry", desk)
    if version.at_expiry != StrategyVersion.AtExpiry.ROLL:
        return leave.due_exit(alive, cause="expiry", due_at=due_at)
    if not leaving:  # legs that leave are not rolled; the others are, once these are gone
        roll.open_roll(rows[0].allocation_id, desk, due_at=due_at, positions=expiring)
    return None


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
        due_at=entry_time(pair, version, desk.day),
    )


def _alive(rows: list[Position], desk: Desk) -> list[Position]:
    """Without the worthless longs that an exit left to expire."""
    return [position for position in rows if not closes.is_worthless(position, desk)]


def _timed(rows: list[Position], desk: Desk) -> Leave | None:
    """Whether the time has come at which the version exits."""
    version = rows[0].allocation.strategy_version
    if version.exit_time is not None and _exit_time_passed(version, rows, desk):
        return Leave("schedule", "")
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
    exchange = rows[0].contract.exchange
    if calendar.unknown_hours(exchange, desk.day):  # closed for trading until they are known
        return []
    nearest: date = min(row.contract.expiry for row in rows)
    expiring = [row for row in rows if row.contract.expiry == nearest]
    due = _worth_little(version, expiring, desk) or (
        desk.now >= at(desk.day, version.roll_time)
        and calendar.trading_days_between(exchange, desk.day, nearest)
        <= version.roll_days_before
    )
    return expiring if due else []


def _worth_little(version: StrategyVersion, expiring: list[Position], desk: Desk) -> bool:
    """Whether every short option that expires can be bought back for no more than was stated."""
    if version.roll_premium is None:
        return False
    shorts = [row for row in expiring if row.quantity < 0 and row.contract.strike is not None]
    quotes = [desk.frame.quote(row.contract.symbol) for row in shorts]
    asks = [
        quote.ask
        for quote in quotes
        if quote is not None and not quote.stale(desk.now, desk.frame.cadence)
    ]
    return len(asks) == len(shorts) > 0 and all(
        ask is not None and ask <= version.roll_premium for ask in asks
    )
