"""Recorded files as rows: what each file is, which of its lines are usable, and why others are not."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from statistics import median
from typing import NamedTuple

from market.kernel import calendar
from market.kernel.clock import IST, ist_day
from market.kernel.contracts import UNDERLYINGS, Contract
from market.kernel.money import on_tick

LTP_HEADER = "snapshot_ist,underlying,expiry,strike,type,ltp,session"
SPOT_HEADER = "datetime,open,high,low,close,volume"
REGULAR = "NORMAL"


class UnknownFormat(ValueError):
    """The file is none of the recorded forms this product reads."""


class Broken(NamedTuple):
    """A line that could not be used."""

    line: int
    reason: str
    file: str


@dataclass(slots=True)
class LtpRows:
    """The usable last prices of a file by snapshot, and the account of what was not usable."""

    file: str
    snapshots: dict[datetime, dict[str, Decimal]] = field(default_factory=dict)
    contracts: dict[str, Contract] = field(default_factory=dict)
    rows: dict[date | None, int] = field(default_factory=dict)
    flagged: dict[date, dict[str, int]] = field(default_factory=dict)
    duplicates: dict[date, int] = field(default_factory=dict)
    broken: list[tuple[date | None, Broken]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SpotBars:
    """An index's bars; a bar's close is known only at the bar's end."""

    underlying: str
    file: str
    length: timedelta
    ends: list[datetime]
    closes: list[Decimal]
    broken: list[Broken]


def form_of(path: Path) -> str:
    """ "ltp" or "spot", by the header line; UnknownFormat says what was found."""
    header = next(_lines(path, []), (0, ""))[1].strip().lstrip("\ufeff")
    if header == LTP_HEADER:
        return "ltp"
    if header == SPOT_HEADER:
        return "spot"
    raise UnknownFormat(
        f"{path.name}: the first line is {header[:80]!r}. Known: last prices ({LTP_HEADER}) and "
        f"index bars ({SPOT_HEADER}), plain or .gz."
    )


def read_ltp(path: Path) -> LtpRows:
    """Every line of a last-price file; a broken one is named and never kills the others."""
    found = LtpRows(path.name)
    reader = _LtpReader(found)
    breaks: list[Broken] = []
    lines = _lines(path, breaks)
    next(lines, None)
    for number, line in lines:
        reader.take(number, line)
    found.broken.extend((reader.day, each) for each in breaks)
    return found


def read_spot(path: Path) -> SpotBars:
    """An index file's bars; the underlying is the file name up to the first underscore."""
    underlying = path.name.split("_")[0].split(".")[0].upper()
    if underlying not in UNDERLYINGS:
        raise UnknownFormat(
            f"{path.name}: an index file is named by its underlying, such as NIFTY_20260804.csv; "
            f"{underlying!r} is none of {', '.join(UNDERLYINGS)}."
        )
    broken: list[Broken] = []
    starts: dict[datetime, Decimal] = {}
    lines = _lines(path, broken)
    next(lines, None)
    for number, line in lines:
        try:
            start, close = _bar(line)
        except ValueError as error:
            broken.append(Broken(number, str(error), path.name))
            continue
        starts.setdefault(start, close)
    length = _bar_length(sorted(starts), path)
    ordered = sorted(starts.items())
    return SpotBars(
        underlying, path.name, length, [at + length for at, _ in ordered],
        [close for _, close in ordered], broken,
    )  # fmt: skip


class _LtpReader:
    """Turns lines into rows of `found`, parsing each distinct text once."""

    def __init__(self, found: LtpRows) -> None:
        self.found = found
        self.day: date | None = None
        self._stamps: dict[str, tuple[datetime, date]] = {}
        self._symbols: dict[tuple[str, str, str, str], str] = {}
        self._prices: dict[str, Decimal] = {}
        self._closed: dict[tuple[str, datetime], str] = {}

    def take(self, number: int, line: str) -> None:
        found = self.found
        day = None
        try:
            stamp, underlying, expiry, strike, option_type, ltp, session = _fields(line)
            key = (underlying, expiry, strike, option_type)
            at, day = self._stamps.get(stamp) or self._stamp(stamp)
            self.day = day
            found.rows[day] = found.rows.get(day, 0) + 1
            if session != REGULAR:
                self._flag(day, session or "(no session flag)")
                return
            symbol = self._symbols.get(key) or self._symbol(*key)
            price = self._prices.get(ltp) or self._price(ltp)
            self._keep(at, day, symbol, price)
        except (ValueError, LookupError) as error:
            if day is None:
                found.rows[None] = found.rows.get(None, 0) + 1
            found.broken.append((day, Broken(number, str(error), found.file)))

    def _keep(self, at: datetime, day: date, symbol: str, price: Decimal) -> None:
        contract = self.found.contracts[symbol]
        if contract.expiry < day:
            raise ValueError(f"{symbol} had expired by {day}")
        if why := self._why_closed(contract.exchange, at, day):
            raise ValueError(why)
        snapshot = self.found.snapshots.setdefault(at, {})
        if symbol not in snapshot:
            snapshot[symbol] = price
            return
        if snapshot[symbol] != price:
            raise ValueError(
                f"{symbol} has a second price {price} at {at:%H:%M}; {snapshot[symbol]} is kept"
            )
        self.found.duplicates[day] = self.found.duplicates.get(day, 0) + 1

    def _why_closed(self, exchange: str, at: datetime, day: date) -> str:
        key = (exchange, at)
        if key not in self._closed:
            self._closed[key] = _why_closed(exchange, at, day)
        return self._closed[key]

    def _flag(self, day: date, session: str) -> None:
        flags = self.found.flagged.setdefault(day, {})
        flags[session] = flags.get(session, 0) + 1

    def _stamp(self, text: str) -> tuple[datetime, date]:
        at = _moment(text, "snapshot_ist")
        self._stamps[text] = (at, ist_day(at))
        return self._stamps[text]

    def _symbol(self, underlying: str, expiry: str, strike: str, option_type: str) -> str:
        contract = _contract(underlying, expiry, strike, option_type)
        symbol = contract.symbol
        self.found.contracts[symbol] = contract
        self._symbols[underlying, expiry, strike, option_type] = symbol
        return symbol

    def _price(self, text: str) -> Decimal:
        price = _above_zero(text, "ltp")
        if not on_tick(price, Decimal("0.05")):
            raise ValueError(f"ltp {text} is not a multiple of the 0.05 tick")
        self._prices[text] = price
        return price


def _fields(line: str) -> list[str]:
    fields = line.split(",")
    if len(fields) != 7:
        raise ValueError(f"{len(fields)} columns instead of 7")
    return fields


def _why_closed(exchange: str, at: datetime, day: date) -> str:
    """Why nothing of that exchange is played at this instant; empty when it is in the session."""
    session = calendar.session(exchange, day)
    if session is None:
        return f"{exchange} does not trade on {day}"
    if session.open <= at <= session.close:
        return ""
    hours = f"{session.open:%H:%M}-{session.close:%H:%M}"
    return f"{at.astimezone(IST):%H:%M} is outside the {exchange} session {hours}"


def _contract(underlying: str, expiry: str, strike: str, option_type: str) -> Contract:
    if underlying not in UNDERLYINGS:
        raise ValueError(f"underlying {underlying!r} is unknown")
    if option_type not in ("CE", "PE"):
        raise ValueError(f"type {option_type!r} is neither CE nor PE")
    try:
        day = date.fromisoformat(expiry)
    except ValueError:
        raise ValueError(f"expiry {expiry!r} is not a date such as 2026-08-04") from None
    contract = Contract(underlying, day, option_type, _above_zero(strike, "strike"))  # type: ignore[arg-type]  # CE or PE: checked above
    _ = contract.lot_size  # an expiry without a lot or a settlement time is refused here
    calendar.settlement_time(contract.exchange, day)
    return contract


def _above_zero(text: str, name: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{name} {text!r} is not a number") from None
    if not (value.is_finite() and value > 0):
        raise ValueError(f"{name} {text!r} is not above 0")
    return value


def _moment(text: str, name: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} {text!r} is not a time such as 2026-08-04 09:15") from None
    return at.replace(tzinfo=IST) if at.tzinfo is None else at.astimezone(IST)


def _bar(line: str) -> tuple[datetime, Decimal]:
    fields = line.split(",")
    if len(fields) != 6:
        raise ValueError(f"{len(fields)} columns instead of 6")
    return _moment(fields[0], "datetime"), _above_zero(fields[4], "close")


def _bar_length(starts: list[datetime], path: Path) -> timedelta:
    gaps = [b - a for a, b in zip(starts, starts[1:], strict=False) if b.date() == a.date()]
    if not gaps:
        raise UnknownFormat(
            f"{path.name}: fewer than two bars of one day; their length is unknown."
        )
    return timedelta(seconds=median(gap.total_seconds() for gap in gaps))


def _lines(path: Path, breaks: list[Broken]) -> Iterator[tuple[int, str]]:
    """Numbered lines from 1; a file that breaks off is named in `breaks`, what came before stays."""
    opened = gzip.open if path.suffix == ".gz" else open
    number = 0
    with opened(path, "rt", encoding="utf-8", errors="replace", newline=None) as file:
        try:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip("\n")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            if number == 0:
                raise UnknownFormat(f"{path.name}: not readable as gzip: {error}") from error
            breaks.append(Broken(number + 1, f"the file breaks off: {error}", path.name))
