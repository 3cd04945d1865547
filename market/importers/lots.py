"""A master against the dated facts: lots and expiries that contradict them, or that they lack."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from market.facts.values import Facts
from market.importers.rows import BadRow, Listed, Lot, Master
from market.kernel.calendar import OutsideCoverage
from market.kernel.contracts import lot_size
from market.kernel.expiries import kind_of, monthly_expiries
from market.kernel.symbols import BROKERS, to_broker


class Why(StrEnum):
    """What an operator has to look at."""

    UNKNOWN_LOT = "unknown_lot"
    OTHER_LOT = "other_lot"
    NO_EXPIRY = "no_expiry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The rows of one series that do not agree with the facts; `known_lot` None when they lack it."""

    underlying: str
    expiry: date
    lot: int
    known_lot: int | None
    why: Why
    said: str
    rows: int
    example: str


def findings(listed: Iterable[Lot], *, facts: Facts | None = None) -> list[Finding]:
    """One finding for each underlying, expiry and lot that the facts do not confirm."""
    groups: dict[tuple[str, date, int], list[Lot]] = {}
    for row in listed:
        key = (row.contract.underlying, row.contract.expiry, row.lot_size)
        groups.setdefault(key, []).append(row)
    found = (_judged(key, rows, facts) for key, rows in sorted(groups.items()))
    return [each for each in found if each is not None]


def usable(listed: Iterable[Listed], doubts: Iterable[Finding]) -> list[Listed]:
    """The rows whose lot and expiry the facts know; another lot is flagged, but the row stands."""
    unusable = {(each.underlying, each.expiry) for each in doubts if each.why is not Why.OTHER_LOT}
    return [row for row in listed if (row.contract.underlying, row.contract.expiry) not in unusable]


def check_symbols(
    master: Master, rows: list[Listed], *, facts: Facts | None = None
) -> list[Listed]:
    """The rows whose trading symbol is what the contract is called there; others become bad rows.

    Only the symbols of the brokers that are traded with are known; other masters pass.
    """
    if master.source not in BROKERS:
        return rows
    days: dict[str, set[date]] = {}
    for row in rows:
        days.setdefault(row.contract.underlying, set()).add(row.contract.expiry)
    kept = []
    for row in rows:
        reason = _wrong_symbol(master.source, row, days[row.contract.underlying], facts)
        if reason:
            master.bad.append(BadRow(row.line, reason))
        else:
            kept.append(row)
    return kept


def _wrong_symbol(source: str, row: Listed, days: Collection[date], facts: Facts | None) -> str:
    try:
        expected = to_broker(row.contract, source, facts=facts, listed=days)
    except (OutsideCoverage, ValueError) as error:
        return str(error)
    if expected == row.trading_symbol:
        return ""
    return f"{row.trading_symbol} is said of {row.contract.symbol}, which is {expected}"


def _judged(key: tuple[str, date, int], rows: list[Lot], facts: Facts | None) -> Finding | None:
    underlying, expiry, lot = key
    known: int | None = None
    try:
        known = lot_size(underlying, expiry, facts=facts)
    except OutsideCoverage as error:
        why, said = Why.UNKNOWN_LOT, str(error)
    else:
        if said := _no_expiry(underlying, expiry, facts):
            why = Why.NO_EXPIRY
        elif known == lot:
            return None
        else:
            why, said = Why.OTHER_LOT, f"The file has a lot of {lot}, the facts {known}."
    return Finding(
        underlying=underlying, expiry=expiry, lot=lot, known_lot=known, why=why, said=said,
        rows=len(rows), example=rows[0].trading_symbol,
    )  # fmt: skip


def _no_expiry(underlying: str, day: date, facts: Facts | None) -> str:
    """Why this cannot be an expiry day; empty when it is one, or lies outside the calendar."""
    if kind_of(underlying, day, facts=facts) == "weekly":
        return ""
    try:
        monthly = monthly_expiries(underlying, day, 1, facts=facts)
    except OutsideCoverage:
        return ""
    if monthly == [day]:
        return ""
    return f"No {underlying} contract expires on {day} by the facts; re-dated since, or wrong."
