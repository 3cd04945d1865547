"""What a file gives: its usable rows, those left out on purpose, and the bad ones with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from market.kernel.contracts import UNDERLYINGS, Contract
from market.kernel.frame import Quote

INDICES = frozenset({*UNDERLYINGS, "SENSEX50"})
"""Indices whose options are listed; our facts need not cover each."""

Progress = Callable[[int, int], None]
"""Told (rows done, rows in all) now and then."""


class UnknownFormat(ValueError):
    """The file is none of the forms that are read here; the message says which are."""


class BadRow(NamedTuple):
    """A row that could not be used. `line` counts from 1; in a JSON list it is the position."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """One contract as a file lists it. A token is unique within its exchange (NSE or BSE) only."""

    exchange: str
    token: str
    trading_symbol: str
    contract: Contract
    lot_size: int
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Lot):
    """A row of a broker's master; `freeze` in units where the file tells it."""

    tick_size: Decimal
    freeze: int | None = None


@dataclass(slots=True)
class Master:
    """A broker's instrument master. `left_out` counts by reason what is no index contract."""

    source: str
    rows: int = 0
    listed: list[Listed] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    bad: list[BadRow] = field(default_factory=list)


@dataclass(slots=True)
class Snapshot:
    """The quotes of one instant; `iv` the exchange's own implied volatility as a fraction a year."""

    quotes: dict[str, Quote] = field(default_factory=dict)
    contracts: dict[str, Contract] = field(default_factory=dict)
    spots: dict[str, Decimal] = field(default_factory=dict)
    iv: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class QuoteFile:
    """Option quotes by instant. `listed` has the lots where the file tells them (a bhavcopy)."""

    source: str
    rows: int = 0
    snapshots: dict[datetime, Snapshot] = field(default_factory=dict)
    listed: list[Lot] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    bad: list[BadRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def kept(self) -> int:
        return sum(len(snapshot.quotes) for snapshot in self.snapshots.values())

    def snapshot(self, at: datetime) -> Snapshot:
        return self.snapshots.setdefault(at, Snapshot())
