"""What will touch the user's money next: entries, exits, rolls and settlements by the clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from allocations.models import StrategyBrokerAllocation
from allocations.risk import Effective
from execution.engine.schedule import entry_time
from execution.models import Position
from execution.selectors import executions_of, positions_of
from market.kernel import calendar
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import at, ist_day
from market.kernel.contracts import exchange_of
from market.models import Timeline
from strategies import selectors as strategies
from strategies.models import StrategyVersion
from strategies.rules import Schedule, Unresolvable, is_due_day
from users.models import User

DAYS_AHEAD = 14


@dataclass(frozen=True, slots=True)
class Next:
    """One thing that will happen to one pair; `other_day` when it is not today."""

    at: datetime
    verb: str
    words: str
    other_day: bool
    pair: int
    basket: int
    strategy: str
    account: str


def agenda(
    user: User,
    pairs: Iterable[StrategyBrokerAllocation],
    states: Mapping[int, Effective],
    timeline: Timeline | None,
) -> dict[int, Next]:
    """By pair, what it does next by its schedule; stops and targets may come earlier."""
    if timeline is None or timeline.market_now is None:
        return {}
    known, now = list(pairs), timeline.market_now
    held: dict[int, list[Position]] = {}
    for position in positions_of(user, timeline).exclude(quantity=0):
        held.setdefault(position.allocation_id, []).append(position)
    versions = strategies.versions_for(user, {pair.strategy for pair in known})
    entered = set(
        executions_of(user)
        .filter(timeline=timeline, trading_day=ist_day(now), phase="entry")
        .values_list("allocation_id", flat=True)
    )
    found = {}
    for pair in known:
        if pair.pk in held:
            moment = _leaving(pair, held[pair.pk], now)
        elif states[pair.pk].state == "active" and pair.lots:
            moment = _entering(pair, versions.get(pair.strategy_id), now, entered=pair.pk in entered)
        else:
            moment = None
        if moment is not None:
            found[pair.pk] = _next(pair, *moment, now=now)
    return found


def first(upcoming: Iterable[Next]) -> Next | None:
    """The earliest; pairs that do the same at the same moment are named together."""
    rows = sorted(upcoming, key=lambda row: (row.at, row.pair))
    if not rows:
        return None
    head = rows[0]
    together = [r for r in rows if (r.at, r.verb, r.strategy) == (head.at, head.verb, head.strategy)]
    accounts = " and ".join(row.account for row in together)
    return replace(head, words=f"{head.strategy} {head.verb.lower()} on {accounts}")


def _next(pair: StrategyBrokerAllocation, when: datetime, verb: str, *, now: datetime) -> Next:
    return Next(
        at=when,
        verb=verb,
        words=f"{pair.strategy.name} {verb.lower()} on {pair.broker_account.label}",
        other_day=ist_day(when) != ist_day(now),
        pair=pair.pk,
        basket=pair.strategy.basket_id,
        strategy=pair.strategy.name,
        account=pair.broker_account.label,
    )


def _leaving(
    pair: StrategyBrokerAllocation, held: list[Position], now: datetime
) -> tuple[datetime, str] | None:
    version = pair.strategy_version
    if version.exit_time is not None:
        return max(at(ist_day(now), version.exit_time), now), "Exits"
    nearest = min(position.contract.expiry for position in held)
    exchange = exchange_of(pair.strategy.underlying)
    try:
        if version.at_expiry == StrategyVersion.AtExpiry.SETTLE or version.roll_time is None:
            return calendar.settlement_time(exchange, nearest), "Settles"
        day = _trading_days_before(exchange, nearest, version.roll_days_before)
    except OutsideCoverage:
        return None
    verb = "Rolls" if version.at_expiry == StrategyVersion.AtExpiry.ROLL else "Closes"
    return max(at(day, version.roll_time), now), verb


def _trading_days_before(exchange: str, day: date, count: int) -> date:
    for _ in range(count):
        day = calendar.previous_trading_day(exchange, day)
    return day


def _entering(
    pair: StrategyBrokerAllocation,
    version: StrategyVersion | None,
    now: datetime,
    *,
    entered: bool,
) -> tuple[datetime, str] | None:
    if version is None:
        return None
    schedule = strategies.terms(version).schedule(pair.strategy.underlying)
    today = ist_day(now)
    for ahead in range(DAYS_AHEAD):
        day = today + timedelta(days=ahead)
        when = entry_time(pair, version, day)
        late = when + timedelta(seconds=version.entry_tolerance_seconds) < now
        if (ahead == 0 and (entered or late)) or not _due(schedule, day) or day in version.skip_days:
            continue
        return when, "Enters"
    return None


def _due(schedule: Schedule, day: date) -> bool:
    try:
        return is_due_day(schedule, day, exchange_of(schedule.underlying))
    except (OutsideCoverage, Unresolvable):
        return False
