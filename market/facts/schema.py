"""What the tables of facts hold: their columns, what each may say, and what rows may not do together.

A row is text (a CSV line, a form, a database row as text) until `parse` has made values of it, so
packaged files, the operator's imports and the admin are held to one set of rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any

from market.facts import cells

EXCHANGES = ("NSE", "BSE")
ANY = "*"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
CONFIDENCES = ("A", "B", "C")
COMPONENTS = ("stt", "exercise_stt", "transaction", "ipft", "sebi", "stamp", "gst")
MARGIN_PARAMETERS = (
    "price_scan", "price_scan_long", "vol_scan", "vol_scan_floor", "extreme_move", "extreme_cover",
    "calendar_charge", "exposure", "deep_otm", "deep_otm_from", "expiry_day", "expiry_apart",
)  # fmt: skip

Text = Mapping[str, str]
Row = dict[str, Any]


class WrongFact(ValueError):
    """A row that the tables do not take: which table and field, why, and what to write instead."""

    def __init__(self, table: str, field: str, message: str, fix: str) -> None:
        super().__init__(f"{table}, {field}: {message} {fix}")
        self.table, self.field, self.message, self.fix = table, field, message, fix


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`key` names a row; rows that agree in `alike` (`*` agrees with all) must not overlap in `dates`."""

    name: str
    columns: dict[str, Callable[[str], Any]]
    key: tuple[str, ...]
    alike: tuple[str, ...] = ()
    dates: tuple[str, str] | None = None

    @property
    def header(self) -> tuple[str, ...]:
        """The CSV file's columns in their order."""
        return (*self.columns, "source", "confidence")

    def key_of(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in self.key)


def parse(table: Table, text: Text) -> Row:
    """The values of a row; WrongFact names the first field that is none."""
    row: Row = {}
    for name, read in {**table.columns, "source": cells.source, "confidence": _confidence}.items():
        try:
            row[name] = read((text.get(name) or "").strip())
        except ValueError as error:
            raise WrongFact(table.name, name, f"{text.get(name)!r} is not possible.", f"Give {error}.") from error  # fmt: skip
    _check_row(table, row)
    return row


def as_text(table: Table, row: Mapping[str, Any]) -> dict[str, str]:
    """The row as a CSV file would have it."""
    return {name: _text(row[name]) for name in table.header}


def table_of(header: Iterable[str]) -> Table:
    """The table whose columns these are, in any order; WrongFact says which tables there are."""
    names = sorted(header)
    for table in TABLES.values():
        if sorted(table.header) == names:
            return table
    known = "; ".join(f"{table.name}: {','.join(table.header)}" for table in TABLES.values())
    raise WrongFact("file", "header", f"No table has the columns {','.join(names)}.", f"Use one of {known}.")  # fmt: skip


def check_together(tables: Mapping[str, list[Row]]) -> None:
    """WrongFact where the rows of all tables contradict each other: doubles, overlaps, gaps of reference."""
    for name, table in TABLES.items():
        _check_keys(table, tables[name])
        _check_overlaps(table, tables[name])
    known = {row["underlying"] for row in tables["underlyings"]}
    for name in ("lots", "expiry_weekdays", "freeze_quantities"):
        for row in tables[name]:
            if row["underlying"] not in known:
                raise WrongFact(name, "underlying", f"{row['underlying']} is no row of underlyings.", "Add it there first.")  # fmt: skip
    for exchange in EXCHANGES:
        hours = [row for row in tables["session_hours"] if row["exchange"] in (ANY, exchange)]
        _check_hours(exchange, hours, holiday_years(tables["holidays"], exchange))


def holiday_years(holidays: Iterable[Row], exchange: str) -> set[int]:
    """The years of which any holiday of the exchange is known: a year without one was never published."""
    return {row["day"].year for row in holidays if row["exchange"] in (ANY, exchange)}


def _check_row(table: Table, row: Row) -> None:
    if table.dates is not None:
        first, last = table.dates
        if row[first] > row[last]:
            raise WrongFact(table.name, last, f"{row[last]} is before {first} {row[first]}.", "Give the last day, on or after the first.")  # fmt: skip
    if table.name == "session_hours" and not row["open"] < row["spot_until"] <= row["close"]:
        raise WrongFact(table.name, "close", f"{row['open']:%H:%M}, {row['spot_until']:%H:%M} and {row['close']:%H:%M} are out of order.", "Open comes before spot_until, and that not after the close.")  # fmt: skip
    if table.name == "session_hours" and not row["open"] < row["settlement"] <= row["close"]:
        raise WrongFact(table.name, "settlement", f"{row['settlement']:%H:%M} is outside the session.", "Give a time after the open and not after the close.")  # fmt: skip


def _check_keys(table: Table, rows: list[Row]) -> None:
    seen = set()
    for row in rows:
        key = table.key_of(row)
        if key in seen:
            raise WrongFact(table.name, table.key[-1], f"{_words(table, row)} is there twice.", "Keep one of them.")  # fmt: skip
        seen.add(key)


def _check_overlaps(table: Table, rows: list[Row]) -> None:
    if table.dates is None:
        return
    first, last = table.dates
    for group in _groups(table, rows):
        for before, after in pairwise(sorted(group, key=lambda row: row[first])):
            if after[first] <= before[last]:
                raise WrongFact(
                    table.name, first,
                    f"{_words(table, after)} overlaps the row {before[first]} to {before[last]}.",
                    f"End that row before {after[first]}, or begin after {before[last]}.",
                )  # fmt: skip


def _groups(table: Table, rows: list[Row]) -> Iterable[list[Row]]:
    """Rows that answer the same question; a row with `*` is in the group of every value."""
    values = {
        name: sorted({row[name] for row in rows} - {ANY}) or [ANY] for name in table.alike
    }  # fmt: skip
    asked: list[dict[str, str]] = [{}]
    for name, known in values.items():
        asked = [{**one, name: value} for one in asked for value in known]
    for one in asked:
        yield [row for row in rows if all(row[name] in (ANY, one[name]) for name in one)]


def _check_hours(exchange: str, hours: list[Row], years: set[int]) -> None:
    """No gap, and no year whose holidays are unknown: its weekdays would all count as trading days."""
    hours = sorted(hours, key=lambda row: row["first"])
    if not hours:
        raise WrongFact("session_hours", "exchange", f"{exchange} has no hours.", "Give its hours.")
    for before, after in pairwise(hours):
        if after["first"] != before["last"] + timedelta(days=1):
            raise WrongFact("session_hours", "first", f"{exchange} has no hours from {before['last']} to {after['first']}.", "Begin on the day after the row before.")  # fmt: skip
    missing = set(range(hours[0]["first"].year, hours[-1]["last"].year + 1)) - years
    if missing:
        raise WrongFact("session_hours", "last", f"No holiday of {exchange} in {min(missing)} is known.", "Import that year's holidays first, or end the hours before it.")  # fmt: skip


def _words(table: Table, row: Row) -> str:
    return " ".join(_text(value) for value in table.key_of(row))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return f"{value:%H:%M}" if isinstance(value, time) else str(value)


_confidence = cells.choice(*CONFIDENCES)
_exchange = cells.choice(*EXCHANGES, ANY)
_kind = cells.choice("weekly", "monthly")
_instrument = cells.choice("OPT", "FUT")
_positive = partial(cells.whole, least=1)
_first_last: dict[str, Callable[[str], Any]] = {"first": cells.day, "last": cells.day}

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            name="underlyings",
            columns={
                "underlying": cells.index, "exchange": cells.choice(*EXCHANGES), "option_tick": cells.tick,
                "future_tick": cells.tick, "strike_step": cells.step,
                "listed_weeklies": partial(cells.whole, least=0),
            },
            key=("underlying",),
        ),
        Table(
            name="session_hours",
            columns={
                "exchange": _exchange, **_first_last, "open": cells.clock, "close": cells.clock,
                "settlement": cells.clock, "spot_until": cells.clock,
            },
            key=("exchange", "first"), alike=("exchange",), dates=("first", "last"),
        ),
        Table(name="holidays", columns={"exchange": _exchange, "day": cells.day}, key=("exchange", "day")),
        Table(
            name="special_sessions",
            columns={
                "exchange": _exchange, "day": cells.day, "kind": cells.choice("muhurat", "full", "short"),
                "hours": cells.stretches,
            },
            key=("exchange", "day"), alike=("exchange",), dates=("day", "day"),
        ),
        Table(
            name="lots",
            columns={
                "underlying": cells.index, "kind": _kind, "first_expiry": cells.day, "last_expiry": cells.day,
                "lot": _positive,
            },
            key=("underlying", "kind", "first_expiry"), alike=("underlying", "kind"),
            dates=("first_expiry", "last_expiry"),
        ),
        Table(
            name="expiry_weekdays",
            columns={"underlying": cells.index, "kind": _kind, **_first_last, "weekday": cells.choice(*WEEKDAYS)},
            key=("underlying", "kind", "first"), alike=("underlying", "kind"), dates=("first", "last"),
        ),
        Table(
            name="freeze_quantities",
            columns={"underlying": cells.index, **_first_last, "quantity": _positive},
            key=("underlying", "first"), alike=("underlying",), dates=("first", "last"),
        ),
        Table(
            name="charge_rates",
            columns={
                "component": cells.choice(*COMPONENTS), "exchange": _exchange, "instrument": cells.choice("OPT", "FUT", ANY),
                "side": cells.choice("BUY", "SELL", ANY), **_first_last, "rate": cells.share,
            },
            key=("component", "exchange", "instrument", "side", "first"),
            alike=("component", "exchange", "instrument", "side"), dates=("first", "last"),
        ),
        Table(
            name="margin_rates",
            columns={"component": cells.choice(*MARGIN_PARAMETERS), **_first_last, "rate": cells.factor},
            key=("component", "first"), alike=("component",), dates=("first", "last"),
        ),
        Table(
            name="brokerage",
            columns={
                "broker": cells.name, "instrument": _instrument, **_first_last, "per_order": cells.rupees,
                "fraction_of_turnover": lambda text: cells.share(text) if text else None,
            },
            key=("broker", "instrument", "first"), alike=("broker", "instrument"),
            dates=("first", "last"),
        ),
    )
}  # fmt: skip
