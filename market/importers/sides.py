"""One option of a chain file on its way to a quote: checked, counted in units, kept or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from market.importers import cells
from market.importers.rows import INDICES, BadRow, QuoteFile
from market.kernel import calendar
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import ist_day
from market.kernel.contracts import Contract
from market.kernel.frame import Quote
from market.kernel.money import on_tick

NO_LAST_PRICE = "no last price: never traded"
HUNDRED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where a file keeps the numbers of one side; None where it has none."""

    ltp: str
    iv: str
    oi: str
    volume: str
    bid: str | None = None
    ask: str | None = None
    bid_quantity: str | None = None
    ask_quantity: str | None = None


def option(underlying: str, expiry: date, side: str, strike: Decimal) -> Contract:
    """The contract; ValueError for an index that is not listed, OutsideCoverage for unknown facts."""
    contract = _option(underlying, expiry, side, strike)
    require_known(contract)
    return contract


@lru_cache(maxsize=16_384)
def _option(underlying: str, expiry: date, side: str, strike: Decimal) -> Contract:
    if underlying not in INDICES:
        raise ValueError(f"underlying {underlying!r} is none of {', '.join(sorted(INDICES))}")
    return Contract(underlying, expiry, side, strike.normalize())  # type: ignore[arg-type]  # Contract checks it


def require_known(contract: Contract) -> None:
    """OutsideCoverage unless its lot and the time of its settlement are known."""
    _ = contract.lot_size
    calendar.settlement_time(contract.exchange, contract.expiry)


def keep(
    file: QuoteFile,
    line: int,
    at: datetime,
    contract: Contract,
    row: Mapping[str, Any],
    columns: Columns,
) -> None:
    """Add the side's quote to the file's snapshot; what is wrong with it becomes a bad row."""
    file.rows += 1
    try:
        quote = _quote(row, columns, contract, at)
        if quote is None:
            file.left_out[NO_LAST_PRICE] += 1
            return
        iv = cells.optional(row, columns.iv)
        add(file, at, contract, quote)
        if iv is not None:
            file.snapshot(at).iv[contract.symbol] = float(iv) / HUNDRED
    except ValueError as error:
        file.bad.append(BadRow(line, f"{contract.symbol}: {error}"))


def add(file: QuoteFile, at: datetime, contract: Contract, quote: Quote) -> None:
    """Into the snapshot of that instant; ValueError when expired or there already."""
    snapshot, symbol = file.snapshot(at), contract.symbol
    if contract.expiry < ist_day(at):
        raise ValueError(f"had expired by {ist_day(at)}")
    if symbol in snapshot.quotes:
        raise ValueError(f"is there twice at {at:%H:%M}; the first stands")
    snapshot.quotes[symbol] = quote
    snapshot.contracts[symbol] = contract


def note_spot(
    file: QuoteFile, line: int, at: datetime, underlying: str, row: Mapping[str, Any], column: str
) -> None:
    """Keep the index that the row shows, the first of that instant; a bad one is named."""
    spots = file.snapshot(at).spots
    if underlying in spots:
        return
    try:
        spot = cells.optional(row, column)
    except ValueError as error:
        file.bad.append(BadRow(line, str(error)))
        return
    if spot is not None:
        spots[underlying] = spot


def refuse(file: QuoteFile, line: int, error: Exception) -> None:
    """Book a row that could not become a contract: left out beyond the facts, else bad."""
    file.rows += 1
    if isinstance(error, OutsideCoverage):
        file.left_out[str(error)] += 1
    else:
        file.bad.append(BadRow(line, str(error)))


def units(lots: Decimal | None, lot_size: int) -> int:
    """Lots in units. Open interest kept over a lot change is a fraction of today's lots."""
    return 0 if lots is None else int((lots * lot_size).quantize(Decimal(1), ROUND_HALF_UP))


def _quote(
    row: Mapping[str, Any], columns: Columns, contract: Contract, at: datetime
) -> Quote | None:
    ltp = cells.optional(row, columns.ltp)
    if ltp is None:
        return None
    bid, ask = _price(row, columns.bid, contract), _price(row, columns.ask, contract)
    if bid is not None and ask is not None and bid > ask:
        raise ValueError(f"bid {bid} is above ask {ask}")
    _require_tick(ltp, columns.ltp, contract)
    lot = contract.lot_size
    return Quote(
        bid, ask, ltp,
        _count(row, columns.bid_quantity) if bid is not None else 0,
        _count(row, columns.ask_quantity) if ask is not None else 0,
        at,
        units(cells.optional(row, columns.oi), lot),
        units(cells.optional(row, columns.volume), lot),
    )  # fmt: skip


def _price(row: Mapping[str, Any], name: str | None, contract: Contract) -> Decimal | None:
    price = cells.optional(row, name) if name else None
    if price is not None and name:
        _require_tick(price, name, contract)
    return price


def _count(row: Mapping[str, Any], name: str | None) -> int:
    count = cells.optional(row, name) if name else None
    return 0 if count is None else cells.whole(count, name or "")


def _require_tick(price: Decimal, name: str, contract: Contract) -> None:
    if not on_tick(price, contract.tick_size):
        raise ValueError(f"{name} {price} is not a multiple of the {contract.tick_size} tick")
