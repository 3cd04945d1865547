"""Expiry rules and entry days, from the dated list of expiries and the exchange's calendar.

"This week" is the nearest expiry of the weekly cycle, today included; in the last week of a month
the monthly stands in for the weekly. "This month" is the nearest monthly, so after a monthly expiry
it is the next one. An index without weeklies has no "this week".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from market.kernel import calendar, contracts
from market.kernel.calendar import OutsideCoverage
from strategies.rules.values import Code, LegRule, Unresolvable

WEEKLY = ("this_week", "next_week")
MONTHLY = ("this_month", "next_month")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """On which days a strategy enters; `expiry_rule` is that of its nearest leg."""

    underlying: str
    day_rule: str
    weekdays: tuple[int, ...] = ()
    days_before: int = 0
    expiry_rule: str = "this_week"
    expiry_date: date | None = None


def expiry_of(leg: LegRule, *, underlying: str, day: date) -> date:
    """The expiry day that the leg's rule means on that day."""
    listed = _listed(leg.expiry_rule, underlying, day)
    if leg.expiry_rule == "fixed":
        return _fixed(leg, underlying, day, listed)
    position = 1 if leg.expiry_rule.startswith("next_") else 0
    wanted = f"the expiry of {leg.expiry_rule.replace('_', ' ')} on {day}"
    expiry = _at(listed, position, underlying, wanted)
    if leg.option_type == "FUT":
        _require_future(underlying, expiry, day)
    return expiry


def next_expiry(leg: LegRule, *, underlying: str, after: date, day: date) -> date:
    """The next expiry of the leg's own cycle, weekly or monthly, after the one it holds."""
    rule = _cycle(leg, underlying, after)
    later = [expiry for expiry in _listed(rule, underlying, day) if expiry > after]
    return _at(later, 0, underlying, f"the expiry after {after}")


def is_due_day(schedule: Schedule, day: date, exchange: str) -> bool:
    """Whether the strategy enters on that day.

    `weekdays` asks the weekday alone; `expiry_day` and `days_before_expiry` count trading days to the
    nearest expiry of the strategy's cycle, so they follow an expiry that a holiday moved.
    """
    if not calendar.is_trading_day(exchange, day):
        return False
    if schedule.day_rule == "weekdays":
        return day.weekday() in schedule.weekdays
    days = 0 if schedule.day_rule == "expiry_day" else schedule.days_before
    nearest = _nearest_expiry(schedule, day)
    return nearest is not None and calendar.trading_days_between(exchange, day, nearest) == days


def nearest_rule(legs: Iterable[LegRule]) -> LegRule:
    """The leg whose cycle the schedule counts by: weekly before monthly before a fixed date."""
    order = {"this_week": 0, "next_week": 1, "this_month": 2, "next_month": 3, "fixed": 4}
    return min(legs, key=lambda leg: (order[leg.expiry_rule], leg.expiry_date or date.min))


def _nearest_expiry(schedule: Schedule, day: date) -> date | None:
    if schedule.expiry_rule == "fixed":
        fixed = schedule.expiry_date
        return fixed if fixed is not None and fixed >= day else None
    return next(iter(_listed(schedule.expiry_rule, schedule.underlying, day)), None)


def _listed(rule: str, underlying: str, day: date) -> list[date]:
    """Expiry days that the rule chooses from, ascending: all of them, or the monthlies alone."""
    try:
        listed = contracts.expiries(underlying, day)
    except OutsideCoverage as error:
        raise Unresolvable(Code.NO_SUCH_EXPIRY, str(error)) from error
    if rule in WEEKLY and not contracts.has_weeklies(underlying, day):
        raise Unresolvable(
            Code.NO_WEEKLY_EXPIRY,
            f"{underlying} has no weekly expiries; choose this month or next month.",
        )
    return [expiry.day for expiry in listed if rule not in MONTHLY or expiry.kind == "monthly"]


def _fixed(leg: LegRule, underlying: str, day: date, listed: list[date]) -> date:
    if leg.expiry_date is not None and leg.expiry_date > contracts.known_to(underlying):
        _at([], 0, underlying, f"an expiry on {leg.expiry_date}")
    if leg.expiry_date not in listed:
        raise Unresolvable(
            Code.NO_SUCH_EXPIRY,
            f"{underlying} has no expiry on {leg.expiry_date}; listed: {_days(listed)}.",
        )
    if leg.option_type == "FUT":
        _require_future(underlying, leg.expiry_date, day)
    return leg.expiry_date


def _require_future(underlying: str, expiry: date, day: date) -> None:
    if expiry not in _listed("this_month", underlying, day):
        raise Unresolvable(
            Code.NO_SUCH_EXPIRY,
            f"{underlying} has no future that expires on {expiry}; futures expire monthly.",
        )


def _cycle(leg: LegRule, underlying: str, held: date) -> str:
    if leg.option_type == "FUT" or leg.expiry_rule in MONTHLY:
        return "this_month"
    if leg.expiry_rule in WEEKLY:
        return "this_week"
    return "this_month" if contracts.kind_of(underlying, held) == "monthly" else "this_week"


def _at(days: list[date], position: int, underlying: str, wanted: str) -> date:
    """The day at that position. The cycles go on, so one that is missing is mostly not known yet."""
    if position >= len(days):
        raise Unresolvable(
            Code.NO_SUCH_EXPIRY,
            f"{underlying}: {wanted} is not listed or not known yet; "
            f"the market facts reach to {contracts.known_to(underlying)}.",
        )
    return days[position]


def _days(days: list[date]) -> str:
    return ", ".join(day.isoformat() for day in days)
