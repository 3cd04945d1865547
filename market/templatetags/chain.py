"""The cells of the option chain; static/js/live.js keeps them current on the channel of the chain."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from market.catalogue.chain import Side
from users.templatetags.money import NOTHING, greek, rupees

register = template.Library()

FROM_QUOTE = ("bid", "ask", "ltp", "oi", "volume")


@register.simple_tag
def chain_cell(channel: str, side: Side | None, column: tuple[str, str, str]) -> SafeString:
    """`<td>` of one figure of one option; a dash where there is none."""
    field, _, kind = column
    if side is None:
        return format_html('<td class="num">{}</td>', NOTHING)
    money = " itm" if side.in_the_money else ""
    return format_html(
        '<td class="num{}"{} data-live="{}:{}:{}" data-format="{}">{}</td>',
        money, " data-stale" if side.stale else "", channel, row_key(side.symbol), field, kind,
        shown(_value(side, field), kind),
    )  # fmt: skip


@register.simple_tag
def chain_fact(channel: str, field: str, value: Any, kind: str) -> SafeString:
    """A figure of the whole expiry."""
    return format_html(
        '<span data-live="{}:head:{}" data-format="{}">{}</span>',
        channel, field, kind, shown(value, kind),
    )  # fmt: skip


@register.filter
def moneyness(value: float | None) -> str:
    """How far the strike lies from the forward: +0.42%."""
    if value is None:
        return NOTHING
    text = greek(100 * (value - 1), 1)
    return f"{text}%" if value < 1 or text == "0.0" else f"+{text}%"


def row_key(symbol: str) -> str:
    """The option within its expiry: 24600CE."""
    _, _, strike, option_type = symbol.split("-")
    return f"{strike}{option_type}"


def shown(value: Any, kind: str) -> str:
    """The text of a value, as static/js/live.js shows it."""
    if value is None:
        return NOTHING
    if kind == "percent":
        return f"{100 * value:.1f}%"
    if kind in ("greek", "gamma"):
        return greek(value, 4 if kind == "gamma" else 2)
    return rupees(Decimal(str(value)), 0 if kind == "rupees0" else 2)


def _value(side: Side, field: str) -> Any:
    return getattr(side.quote if field in FROM_QUOTE else side, field)
