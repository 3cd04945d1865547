"""NSE option chains: the site's JSON, old and of 2026 (v3), and the CSV that its page downloads.

Quantities are in units there, open interest and volume in lots; implied volatility in per cent,
by Black-Scholes on the spot at 10% a year; 0 or a dash where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import PurePath
from typing import Any

from market.importers import cells, sides
from market.importers.files import lines, watched
from market.importers.rows import INDICES, Progress, QuoteFile, UnknownFormat
from market.importers.sides import Columns
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import IST
from market.kernel.contracts import Contract

DAYS = ("%d-%b-%Y", "%d-%m-%Y")
STAMP = "%d-%b-%Y %H:%M:%S"
CSV_TITLE = "CALLS,,PUTS"
CSV_COLUMNS = (
    "", "OI", "CHNG IN OI", "VOLUME", "IV", "LTP", "CHNG", "BID QTY", "BID", "ASK", "ASK QTY",
    "STRIKE", "BID QTY", "BID", "ASK", "ASK QTY", "CHNG", "LTP", "IV", "VOLUME", "CHNG IN OI", "OI",
)  # fmt: skip

_OLD = Columns(
    ltp="lastPrice", iv="impliedVolatility", oi="openInterest", volume="totalTradedVolume",
    bid="bidprice", ask="askPrice", bid_quantity="bidQty", ask_quantity="askQty",
)  # fmt: skip
_V3 = Columns(
    ltp="lastPrice", iv="impliedVolatility", oi="openInterest", volume="totalTradedVolume",
    bid="buyPrice1", ask="sellPrice1", bid_quantity="buyQuantity1", ask_quantity="sellQuantity1",
)  # fmt: skip
_CSV_SIDES = {
    "CE": Columns(ltp="5", iv="4", oi="1", volume="3", bid="8", ask="9", bid_quantity="7", ask_quantity="10"),
    "PE": Columns(ltp="17", iv="18", oi="21", volume="19", bid="13", ask="14", bid_quantity="12", ask_quantity="15"),
}  # fmt: skip
_STRIKE = "11"


def is_chain(held: Any) -> bool:
    """Whether this JSON value is an NSE option chain."""
    body = held.get("records", held) if isinstance(held, dict) else {}
    return isinstance(body, dict) and isinstance(body.get("data"), list) and "timestamp" in body


def read_json(held: Any, progress: Progress | None = None) -> QuoteFile:
    """Every option of the chain at its timestamp."""
    body = held.get("records", held)
    rows = [row for row in body["data"] if isinstance(row, dict)]
    is_v3 = any("expiryDates" in row for row in rows)
    file = QuoteFile("NSE option chain v3" if is_v3 else "NSE option chain")
    at = _moment(body["timestamp"])
    for line, row in enumerate(watched(rows, progress), 1):
        for side in ("CE", "PE"):
            held_side = row.get(side)
            if isinstance(held_side, dict):
                _take(file, line, at, side, held_side, _V3 if is_v3 else _OLD)
    return file


def read_csv(
    name: str, content: str, *, at: datetime | None, underlying: str | None, expiry: date | None
) -> QuoteFile:
    """The page's download. It names neither index, expiry nor time: the file's name or the caller must."""
    underlying, expiry = underlying or _underlying_in(name), expiry or _day_in(name)
    if at is None:
        raise UnknownFormat(f"{name}: this CSV holds no time; say when it was (--at).")
    file = QuoteFile("NSE chain CSV")
    rows = list(lines(content, 2, file.bad))
    if not rows or tuple(cell.strip() for cell in rows[0][1][:22]) != CSV_COLUMNS:
        raise UnknownFormat(f"{name}: its columns are not those of the NSE option chain page.")
    file.rows = 2 * len(file.bad)
    for line, found in rows[1:]:
        row = {str(place): cell for place, cell in enumerate(found)}
        for side, columns in _CSV_SIDES.items():
            try:
                strike = cells.hundredths(row, _STRIKE)
                contract = sides.option(underlying, expiry, side, strike)
            except (ValueError, OutsideCoverage) as error:
                sides.refuse(file, line, error)
                continue
            sides.keep(file, line, at, contract, row, columns)
    return file


def _take(
    file: QuoteFile, line: int, at: datetime, side: str, row: Mapping[str, Any], columns: Columns
) -> None:
    try:
        contract = _contract(row, side)
    except (ValueError, OutsideCoverage) as error:
        sides.refuse(file, line, error)
        return
    sides.keep(file, line, at, contract, row, columns)
    sides.note_spot(file, line, at, contract.underlying, row, "underlyingValue")


def _contract(row: Mapping[str, Any], side: str) -> Contract:
    underlying = cells.text(row, "underlying")
    expiry = cells.day(row, "expiryDate", DAYS)
    return sides.option(underlying, expiry, side, cells.hundredths(row, "strikePrice"))


def _moment(stamp: Any) -> datetime:
    try:
        return datetime.strptime(str(stamp), STAMP).replace(tzinfo=IST)
    except ValueError:
        raise UnknownFormat(
            f"timestamp {stamp!r} is not a time such as 16-Jul-2025 15:30:00"
        ) from None


def _underlying_in(name: str) -> str:
    words = re.split(r"[^A-Z0-9]+", PurePath(name).stem.upper())
    found = [word for word in words if word in INDICES]
    if len(found) != 1:
        raise UnknownFormat(f"{name}: the name does not say which index (--underlying).")
    return found[0]


def _day_in(name: str) -> date:
    found = re.search(r"(\d{1,2})-?([A-Za-z]{3})-?(\d{4})", PurePath(name).stem)
    if found is None:
        raise UnknownFormat(f"{name}: the name does not say which expiry (--expiry).")
    return cells.day({"expiry": "-".join(found.groups())}, "expiry", DAYS)
