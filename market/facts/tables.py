"""The dated facts as frozen rows, read from the CSV files beside this module on first use.

Every row names its source and a confidence: A an exchange circular or API was read, B press, a
broker's page or an instrument dump, C one weak source. Nothing here guesses beyond its rows.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
EXCHANGES = ("NSE", "BSE")
ANY = "*"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Hours:
    """Normal session of a range of days; `spot_until` is when the index stops being continuous."""

    exchange: str
    first: date
    last: date
    open: time
    close: time
    settlement: time
    spot_until: time


@dataclass(frozen=True, slots=True)
class SpecialSession:
    """A muhurat, full or short session on a day that would be closed; no parts: hours unknown."""

    kind: str
    parts: tuple[tuple[time, time], ...]


@dataclass(frozen=True, slots=True)
class UnderlyingRow:
    underlying: str
    exchange: str
    option_tick: Decimal
    future_tick: Decimal
    strike_step: Decimal
    listed_weeklies: int


@dataclass(frozen=True, slots=True)
class LotRow:
    kind: str
    first: date
    last: date
    lot: int


@dataclass(frozen=True, slots=True)
class ExpiryRule:
    """The scheduled weekday (Monday 0) of expiries whose scheduled date is in first..last."""

    kind: str
    first: date
    last: date
    weekday: int


@dataclass(frozen=True, slots=True)
class FreezeRow:
    first: date
    last: date
    quantity: int


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """One consistent set of calendar and contract facts; compared and hashed by identity."""

    name: str
    first: date
    last: date
    hours: tuple[Hours, ...]
    holidays: dict[str, frozenset[date]]
    specials: dict[tuple[str, date], SpecialSession]
    underlyings: dict[str, UnderlyingRow]
    lots: dict[str, tuple[LotRow, ...]]
    expiry_rules: dict[str, tuple[ExpiryRule, ...]]
    freezes: dict[str, tuple[FreezeRow, ...]]


@dataclass(frozen=True, slots=True)
class ChargeRate:
    component: str
    exchange: str
    instrument: str
    side: str
    first: date
    last: date
    rate: Decimal

    def applies(self, exchange: str, instrument: str, side: str, on: date) -> bool:
        """Whether this row charges that kind of trade on that day."""
        return (
            self.exchange in (ANY, exchange)
            and self.instrument in (ANY, instrument)
            and self.side in (ANY, side)
            and self.first <= on <= self.last
        )


@dataclass(frozen=True, slots=True)
class BrokerageRate:
    """Rupees per executed order, or the lower of that and a fraction of turnover."""

    broker: str
    instrument: str
    first: date
    last: date
    per_order: Decimal
    fraction: Decimal | None


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of one CSV file of facts, as text, with their source and confidence."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@cache
def packaged() -> Facts:
    """The facts that ship with the product."""
    hours = tuple(_hours())
    return Facts(
        name="packaged",
        first=min(row.first for row in hours),
        last=max(row.last for row in hours),
        hours=hours,
        holidays=_holidays(),
        specials=_specials(),
        underlyings=_underlyings(),
        lots=_lots(),
        expiry_rules=_expiry_rules(),
        freezes=_freezes(),
    )


def in_force() -> Facts:
    """The facts that answer when a caller names none: the packaged ones unless others are installed."""
    return _INSTALLED.get("facts") or packaged()


def install(facts: Facts | None) -> None:
    """Make these facts the default of this process (None: the packaged ones). Called at start only.

    The one piece of process state here: a Contract is a plain value and asks for its lot size
    without carrying its facts, so a profile has to be set where the process is configured.
    """
    _INSTALLED["facts"] = facts


_INSTALLED: dict[str, Facts | None] = {}


@cache
def charge_rates() -> tuple[ChargeRate, ...]:
    """Statutory and exchange rates, dated."""
    return tuple(
        ChargeRate(
            row["component"], row["exchange"], row["instrument"], row["side"],
            _day(row["first"]), _day(row["last"]), Decimal(row["rate"]),
        )
        for row in rows("charge_rates.csv")
    )  # fmt: skip


@cache
def brokerage_rates() -> tuple[BrokerageRate, ...]:
    """What each broker takes per executed order, dated."""
    return tuple(
        BrokerageRate(
            row["broker"], row["instrument"], _day(row["first"]), _day(row["last"]),
            Decimal(row["per_order"]),
            Decimal(row["fraction_of_turnover"]) if row["fraction_of_turnover"] else None,
        )
        for row in rows("brokerage.csv")
    )  # fmt: skip


_day = date.fromisoformat
_time = time.fromisoformat


def _exchanges(code: str) -> tuple[str, ...]:
    return EXCHANGES if code == ANY else (code,)


def _hours() -> Iterator[Hours]:
    for row in rows("session_hours.csv"):
        for exchange in _exchanges(row["exchange"]):
            yield Hours(
                exchange, _day(row["first"]), _day(row["last"]), _time(row["open"]),
                _time(row["close"]), _time(row["settlement"]), _time(row["spot_until"]),
            )  # fmt: skip


def _holidays() -> dict[str, frozenset[date]]:
    days: dict[str, set[date]] = defaultdict(set)
    for row in rows("holidays.csv"):
        for exchange in _exchanges(row["exchange"]):
            days[exchange].add(_day(row["day"]))
    return {exchange: frozenset(closed) for exchange, closed in days.items()}


def _specials() -> dict[tuple[str, date], SpecialSession]:
    found = {}
    for row in rows("special_sessions.csv"):
        parts = tuple(tuple(map(_time, part.split("-"))) for part in row["hours"].split())
        for exchange in _exchanges(row["exchange"]):
            found[exchange, _day(row["day"])] = SpecialSession(row["kind"], parts)  # type: ignore[arg-type]  # each part is an opening and a close
    return found


def _underlyings() -> dict[str, UnderlyingRow]:
    return {
        row["underlying"]: UnderlyingRow(
            row["underlying"], row["exchange"], Decimal(row["option_tick"]),
            Decimal(row["future_tick"]), Decimal(row["strike_step"]), int(row["listed_weeklies"]),
        )
        for row in rows("underlyings.csv")
    }  # fmt: skip


def _lots() -> dict[str, tuple[LotRow, ...]]:
    found: dict[str, tuple[LotRow, ...]] = defaultdict(tuple)
    for row in rows("lots.csv"):
        lot = LotRow(
            row["kind"], _day(row["first_expiry"]), _day(row["last_expiry"]), int(row["lot"])
        )
        found[row["underlying"]] += (lot,)
    return dict(found)


def _expiry_rules() -> dict[str, tuple[ExpiryRule, ...]]:
    found: dict[str, tuple[ExpiryRule, ...]] = defaultdict(tuple)
    for row in rows("expiry_weekdays.csv"):
        weekday = WEEKDAYS.index(row["weekday"])
        rule = ExpiryRule(row["kind"], _day(row["first"]), _day(row["last"]), weekday)
        found[row["underlying"]] += (rule,)
    return dict(found)


def _freezes() -> dict[str, tuple[FreezeRow, ...]]:
    found: dict[str, tuple[FreezeRow, ...]] = defaultdict(tuple)
    for row in rows("freeze_quantities.csv"):
        freeze = FreezeRow(_day(row["first"]), _day(row["last"]), int(row["quantity"]))
        found[row["underlying"]] += (freeze,)
    return dict(found)
