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


def _steps(value: Decimal) -> str:
    return "at the money" if value == 0 else f"ATM {_signed(value)} strikes"


def _signed(value: Decimal) -> str:
    return f"{'+' if value > 0 else MINUS} {strike(abs(value))}"
