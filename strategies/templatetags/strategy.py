"""A strategy's rules in a trader's words."""

from __future__ import annotations

from decimal import Decimal

from django import template

from market.kernel.contracts import Contract
from strategies.models import StrategyVersion
from strategies.rules import LegRule
from users.templatetags.money import day, grouped, strike

register = template.Library()

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUS = "\u2212"
EXPIRIES = {
    "this_week": "this week",
    "next_week": "next week",
    "this_month": "this month",
    "next_month": "next month",
}


@register.filter
def strike_rule(leg: LegRule) -> str:
    """ATM + 4, delta 0.20, premium at least 25.00 …"""
    if leg.strike_value is None:
        return "future"
    value = leg.strike_value
    words = {
        "atm": _steps(value),
        "fixed": f"strike {strike(value)}",
        "delta": f"delta {abs(value):.2f}",
        "premium_closest": f"premium closest to {grouped(value)}",
        "premium_at_least": f"premium at least {grouped(value)}",
        "premium_at_most": f"premium at most {grouped(value)}",
        "percent_of_atm": f"ATM {_signed(value)}%",
        "straddle_width": f"ATM {_signed(value)} x straddle price",
        "percent_of_straddle": f"premium {strike(value)}% of the straddle",
    }
    return words[leg.strike_rule]


@register.filter
def expiry_rule(leg: LegRule) -> str:
    return day(leg.expiry_date) if leg.expiry_rule == "fixed" else EXPIRIES[leg.expiry_rule]


@register.filter
def contract_name(contract: Contract) -> str:
    """NIFTY 4 Aug 24500 CE, as a trader says it."""
    expiry = f"{contract.expiry.day} {contract.expiry:%b}"
    if contract.strike is None:
        return f"{contract.underlying} {expiry} FUT"
    return f"{contract.underlying} {expiry} {strike(contract.strike)} {contract.option_type}"


@register.filter
def entry_days(version: StrategyVersion) -> str:
    """on Mon, Tue; on expiry day; 2 trading days before expiry."""
    if version.day_rule == "expiry_day":
        return "on expiry day"
    if version.day_rule == "days_before_expiry":
        return f"{version.days_before} trading days before expiry"
    if sorted(version.weekdays) == [0, 1, 2, 3, 4]:
        return "on every trading day"
    return "on " + ", ".join(WEEKDAYS[n] for n in sorted(version.weekdays))


@register.filter
def target_rule(version: StrategyVersion) -> str:
    """2,500.00 rupees a lot; 50% of the premium; none."""
    if version.take_profit is None:
        return "none"
    return _amount(version.take_profit, version.take_profit_unit)


@register.filter
def stop_rule(version: StrategyVersion) -> str:
    """3,000.00 rupees a lot, moved by 250 for every 500 gained."""
    if version.stop_loss is None:
        return "none"
    return _amount(version.stop_loss, version.stop_loss_unit) + _trail(version)


@register.filter
def lock_rule(version: StrategyVersion) -> str:
    """800 of 2,000, then 300 more for every 500; rupees a lot."""
    if version.lock_at is None or version.lock_profit is None:
        return "none"
    words = f"keeps {grouped(version.lock_profit, places=0)} from {grouped(version.lock_at, places=0)} on"
    if version.lock_every is not None and version.lock_by is not None:
        every, more = grouped(version.lock_every, places=0), grouped(version.lock_by, places=0)
        words += f", {more} more for every {every} beyond"
    return f"{words}; rupees a lot"


@register.filter
def leg_exits(leg: LegRule) -> str:
    """stop 30% of its premium, trailing continuously; target 20 points."""
    parts = []
    if leg.stop is not None:
        parts.append(f"stop {_amount(leg.stop, leg.stop_unit, of='its')}{_trail(leg)}")
    if leg.target is not None:
        parts.append(f"target {_amount(leg.target, leg.target_unit, of='its')}")
    return "; ".join(parts)


@register.filter
def has_leg_stops(version: StrategyVersion) -> bool:
    return any(leg.stop is not None for leg in version.legs.all())


@register.filter
def has_exits(version: StrategyVersion) -> bool:
    """Whether a price may end the trade."""
    levels = (version.take_profit, version.stop_loss, version.lock_at)
    legs = (level for leg in version.legs.all() for level in (leg.stop, leg.target))
    return any(level is not None for level in (*levels, *legs))


def _amount(value: Decimal, unit: str, *, of: str = "the") -> str:
    words = {
        "rupees": f"{grouped(value)} rupees a lot",
        "percent": f"{strike(value)}% of {of} premium",
        "underlying": f"{strike(value)} points of the underlying",
        "points": f"{strike(value)} points",
    }
    return words[unit]


def _trail(rule: StrategyVersion | LegRule) -> str:
    if rule.trail == "continuous":
        return ", trailing continuously"
    if rule.trail != "stepped" or rule.trail_by is None or rule.trail_every is None:
        return ""
    return f", moved by {strike(rule.trail_by)} for every {strike(rule.trail_every)} gained"


def _steps(value: Decimal) -> str:
    return "at the money" if value == 0 else f"ATM {_signed(value)} strikes"


def _signed(value: Decimal) -> str:
    return f"{'+' if value > 0 else MINUS} {strike(abs(value))}"
