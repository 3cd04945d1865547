"""What the tables of facts take, and which field they name when they do not."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.facts import schema, tables
from market.facts.schema import TABLES, WrongFact
from market.facts.values import Facts
from market.kernel import calendar, contracts
from market.kernel.calendar import OutsideCoverage

LOT = {
    "underlying": "NIFTY", "kind": "weekly", "first_expiry": "2027-01-01",
    "last_expiry": "2027-12-31", "lot": "60", "source": "a circular", "confidence": "A",
}  # fmt: skip
HOURS = {
    "exchange": "*", "first": "2027-01-01", "last": "2027-12-31", "open": "09:15",
    "close": "15:40", "settlement": "15:35", "spot_until": "15:15", "source": "a circular",
    "confidence": "A",
}  # fmt: skip
RATE = {
    "component": "stt", "exchange": "*", "instrument": "OPT", "side": "SELL",
    "first": "2027-01-01", "last": "2027-12-31", "rate": "0.002", "source": "a law",
    "confidence": "A",
}  # fmt: skip

MARGIN = {
    "component": "exposure", "first": "2027-01-01", "last": "2027-12-31", "rate": "0.02",
    "source": "a circular", "confidence": "A",
}  # fmt: skip


def packaged_with(table: str, *rows: dict[str, str]):
    found = tables.packaged_rows()
    found[table] += [schema.parse(TABLES[table], row) for row in rows]
    return found


@pytest.mark.parametrize("name", TABLES)
def test_every_packaged_file_has_the_columns_of_its_table(name):
    with (tables.FOLDER / f"{name}.csv").open(newline="") as file:
        header = next(csv.reader(file))

    assert tuple(header) == TABLES[name].header
    assert schema.table_of(reversed(header)) is TABLES[name]


def test_the_packaged_tables_agree_with_each_other():
    schema.check_together(tables.packaged_rows())


@pytest.mark.parametrize("name", TABLES)
def test_a_row_is_the_same_after_it_was_text(name):
    for row in tables.packaged_rows()[name]:
        assert schema.parse(TABLES[name], schema.as_text(TABLES[name], row)) == row


def test_a_column_with_more_decimals_gives_the_same_value_in_the_same_words():
    ticks = {"option_tick": "0.1", "future_tick": "0.100", "strike_step": "50.00"}
    row = next(iter(tables.rows("underlyings.csv"))) | ticks

    read = schema.parse(TABLES["underlyings"], row)

    assert [str(read[name]) for name in ticks] == ["0.10", "0.10", "50"]
    assert schema.parse(TABLES["charge_rates"], RATE | {"rate": "0.0020000000"})["rate"] == Decimal(
        "0.002"
    )


@pytest.mark.parametrize(
    ("table", "row", "field"),
    [
        ("lots", LOT | {"lot": "0"}, "lot"),
        ("lots", LOT | {"lot": "-65"}, "lot"),
        ("lots", LOT | {"lot": "65.5"}, "lot"),
        ("lots", LOT | {"lot": "10000000"}, "lot"),
        ("lots", LOT | {"kind": "daily"}, "kind"),
        ("lots", LOT | {"underlying": "Nifty"}, "underlying"),
        ("lots", LOT | {"last_expiry": "2026-12-31"}, "last_expiry"),
        ("lots", LOT | {"first_expiry": "1/1/2027"}, "first_expiry"),
        ("lots", LOT | {"source": " "}, "source"),
        ("lots", LOT | {"source": "x" * 201}, "source"),
        ("lots", LOT | {"confidence": "D"}, "confidence"),
        ("session_hours", HOURS | {"exchange": "MCX"}, "exchange"),
        ("session_hours", HOURS | {"close": "09:00"}, "close"),
        ("session_hours", HOURS | {"open": "9h"}, "open"),
        ("session_hours", HOURS | {"open": "09:15:30"}, "open"),
        ("session_hours", HOURS | {"settlement": "16:00"}, "settlement"),
        ("charge_rates", RATE | {"rate": "1.5"}, "rate"),
        ("charge_rates", RATE | {"rate": "-0.001"}, "rate"),
        ("charge_rates", RATE | {"rate": "NaN"}, "rate"),
        ("charge_rates", RATE | {"rate": "0.15%"}, "rate"),
        ("charge_rates", RATE | {"component": "sst"}, "component"),
        ("margin_rates", MARGIN | {"component": "scan"}, "component"),
        ("margin_rates", MARGIN | {"rate": "9.3%"}, "rate"),
        ("margin_rates", MARGIN | {"rate": "-1"}, "rate"),
        ("margin_rates", MARGIN | {"rate": "11"}, "rate"),
    ],
)
def test_a_wrong_cell_is_refused_with_its_field(table, row, field):
    with pytest.raises(WrongFact) as refused:
        schema.parse(TABLES[table], row)

    assert refused.value.field == field
    assert refused.value.fix.startswith(("Give ", "Open "))


@pytest.mark.parametrize(
    "hours", ["09:15", "09:15-", "10:00-09:15", "09:15-10:00 09:30-11:00", "x-y"]
)
def test_stretches_of_a_special_session_are_in_order(hours):
    row = {
        "exchange": "*",
        "day": "2027-10-29",
        "kind": "muhurat",
        "hours": hours,
        "source": "x",
        "confidence": "A",
    }

    with pytest.raises(WrongFact, match="stretches in order"):
        schema.parse(TABLES["special_sessions"], row)


@pytest.mark.parametrize(
    ("table", "row", "field", "words"),
    [
        (
            "lots",
            LOT | {"first_expiry": "2026-12-31"},
            "first_expiry",
            "overlaps the row 2026-01-01",
        ),
        ("lots", LOT | {"underlying": "DOW"}, "underlying", "DOW is no row of underlyings"),
        ("charge_rates", RATE | {"exchange": "BSE", "first": "2026-12-31"}, "first", "overlaps"),
        ("margin_rates", MARGIN | {"first": "2026-12-31"}, "first", "overlaps"),
        ("session_hours", HOURS, "last", "No holiday of NSE in 2027"),
        ("session_hours", HOURS | {"first": "2027-02-01"}, "first", "no hours from 2026-12-31"),
        ("holidays", next(iter(tables.rows("holidays.csv"))), "day", "is there twice"),
    ],
)
def test_rows_that_contradict_each_other_are_refused_with_the_field(table, row, field, words):
    with pytest.raises(WrongFact, match=words) as refused:
        schema.check_together(packaged_with(table, row))

    assert (refused.value.table, refused.value.field) == (table, field)


def test_a_header_of_no_table_is_answered_with_the_tables_there_are():
    with pytest.raises(WrongFact, match="lots: underlying,kind,first_expiry"):
        schema.table_of(["symbol", "lot"])


def new_year() -> Facts:
    """The packaged facts and a 2027 with one holiday, in which nobody said on which day NIFTY expires."""
    holiday = {"exchange": "*", "day": "2027-01-26", "source": "a circular", "confidence": "A"}
    found = packaged_with("holidays", holiday)
    found["session_hours"].append(schema.parse(TABLES["session_hours"], HOURS))
    schema.check_together(found)
    return tables.build(found, name="2027", revision=2)


def test_a_new_year_reaches_only_the_questions_that_its_rows_answer():
    facts = new_year()

    assert calendar.session("NSE", date(2027, 1, 25), facts=facts).close.hour == 15
    assert not calendar.is_trading_day("BSE", date(2027, 1, 26), facts=facts)
    with pytest.raises(
        OutsideCoverage, match="the expiry weekdays or the calendar of 2027 are missing"
    ):
        contracts.expiries("NIFTY", date(2027, 1, 4), facts=facts)
    with pytest.raises(OutsideCoverage, match="No lot size"):
        contracts.lot_size("FINNIFTY", date(2027, 1, 26), facts=facts)
    assert [e.day for e in contracts.expiries("NIFTY", date(2026, 12, 28), facts=facts)] == [
        date(2026, 12, 29)
    ]


def test_expiry_weekdays_beyond_the_calendar_wait_for_it():
    found = tables.packaged_rows()
    rule = {
        "underlying": "NIFTY", "kind": "weekly", "first": "2027-01-01", "last": "2027-12-31",
        "weekday": "Tue", "source": "a circular", "confidence": "A",
    }  # fmt: skip
    found["expiry_weekdays"].append(schema.parse(TABLES["expiry_weekdays"], rule))
    facts = tables.build(found, name="early", revision=2)

    assert contracts.expiries("NIFTY", date(2026, 12, 28), facts=facts)[-1].day == date(
        2026, 12, 29
    )


def test_an_index_that_the_facts_name_is_one_of_ours():
    index = {
        "underlying": "SENSEX50", "exchange": "BSE", "option_tick": "0.05", "future_tick": "0.05",
        "strike_step": "50", "listed_weeklies": "0", "source": "a master", "confidence": "C",
    }  # fmt: skip
    facts = tables.build(packaged_with("underlyings", index), name="more", revision=2)

    assert contracts.parse("SENSEX50-20260827-27000-CE", facts=facts).underlying == "SENSEX50"
    with pytest.raises(ValueError, match="is not a contract symbol"):
        contracts.parse("SENSEX50-20260827-27000-CE")


@given(st.dates(date(2021, 1, 1), date(2026, 12, 31)), st.sampled_from(["NSE", "BSE"]))
def test_facts_that_were_text_answer_as_the_packaged_ones_do(day, exchange):
    assert said(exchange, day, None) == said(exchange, day, COPY)


def said(exchange: str, day: date, facts: Facts | None) -> object:
    try:
        return calendar.session(exchange, day, facts=facts)
    except OutsideCoverage as gap:
        return str(gap)


def _copy() -> Facts:
    rows = {
        name: [schema.parse(TABLES[name], schema.as_text(TABLES[name], row)) for row in found]
        for name, found in tables.packaged_rows().items()
    }
    return tables.build(rows, name="copy", revision=9)


COPY = _copy()
