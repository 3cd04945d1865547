"""Cells that static/js/live.js keeps current; what the server knows stands in them already."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from users.templatetags.money import direction, greek, rupees, signed

register = template.Library()


@register.simple_tag
def live(path: str, *rest: Any) -> SafeString:
    """`{% live "summary:all:net" value "pnl" %}` or `{% live key "net" value "pnl" %}`."""
    *field, value, kind = rest
    where = ":".join([path, *field])
    css = f"pnl {direction(_amount(value))}" if kind == "pnl" else ""
    return format_html(
        '<span data-live="{}" data-format="{}" class="{}">{}</span>', where, kind, css, shown(value, kind)
    )


def shown(value: Any, kind: str) -> str:
    """The text of a value, as static/js/money.js shows it."""
    if kind in ("greek", "gamma"):
        return greek(value, 4 if kind == "gamma" else 2)
    amount = _amount(value)
    if kind == "pnl":
        return signed(amount)
    if kind == "quantity":
        return signed(amount, 0)
    return rupees(amount, 0 if kind == "rupees0" else 2)


def _amount(value: Any) -> Decimal | None:
    return None if value is None or value == "" else Decimal(str(value))
