"""Which expiry days an index has: dated weekday rules, shifted to the previous trading day.

Dates are as finally effective: a contract that a circular re-dated is listed under its new day.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from market.facts import tables
from market.facts.values import ExpiryRule, Facts
from market.kernel import calendar
from market.kernel.calendar import OutsideCoverage

LISTED_MONTHLIES = 3
Kind = Literal["weekly", "monthly"]


@dataclass(frozen=True, slots=True, order=True)
class Expiry:
    day: date
    kind: Kind


def expiries(underlying: str, on: date, *, facts: Facts | None = None) -> list[Expiry]:
    """The weeklies and the next three monthlies listed on that day, ascending.

    An expiry is listed up to and including its own day. Near the end of the coverage the list is
    shorter: an expiry whose holidays are not published yet has no known day.
    """
    known = facts or tables.in_force()
    _require_covered(underlying, on, known)
    wanted = {"weekly": known.underlyings[underlying].listed_weeklies, "monthly": LISTED_MONTHLIES}
    listed = []
    for expiry in _schedule(underlying, known):
        if expiry.day >= on and wanted[expiry.kind] > 0:
            wanted[expiry.kind] -= 1
            listed.append(expiry)
    return listed


def weekly_expiries(
    underlying: str, on: date, count: int, *, facts: Facts | None = None
) -> list[date]:
    """The next `count` weekly expiry days from that day on; a monthly is not one of them.

    Empty when the index has no weeklies then.
    """
    known = facts or tables.in_force()
    _require_covered(underlying, on, known)
    if not _has_weeklies_after(underlying, on, known):
        return []
    return _next(underlying, on, count, "weekly", known)


def has_weeklies(underlying: str, on: date, *, facts: Facts | None = None) -> bool:
    """Whether the index has weekly expiries then, also where the next one's day is not known yet."""
    known = facts or tables.in_force()
    _require_covered(underlying, on, known)
    return _has_weeklies_after(underlying, on, known)


def known_to(underlying: str, *, facts: Facts | None = None) -> date:
    """The last day up to which the expiry days of the index are known."""
    return _covered(underlying, facts or tables.in_force())[1]


def monthly_expiries(
    underlying: str, on: date, count: int, *, facts: Facts | None = None
) -> list[date]:
    """The next `count` monthly expiry days from that day on."""
    known = facts or tables.in_force()
    _require_covered(underlying, on, known)
    return _next(underlying, on, count, "monthly", known)


def kind_of(underlying: str, expiry: date, *, facts: Facts | None = None) -> Kind:
    """Weekly or monthly; a day that is no known expiry, or lies later, counts as monthly.

    Contracts beyond the calendar's coverage are the quarterly ones, which expire with a month.
    """
    known = facts or tables.in_force()
    return _kinds(underlying, known).get(expiry, "monthly")


def _next(underlying: str, on: date, count: int, kind: Kind, facts: Facts) -> list[date]:
    schedule = _schedule(underlying, facts)
    days = [expiry.day for expiry in schedule if expiry.kind == kind and expiry.day >= on]
    last_rule = max(rule.last for rule in facts.expiry_rules[underlying] if rule.kind == kind)
    known_to = _covered(underlying, facts)[1]
    if len(days) < count and last_rule >= known_to:
        raise OutsideCoverage(
            f"{underlying} has only {len(days)} {kind} expiries from {on} within the coverage "
            f"to {known_to}; {count} were asked for."
        )
    return days[:count]


def _has_weeklies_after(underlying: str, on: date, facts: Facts) -> bool:
    return any(rule.kind == "weekly" and rule.last >= on for rule in facts.expiry_rules[underlying])


@lru_cache(maxsize=64)
def _kinds(underlying: str, facts: Facts) -> dict[date, Kind]:
    return {expiry.day: expiry.kind for expiry in _schedule(underlying, facts)}


@lru_cache(maxsize=64)
def _schedule(underlying: str, facts: Facts) -> list[Expiry]:
    exchange = facts.underlyings[underlying].exchange
    first, last = _covered(underlying, facts)
    rules = facts.expiry_rules[underlying]
    monthly = [day for rule in rules if rule.kind == "monthly" for day in _month_ends(rule)]
    taken = {_week(day) for day in monthly}
    weekly = [day for rule in rules if rule.kind == "weekly" for day in _every_week(rule)]
    scheduled = [Expiry(day, "monthly") for day in monthly]
    scheduled += [Expiry(day, "weekly") for day in weekly if _week(day) not in taken]
    return sorted(
        Expiry(_shifted(exchange, expiry.day, facts), expiry.kind)
        for expiry in scheduled
        if first <= expiry.day <= last
    )


def _every_week(rule: ExpiryRule) -> list[date]:
    first = rule.first + timedelta(days=(rule.weekday - rule.first.weekday()) % 7)
    return [first + timedelta(weeks=n) for n in range((rule.last - first).days // 7 + 1)]


def _month_ends(rule: ExpiryRule) -> list[date]:
    days = _every_week(rule)
    return [day for day in days if (day + timedelta(weeks=1)).month != day.month]


def _week(day: date) -> tuple[int, int]:
    return day.isocalendar()[:2]


def _shifted(exchange: str, day: date, facts: Facts) -> date:
    while not calendar.can_expire(exchange, day, facts=facts):
        day -= calendar.ONE_DAY
    return day


def _require_covered(underlying: str, on: date, facts: Facts) -> None:
    rules = facts.expiry_rules.get(underlying)
    if rules is None:
        raise OutsideCoverage(
            f"Unknown underlying {underlying!r}; known: {', '.join(sorted(facts.expiry_rules))}."
        )
    first, last = _covered(underlying, facts)
    if not first <= on <= last:
        raise OutsideCoverage(
            f"{underlying} expiries are known from {first} to {last}, not {on}: the expiry weekdays "
            f"or the calendar of {on.year} are missing."
        )


def _covered(underlying: str, facts: Facts) -> tuple[date, date]:
    """From its first rule to its last, as far as its exchange's calendar reaches."""
    rules = facts.expiry_rules[underlying]
    first, last = facts.reach[facts.underlyings[underlying].exchange]
    last_rule = max(rule.last for rule in rules)
    return max(first, min(rule.first for rule in rules)), min(last, last_rule)
