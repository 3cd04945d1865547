from datetime import date

import pytest

from market.facts import tables
from market.kernel import calendar, contracts
from market.kernel.calendar import OutsideCoverage
from market.kernel.contracts import expiries, lot_size, parse

TUESDAY = date(2026, 8, 4)
BRIEF = {
    "trading_start_time": "09:15",
    "trading_end_time": "15:30",
    "indices": {
        "NIFTY": {"lot_size": 25, "weekly_expiry": "Thursday"},
        "BANKNIFTY": {"lot_size": 15, "weekly_expiry": "Wednesday"},
        "FINNIFTY": {"lot_size": 25, "weekly_expiry": "Tuesday"},
        "MIDCPNIFTY": {"lot_size": 75, "weekly_expiry": "Monday"},
        "SENSEX": {"lot_size": 10, "weekly_expiry": "Friday"},
    },
}


def test_the_documented_table_answers_when_the_environment_states_it():
    facts = contracts.facts_from_config(BRIEF)
    on = date(2024, 10, 7)

    assert lot_size("NIFTY", date(2026, 8, 6), facts=facts) == 25
    assert [
        (expiries(name, on, facts=facts)[0].day.strftime("%a"), lot_size(name, on, facts=facts))
        for name in BRIEF["indices"]
    ] == [("Thu", 25), ("Wed", 15), ("Tue", 25), ("Mon", 75), ("Fri", 10)]
    with pytest.raises(OutsideCoverage):
        expiries("BANKEX", on, facts=facts)


def test_the_documented_hours_replace_the_dated_ones():
    facts = contracts.facts_from_config(BRIEF)

    session = calendar.session("NSE", TUESDAY, facts=facts)

    assert (session.close.hour, session.close.minute) == (15, 30)


def test_a_null_table_leaves_the_dated_facts():
    empty = {"trading_start_time": None, "trading_end_time": None, "indices": None}

    assert contracts.facts_from_config(empty) is tables.packaged()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"indices": {"NIFTY": {"lot_size": 0, "weekly_expiry": "Thu"}}}, "NIFTY.lot_size"),
        ({"indices": {"NIFTY": {"lot_size": 25, "weekly_expiry": "Foo"}}}, "NIFTY.weekly_expiry"),
        ({"indices": {"DOW": {"lot_size": 25, "weekly_expiry": "Thu"}}}, "DOW"),
        ({"trading_start_time": "9h"}, "trading_start_time"),
        ({"trading_start_time": "16:00", "trading_end_time": "15:30"}, "trading_end_time"),
    ],
)
def test_a_wrong_environment_table_names_its_field(change, message):
    with pytest.raises(ValueError, match=message):
        contracts.facts_from_config(change)


def test_an_installed_profile_answers_for_contracts_until_it_is_taken_back():
    tables.install(contracts.facts_from_config(BRIEF))
    try:
        assert parse("NIFTY-20260806-24500-CE").lot_size == 25
    finally:
        tables.install(None)
    assert parse("NIFTY-20260804-24500-CE").lot_size == 65
