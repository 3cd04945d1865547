"""The dated facts read into one frozen value, and which of them answer in this process.

The packaged ones are read from the CSV files beside this module on first use; others are built
from the operator's tables. Every row names its source and a confidence: A an exchange circular or
API was read, B press, a broker's page or an instrument dump, C one weak source. Nothing here
guesses beyond its rows.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, time
from functools import cache
from pathlib import Path

from market.facts import schema
from market.facts.schema import ANY, EXCHANGES, WEEKDAYS, Row
from market.facts.values import (
    BrokerageRate,
    ChargeRate,
    ExpiryRule,
    Facts,
    FreezeRow,
    Hours,
    LotRow,
    MarginRate,
    SpecialSession,
    UnderlyingRow,
)

FOLDER = Path(__file__).parent
Tables = Mapping[str, list[Row]]


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of one CSV file of facts, as text, with their source and confidence."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def packaged_rows() -> dict[str, list[Row]]:
    """Every table that ships with the product, by its name."""
    return {
        name: [schema.parse(table, text) for text in rows(f"{name}.csv")]
        for name, table in schema.TABLES.items()
    }


@cache
def packaged() -> Facts:
    """The facts that ship with the product."""
    return build(packaged_rows(), name="packaged")


def build(tables: Tables, *, name: str, revision: int = 0) -> Facts:
    """The facts that these rows say; they must have passed schema.check_together."""
    hours = tuple(_hours(tables["session_hours"]))
    return Facts(
        name=name,
        revision=revision,
        first=min(row.first for row in hours),
        last=max(row.last for row in hours),
        reach=_reach(hours),
        hours=hours,
        holidays=_holidays(tables["holidays"]),
        specials=_specials(tables["special_sessions"]),
        underlyings=_underlyings(tables["underlyings"]),
        lots=_lots(tables["lots"]),
        expiry_rules=_expiry_rules(tables["expiry_weekdays"]),
        freezes=_freezes(tables["freeze_quantities"]),
        charge_rates=_charge_rates(tables["charge_rates"]),
        margin_rates=_margin_rates(tables["margin_rates"]),
        brokerage_rates=_brokerage_rates(tables["brokerage"]),
    )


def in_force() -> Facts:
    """The facts that answer when a caller names none: the packaged ones unless others are installed."""
    return _INSTALLED.get("facts") or packaged()


def install(facts: Facts | None) -> None:
    """Make these facts the default of this process (None: the packaged ones).

    The one piece of process state here: a Contract is a plain value and asks for its lot size
    without carrying its facts. It is set at start, and where a unit of work begins when the
    operator's tables have changed (market.facts_in_force).
    """
    _INSTALLED["facts"] = facts


_INSTALLED: dict[str, Facts | None] = {}


def charge_rates() -> tuple[ChargeRate, ...]:
    """Statutory and exchange rates in force, dated."""
    return in_force().charge_rates


def brokerage_rates() -> tuple[BrokerageRate, ...]:
    """What each broker takes per executed order by the facts in force, dated."""
    return in_force().brokerage_rates


def _exchanges(code: str) -> tuple[str, ...]:
    return EXCHANGES if code == ANY else (code,)


def _hours(found: list[Row]) -> Iterator[Hours]:
    for row in found:
        for exchange in _exchanges(row["exchange"]):
            yield Hours(
                exchange, row["first"], row["last"], row["open"], row["close"],
                row["settlement"], row["spot_until"],
            )  # fmt: skip


def _reach(hours: tuple[Hours, ...]) -> dict[str, tuple[date, date]]:
    return {
        exchange: (
            min(row.first for row in hours if row.exchange == exchange),
            max(row.last for row in hours if row.exchange == exchange),
        )
        for exchange in {row.exchange for row in hours}
    }


def _holidays(found: list[Row]) -> dict[str, frozenset[date]]:
    days: dict[str, set[date]] = defaultdict(set)
    for row in found:
        for exchange in _exchanges(row["exchange"]):
            days[exchange].add(row["day"])
    return {exchange: frozenset(closed) for exchange, closed in days.items()}


def _specials(found: list[Row]) -> dict[tuple[str, date], SpecialSession]:
    return {
        (exchange, row["day"]): SpecialSession(row["kind"], _parts(row["hours"]))
        for row in found
        for exchange in _exchanges(row["exchange"])
    }


def _parts(hours: str) -> tuple[tuple[time, time], ...]:
    pairs = (part.split("-") for part in hours.split())
    return tuple((time.fromisoformat(start), time.fromisoformat(end)) for start, end in pairs)


def _underlyings(found: list[Row]) -> dict[str, UnderlyingRow]:
    return {
        row["underlying"]: UnderlyingRow(
            row["underlying"], row["exchange"], row["option_tick"], row["future_tick"],
            row["strike_step"], row["listed_weeklies"],
        )
        for row in found
    }  # fmt: skip


def _lots(found: list[Row]) -> dict[str, tuple[LotRow, ...]]:
    lots: dict[str, tuple[LotRow, ...]] = defaultdict(tuple)
    for row in found:
        lot = LotRow(row["kind"], row["first_expiry"], row["last_expiry"], row["lot"])
        lots[row["underlying"]] += (lot,)
    return dict(lots)


def _expiry_rules(found: list[Row]) -> dict[str, tuple[ExpiryRule, ...]]:
    rules: dict[str, tuple[ExpiryRule, ...]] = defaultdict(tuple)
    for row in found:
        weekday = WEEKDAYS.index(row["weekday"])
        rules[row["underlying"]] += (ExpiryRule(row["kind"], row["first"], row["last"], weekday),)
    return dict(rules)


def _freezes(found: list[Row]) -> dict[str, tuple[FreezeRow, ...]]:
    freezes: dict[str, tuple[FreezeRow, ...]] = defaultdict(tuple)
    for row in found:
        freezes[row["underlying"]] += (FreezeRow(row["first"], row["last"], row["quantity"]),)
    return dict(freezes)


def _charge_rates(found: list[Row]) -> tuple[ChargeRate, ...]:
    return tuple(
        ChargeRate(
            row["component"], row["exchange"], row["instrument"], row["side"],
            row["first"], row["last"], row["rate"],
        )
        for row in found
    )  # fmt: skip


def _margin_rates(found: list[Row]) -> tuple[MarginRate, ...]:
    return tuple(
        MarginRate(row["component"], row["first"], row["last"], row["rate"]) for row in found
    )


def _brokerage_rates(found: list[Row]) -> tuple[BrokerageRate, ...]:
    return tuple(
        BrokerageRate(
            row["broker"], row["instrument"], row["first"], row["last"],
            row["per_order"], row["fraction_of_turnover"],
        )
        for row in found
    )  # fmt: skip
