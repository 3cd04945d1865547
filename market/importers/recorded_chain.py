"""Recorded option chains of many instants in one CSV: last price, volume, open interest and IV.

Open interest and volume are in lots, as on the exchange's page that was recorded.
"""

from __future__ import annotations

from datetime import datetime

from market.importers import cells, sides
from market.importers.files import Row, table, watched
from market.importers.rows import Progress, QuoteFile
from market.importers.sides import Columns
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import IST

COLUMNS = frozenset(
    ("snapshot_ist", "underlying", "expiry", "spot", "strike", "ce_oi", "ce_vol", "ce_iv", "ce_ltp",
     "pe_ltp", "pe_iv", "pe_vol", "pe_oi")
)  # fmt: skip
ISO = ("%Y-%m-%d",)
_SIDES = {
    side: Columns(ltp=f"{name}_ltp", iv=f"{name}_iv", oi=f"{name}_oi", volume=f"{name}_vol")
    for side, name in (("CE", "ce"), ("PE", "pe"))
}


def read(content: str, progress: Progress | None = None) -> QuoteFile:
    """Every option of every recorded instant; a line is two of them."""
    file = QuoteFile("recorded chain")
    rows = list(table(content, file.bad))
    file.rows = 2 * len(file.bad)
    for line, row in watched(rows, progress):
        for side, columns in _SIDES.items():
            _take(file, line, row, side, columns)
    return file


def _take(file: QuoteFile, line: int, row: Row, side: str, columns: Columns) -> None:
    try:
        at = _moment(cells.text(row, "snapshot_ist"))
        expiry, strike = cells.day(row, "expiry", ISO), cells.hundredths(row, "strike")
        contract = sides.option(row["underlying"], expiry, side, strike)
    except (ValueError, OutsideCoverage) as error:
        sides.refuse(file, line, error)
        return
    sides.keep(file, line, at, contract, row, columns)
    sides.note_spot(file, line, at, contract.underlying, row, "spot")


def _moment(held: str) -> datetime:
    try:
        at = datetime.fromisoformat(held)
    except ValueError:
        raise ValueError(f"snapshot_ist {held!r} is not a time such as 2026-07-15 09:15") from None
    return at.replace(tzinfo=IST) if at.tzinfo is None else at.astimezone(IST)
