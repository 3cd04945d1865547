"""One cell of a file as a value; ValueError says which cell, what it held and what was expected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from market.kernel.money import PAISA, on_tick

LONGEST = 40
LARGEST = 10**9
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
EMPTY = ("", "-", "--", "NA")
EXAMPLE = date(2026, 8, 4)


def text(row: Mapping[str, Any], name: str) -> str:
    """The cell without blanks around it; ValueError when it is missing or empty."""
    found = _held(row, name)
    if not found:
        raise ValueError(f"{name} is empty")
    if not found.isprintable():
        raise ValueError(f"{name} {found!r} holds a character that cannot be shown")
    if len(found) > LONGEST:
        raise ValueError(f"{name} {found!r} is longer than {LONGEST} characters")
    return found


def decimal(row: Mapping[str, Any], name: str) -> Decimal:
    """A number of at most LARGEST, thousands commas allowed."""
    held = text(row, name).replace(",", "")
    if not NUMBER.fullmatch(held):
        raise ValueError(f"{name} {held!r} is not a number")
    value = Decimal(held)
    if abs(value) > LARGEST:
        raise ValueError(f"{name} {held} is above {LARGEST}")
    return value


def above_zero(row: Mapping[str, Any], name: str) -> Decimal:
    value = decimal(row, name)
    if value <= 0:
        raise ValueError(f"{name} {value} is not above 0")
    return value


def hundredths(row: Mapping[str, Any], name: str) -> Decimal:
    """A number above 0 with at most two decimals, as strikes and ticks are kept."""
    value = above_zero(row, name)
    if not on_tick(value, PAISA):
        raise ValueError(f"{name} {value} has more than two decimals")
    return value


def optional(row: Mapping[str, Any], name: str) -> Decimal | None:
    """The number; None for an empty cell, a dash or 0: how the exchanges write "none"."""
    if _held(row, name) in EMPTY:
        return None
    value = decimal(row, name)
    if value < 0:
        raise ValueError(f"{name} {value} is below 0")
    return value or None


def whole(value: Decimal, name: str) -> int:
    if value != value.to_integral_value():
        raise ValueError(f"{name} {value} is not a whole number")
    return int(value)


def day(row: Mapping[str, Any], name: str, forms: tuple[str, ...]) -> date:
    """The date in one of these strptime forms."""
    held = text(row, name)
    found = _parsed(held, forms)
    if found is None:
        examples = " or ".join(EXAMPLE.strftime(form) for form in forms)
        raise ValueError(f"{name} {held!r} is not a date such as {examples}")
    return found


def _held(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


@lru_cache(maxsize=4096)
def _parsed(held: str, forms: tuple[str, ...]) -> date | None:
    for form in forms:
        try:
            return datetime.strptime(held, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None
