"""Margin parameters as dated rows, from margin_rates.csv: each with its source and confidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from market.facts import tables


@dataclass(frozen=True, slots=True)
class MarginRate:
    """One parameter in force from `first` to `last`; a share of 1, except moves and switches."""

    component: str
    first: date
    last: date
    rate: Decimal
    confidence: str


@cache
def margin_rates() -> tuple[MarginRate, ...]:
    """Every row of the table."""
    return tuple(
        MarginRate(
            row["component"],
            date.fromisoformat(row["first"]),
            date.fromisoformat(row["last"]),
            Decimal(row["rate"]),
            row["confidence"],
        )
        for row in tables.rows("margin_rates.csv")
    )
