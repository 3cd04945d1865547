"""The UDiFF bhavcopy of the derivatives segment: every contract's day, one row each.

Closing prices are taken (the average of the last half hour's trades, the same stretch for every
contract); open interest is in units and volume in lots there. A contract that did not trade that
day has no closing price of that day. The lots are given, and are compared with the facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from market.importers import cells, sides
from market.importers.files import table, watched
from market.importers.rows import INDICES, Lot, Progress, QuoteFile, UnknownFormat
from market.kernel import calendar
from market.kernel.calendar import OutsideCoverage
from market.kernel.contracts import Contract
from market.kernel.frame import Quote

COLUMNS = frozenset(
    ("TradDt", "Src", "FinInstrmTp", "FinInstrmId", "TckrSymb", "XpryDt", "FininstrmActlXpryDt", "StrkPric",
     "OptnTp", "FinInstrmNm", "ClsPric", "UndrlygPric", "OpnIntrst", "TtlTradgVol", "NewBrdLotQty")
)  # fmt: skip
SOURCE = "UDiFF bhavcopy"
ISO = ("%Y-%m-%d",)
NOT_INDEX = "not an index option or future"
UNTRADED = "not traded that day"

Row = Mapping[str, str]


def read(name: str, content: str, progress: Progress | None = None) -> QuoteFile:
    """The day's closing prices of index futures and options, at the close of its session."""
    file = QuoteFile(SOURCE)
    rows = list(table(content, file.bad))
    file.rows = len(file.bad)
    for line, row in watched(rows, progress):
        if row["FinInstrmTp"] not in ("IDO", "IDF") or row["TckrSymb"] not in INDICES:
            file.rows += 1
            file.left_out[NOT_INDEX] += 1
            continue
        _take(file, line, row)
    if not file.snapshots and not file.listed:
        raise UnknownFormat(f"{name}: a bhavcopy without one usable index contract.")
    return file


def _take(file: QuoteFile, line: int, row: Row) -> None:
    try:
        contract = _contract(row)
        file.listed.append(_listed(line, row, contract))
        sides.require_known(contract)
        quote = _quote(row, contract, _close(contract, cells.day(row, "TradDt", ISO)))
        if quote is None:
            file.left_out[UNTRADED] += 1
        else:
            sides.add(file, quote.at, contract, quote)
            spot = cells.above_zero(row, "UndrlygPric")
            file.snapshot(quote.at).spots.setdefault(contract.underlying, spot)
    except (ValueError, OutsideCoverage) as error:
        sides.refuse(file, line, error)
        return
    file.rows += 1


def _contract(row: Row) -> Contract:
    expiry = cells.day(row, "FininstrmActlXpryDt" if row["FininstrmActlXpryDt"] else "XpryDt", ISO)
    if row["FinInstrmTp"] == "IDF":
        return Contract(row["TckrSymb"], expiry, "FUT")
    strike = cells.hundredths(row, "StrkPric").normalize()
    return Contract(row["TckrSymb"], expiry, row["OptnTp"], strike)  # type: ignore[arg-type]  # Contract checks it


def _listed(line: int, row: Row, contract: Contract) -> Lot:
    return Lot(
        exchange=cells.text(row, "Src"),
        token=cells.text(row, "FinInstrmId"),
        trading_symbol=cells.text(row, "FinInstrmNm"),
        contract=contract,
        lot_size=cells.whole(cells.above_zero(row, "NewBrdLotQty"), "NewBrdLotQty"),
        line=line,
    )


def _quote(row: Row, contract: Contract, at: datetime) -> Quote | None:
    lots = cells.optional(row, "TtlTradgVol")
    price = cells.optional(row, "ClsPric")
    if lots is None or price is None:
        return None
    oi = cells.optional(row, "OpnIntrst")
    open_units = 0 if oi is None else cells.whole(oi, "OpnIntrst")
    return Quote(None, None, price, 0, 0, at, open_units, sides.units(lots, contract.lot_size))


def _close(contract: Contract, day: date) -> datetime:
    session = calendar.session(contract.exchange, day)
    if session is None:
        raise ValueError(f"{contract.exchange} does not trade on {day}")
    return session.close
