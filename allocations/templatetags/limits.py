"""Limits in a trader's words, with their units."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import template

from allocations.models import PendingLimit, ScopeLimit, StrategyBrokerAllocation
from allocations.selectors import pending_value
from users.templatetags.money import grouped

register = template.Library()
NAMES = {
    "lots": "Lots",
    "max_lots": "Most lots",
    "max_day_loss": "Day loss, rupees",
    "max_margin": "Margin, rupees",
    "max_open_positions": "Open legs",
    "max_delta": "Delta, rupees a point",
    "max_vega": "Vega, rupees a vol point",
    "square_off_at_loss": "Square off at the day loss",
}


@register.filter
def limit_name(name: str) -> str:
    return NAMES[name]


@register.filter
def limit_value(value: Any) -> str:
    """An amount without empty paise, yes or no, or "no limit"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "no limit"
    amount = Decimal(value)
    return grouped(amount, places=0 if amount == amount.to_integral_value() else 2)


@register.filter
def in_force(row: StrategyBrokerAllocation | ScopeLimit, name: str) -> str:
    """What holds today."""
    return limit_value(getattr(row, name))


@register.filter
def waiting_value(waiting: PendingLimit) -> str:
    """What holds from the next trading day."""
    return limit_value(pending_value(waiting))
