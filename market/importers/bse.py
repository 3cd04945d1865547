"""The BSE site's option chain JSON: one expiry, calls in columns that begin with C_.

Open interest and volume are in lots (they are no multiples of the lot size); after the close the
page shows the time it was made, so the prices are booked at the close.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from market.importers import cells, sides
from market.importers.files import watched
from market.importers.rows import Progress, QuoteFile, UnknownFormat
from market.importers.sides import Columns
from market.kernel import calendar
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import IST, ist_day

DAYS = ("%d %b %Y",)
STAMP = "%d %b %Y %H:%M"


def _columns(prefix: str) -> Columns:
    return Columns(
        ltp=f"{prefix}Last_Trd_Price", iv=f"{prefix}IV", oi=f"{prefix}Open_Interest",
        volume=f"{prefix}Vol_Traded", bid=f"{prefix}BidPrice", ask=f"{prefix}OfferPrice",
        bid_quantity=f"{prefix}BIdQty", ask_quantity=f"{prefix}OfferQty",
    )  # fmt: skip


_SIDES = {"CE": _columns("C_"), "PE": _columns("")}


def is_chain(held: Any) -> bool:
    """Whether this JSON value is a BSE option chain."""
    return isinstance(held, dict) and isinstance(held.get("Table"), list) and "ASON" in held


def read_json(held: Any, progress: Progress | None = None) -> QuoteFile:
    """Every option of the chain, at its time or at the close when that had passed."""
    file = QuoteFile("BSE option chain")
    at = _moment(held["ASON"], file)
    rows = [row for row in held["Table"] if isinstance(row, dict)]
    for line, row in enumerate(watched(rows, progress), 1):
        for side, columns in _SIDES.items():
            _take(file, line, at, side, row, columns)
    return file


def _take(
    file: QuoteFile, line: int, at: datetime, side: str, row: Mapping[str, Any], columns: Columns
) -> None:
    try:
        underlying = cells.text(row, "comapny_name")  # the site's own spelling
        expiry = cells.day(row, "End_TimeStamp", DAYS)
        contract = sides.option(underlying, expiry, side, cells.hundredths(row, "Strike_Price1"))
    except (ValueError, OutsideCoverage) as error:
        sides.refuse(file, line, error)
        return
    sides.keep(file, line, at, contract, row, columns)
    sides.note_spot(file, line, at, underlying, row, "UlaValue")


def _moment(stamp: Any, file: QuoteFile) -> datetime:
    held = str(stamp.get("DT_TM") if isinstance(stamp, dict) else stamp)
    written = re.sub(r"[|\s]+", " ", held).strip()
    try:
        at = datetime.strptime(written, STAMP).replace(tzinfo=IST)
    except ValueError:
        raise UnknownFormat(f"ASON {held!r} is not a time such as 10 Jul 2026 | 15:30") from None
    session = calendar.session("BSE", ist_day(at))
    if session is None or at <= session.close:
        return at
    file.notes.append(
        f"shown at {at:%H:%M}: the prices are those of the close, {session.close:%H:%M}"
    )
    return session.close
