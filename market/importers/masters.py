"""Instrument masters: Zerodha, Finvasia, Alice Blue and Upstox CSVs, and Angel One's JSON.

The form is known by the header, not by the file's name. Only index futures and options are kept;
what else a master lists is counted under the reason it was left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from market.importers import cells
from market.importers.files import decoded, document, header, table, unpacked, watched
from market.importers.rows import INDICES, BadRow, Listed, Master, Progress, UnknownFormat
from market.kernel.contracts import Contract
from market.kernel.symbols import NOREN_NAMES

HUNDRED = Decimal(100)
ISO, NOREN_DAY, ANGEL_DAY = ("%Y-%m-%d",), ("%d-%b-%Y",), ("%d%b%Y",)
SEGMENTS = {"NFO": "NSE", "NSE_FO": "NSE", "BFO": "BSE", "BSE_FO": "BSE"}
ZERODHA_SEGMENTS = ("NFO-OPT", "NFO-FUT", "BFO-OPT", "BFO-FUT")
NOT_INDEX = "not an index option or future"
INDEX_KEY = "an index itself, not a contract"

Cells = Mapping[str, Any]
Read = Callable[[Cells], Listed | str]
"""A contract, or the reason why the row is left out; ValueError when the row is bad."""


@dataclass(frozen=True, slots=True)
class Form:
    """A master in CSV: the columns by which it is known, and how a row is read."""

    source: str
    columns: frozenset[str]
    read: Read


def read_master(name: str, data: bytes, *, progress: Progress | None = None) -> Master:
    """The master in these bytes (plain, .gz or .zip); UnknownFormat when it is none of them."""
    inner, content, bad = unpacked(name, data)
    written = decoded(content)
    if written.lstrip()[:1] in ("[", "{"):
        return _read(Master("angelone"), _angel_rows(inner, written), _angel, progress)
    names = set(header(written))
    for form in FORMS:
        if form.columns <= names:
            master = Master(form.source, bad=bad)
            rows = list(table(written, master.bad))
            return _read(master, rows, form.read, progress)
    known = "; ".join(f"{form.source}: {', '.join(sorted(form.columns))}" for form in FORMS)
    raise UnknownFormat(
        f"{name}: the first line is {written[:80]!r}. Known are Angel One's JSON list and CSVs with "
        f"these columns - {known}."
    )


def _read(
    master: Master, rows: Sequence[tuple[int, Cells]], read: Read, progress: Progress | None
) -> Master:
    master.rows = len(rows) + len(master.bad)
    seen: dict[tuple[str, str], int] = {}
    for line, row in watched(rows, progress):
        try:
            found = read(row)
            if isinstance(found, str):
                master.left_out[found] += 1
            else:
                _require_new(found, line, seen)
                master.listed.append(replace(found, line=line))
        except ValueError as error:
            master.bad.append(BadRow(line, str(error)))
    return master


def _require_new(found: Listed, line: int, seen: dict[tuple[str, str], int]) -> None:
    """A token names one contract; the first row stands."""
    first = seen.setdefault((found.exchange, found.token), line)
    if first != line:
        raise ValueError(f"token {found.token} is already that of line {first}")


def _zerodha(row: Cells) -> Listed | str:
    if row["name"] not in INDICES or row["segment"] not in ZERODHA_SEGMENTS:
        return NOT_INDEX
    return _listed(
        row, exchange="exchange", key="instrument_token", symbol="tradingsymbol", lot="lot_size", tick="tick_size",
        contract=_contract(row, row["name"], "expiry", ISO, row["instrument_type"], "strike"),
    )  # fmt: skip


def _finvasia(row: Cells) -> Listed | str:
    if row["Instrument"] not in ("OPTIDX", "FUTIDX"):
        return NOT_INDEX
    name = cells.text(row, "Symbol")
    underlying = NOREN_NAMES.get(name, name)
    side = _side(row["Instrument"], row["OptionType"])
    return _listed(
        row, exchange="Exchange", key="Token", symbol="TradingSymbol", lot="LotSize", tick="TickSize",
        contract=_contract(row, underlying, "Expiry", NOREN_DAY, side, "StrikePrice"),
    )  # fmt: skip


def _alice(row: Cells) -> Listed | str:
    if row["Instrument Type"] not in ("OPTIDX", "FUTIDX"):
        return NOT_INDEX
    side = _side(row["Instrument Type"], row["Option Type"])
    return _listed(
        row, exchange="Exch", key="Token", symbol="Trading Symbol", lot="Lot Size", tick="Tick Size",
        contract=_contract(row, cells.text(row, "Symbol"), "Expiry Date", ISO, side, "Strike Price"),
    )  # fmt: skip


def _upstox(row: Cells) -> Listed | str:
    if row["instrument_type"] not in ("OPTIDX", "FUTIDX"):
        return INDEX_KEY if row["instrument_type"] == "INDEX" else NOT_INDEX
    side = _side(row["instrument_type"], row["option_type"])
    return _listed(
        row, exchange="exchange", key="instrument_key", symbol="tradingsymbol", lot="lot_size", tick="tick_size",
        contract=_contract(row, cells.text(row, "name"), "expiry", ISO, side, "strike"),
    )  # fmt: skip


def _upstox_keys(row: Cells) -> Listed | str:
    return INDEX_KEY if row["instrument_type"] == "INDEX" else NOT_INDEX


def _angel(row: Cells) -> Listed | str:
    """Strikes and ticks are in hundredths of a rupee, a future's strike is -1."""
    if row.get("instrumenttype") not in ("OPTIDX", "FUTIDX"):
        return NOT_INDEX
    symbol = cells.text(row, "symbol")
    side = _side(str(row["instrumenttype"]), symbol[-2:])
    rupees = {**row, "strike": str(cells.decimal(row, "strike") / HUNDRED)}
    rupees["tick_size"] = str(cells.decimal(row, "tick_size") / HUNDRED)
    return _listed(
        rupees, exchange="exch_seg", key="token", symbol="symbol", lot="lotsize", tick="tick_size",
        contract=_contract(rupees, cells.text(row, "name"), "expiry", ANGEL_DAY, side, "strike"),
    )  # fmt: skip


def _angel_rows(name: str, content: str) -> list[tuple[int, Cells]]:
    held = document(name, content)
    if not isinstance(held, list) or not all(isinstance(row, dict) for row in held):
        raise UnknownFormat(f"{name}: Angel One's master is a JSON list of instruments.")
    if held and not {"token", "symbol", "exch_seg", "lotsize"} <= set(held[0]):
        raise UnknownFormat(f"{name}: a JSON list, but not of Angel One's instruments.")
    return list(enumerate(held, 1))


def _listed(  # noqa: PLR0913 - which column holds what
    row: Cells, *, contract: Contract, exchange: str, key: str, symbol: str, lot: str, tick: str
) -> Listed:
    return Listed(
        exchange=_exchange(row, exchange),
        token=cells.text(row, key),
        trading_symbol=cells.text(row, symbol),
        contract=contract,
        lot_size=cells.whole(cells.above_zero(row, lot), lot),
        tick_size=cells.hundredths(row, tick),
    )


def _contract(
    row: Cells, underlying: str, expiry: str, forms: tuple[str, ...], side: str, strike: str
) -> Contract:
    day = cells.day(row, expiry, forms)
    price = None if side == "FUT" else cells.hundredths(row, strike).normalize()
    return Contract(underlying, day, side, price)  # type: ignore[arg-type]  # Contract checks it


def _side(instrument: str, option_type: str) -> str:
    if instrument.startswith("FUT"):
        return "FUT"
    if option_type not in ("CE", "PE"):
        raise ValueError(f"the option type {option_type!r} is neither CE nor PE")
    return option_type


def _exchange(row: Cells, name: str) -> str:
    """NSE or BSE of a derivatives segment as brokers write it: NFO, BFO, NSE_FO, BSE_FO."""
    held = cells.text(row, name)
    if held.upper() not in SEGMENTS:
        raise ValueError(f"{name} {held!r} is none of {', '.join(SEGMENTS)}")
    return SEGMENTS[held.upper()]


def _columns(written: str) -> frozenset[str]:
    return frozenset(written.split(","))


FORMS: tuple[Form, ...] = (
    Form("zerodha", _columns("instrument_token,tradingsymbol,name,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange"), _zerodha),
    Form("finvasia", _columns("Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize"), _finvasia),
    Form("aliceblue", _columns("Exch,Symbol,Token,Instrument Type,Option Type,Strike Price,Trading Symbol,Expiry Date,Lot Size,Tick Size"), _alice),
    Form("upstox", _columns("instrument_key,tradingsymbol,name,expiry,strike,tick_size,lot_size,instrument_type,option_type,exchange"), _upstox),
    Form("upstox", _columns("segment,name,instrument_type,instrument_key,trading_symbol"), _upstox_keys),
)  # fmt: skip
