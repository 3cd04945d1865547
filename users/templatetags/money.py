"""Amounts and times as an Indian trader reads them; static/js/money.js shows the same text."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from babel.numbers import format_decimal
from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

IST = ZoneInfo("Asia/Kolkata")
MINUS = "\u2212"
NOTHING = "\u2013"


def grouped(value: Decimal | int, *, places: int = 2, sign: bool = False) -> str:
    """The amount in lakh and crore groups; `sign` also writes + before a profit."""
    exact = Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    pattern = "#,##,##0" + ("." + "0" * places if places else "")
    text = format_decimal(abs(exact), format=pattern, locale="en_IN")
    if exact == 0:
        return text
    return (MINUS if exact < 0 else "+" if sign else "") + text


def direction(value: Decimal | int | None) -> str:
    """The class that colours an amount: up, down or flat."""
    if not value:
        return "flat"
    return "down" if value < 0 else "up"


@register.filter
def rupees(value: Decimal | int | None, places: int = 2) -> str:
    """12,34,567.50; a dash where there is no amount."""
    return NOTHING if value is None or value == "" else grouped(Decimal(value), places=places)


@register.filter
def signed(value: Decimal | int | None, places: int = 2) -> str:
    """The amount with its sign, profit or loss."""
    if value is None or value == "":
        return NOTHING
    return grouped(Decimal(value), places=places, sign=True)


@register.filter
def pnl(value: Decimal | int | None, places: int = 2) -> SafeString:
    """Profit or loss in its colour, with its sign and (in the style sheet) its arrow."""
    return format_html('<span class="pnl {}">{}</span>', direction(value), signed(value, places))


@register.filter(name="direction")
def direction_filter(value: Decimal | int | None) -> str:
    return direction(value)


@register.filter
def units(value: int | None) -> str:
    """A signed quantity in units: −150."""
    return signed(value, 0)


@register.filter
def greek(value: float | None, places: int = 2) -> str:
    """A Greek in groups, with a true minus sign."""
    if value is None or value == "":
        return NOTHING
    return grouped(Decimal(f"{float(value):.{places}f}"), places=places)


@register.filter
def strike(value: Decimal | None) -> str:
    """24500, or 24500.5 where a strike has a fraction."""
    return NOTHING if value is None else f"{value.normalize():f}"


@register.filter
def ist(value: datetime | None) -> str:
    """09:20:05 in India."""
    return NOTHING if value is None else f"{value.astimezone(IST):%H:%M:%S}"


@register.filter
def ist_minute(value: datetime | None) -> str:
    """09:20 in India."""
    return NOTHING if value is None else f"{value.astimezone(IST):%H:%M}"


@register.filter
def day(value: datetime | date | None) -> str:
    """Tue 4 Aug 2026, in India."""
    if value is None:
        return NOTHING
    local = value.astimezone(IST) if isinstance(value, datetime) else value
    return f"{local:%a} {local.day} {local:%b %Y}"


@register.filter
def short_day(value: datetime | None) -> str:
    """4 Aug, in India."""
    return NOTHING if value is None else f"{(local := value.astimezone(IST)).day} {local:%b}"


@register.filter
def ist_moment(value: datetime | None) -> str:
    """Tue 4 Aug 2026 09:20:05."""
    return NOTHING if value is None else f"{day(value)} {ist(value)}"


@register.filter
def until(value: datetime | None, now: datetime | None) -> str:
    """How long from now: 'in 2 h 5 min', or 'now' when it has come."""
    if value is None or now is None:
        return NOTHING
    return _in_words(value - now) if value > now else "now"


@register.filter
def ago(value: datetime | None, now: datetime | None) -> str:
    """How long before now: '42 s ago'; desk.js counts on."""
    if value is None or now is None:
        return NOTHING
    return f"{_words(max(now - value, timedelta(0)))} ago"


def _in_words(span: timedelta) -> str:
    return f"in {_words(span)}"


def _words(span: timedelta) -> str:
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


@register.filter
def unlocalized(value: float) -> str:
    """A coordinate: a point, never a comma."""
    return f"{value:g}" if abs(value) < 1000 else f"{value:.1f}"


@register.filter
def percent(value: Decimal | None) -> str:
    """0.15 as 15%."""
    return NOTHING if value is None else f"{(value * 100).normalize():f}%"
