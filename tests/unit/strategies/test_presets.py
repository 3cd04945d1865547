from datetime import date, time
from decimal import Decimal

import pytest

from strategies.presets import PRESETS, legs_of, terms_of
from strategies.rules import House, check, naked_as_written, resolve, waves
from tests.unit.strategies.frames import DAY, make_frame

HOUSE = House(day=DAY, open=time(9, 15), close=time(15, 40), most_legs=6)


@pytest.mark.parametrize("key", PRESETS)
@pytest.mark.parametrize("underlying", ["NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "SENSEX"])
def test_every_preset_may_be_saved_and_declares_exactly_its_naked_units(key, underlying):
    terms = terms_of(PRESETS[key], underlying=underlying, on=DAY).numbered()

    check(terms, underlying=underlying, house=HOUSE)

    assert naked_as_written(terms.legs) == (terms.naked_calls, terms.naked_puts)


def test_an_iron_condor_is_what_a_trader_means():
    legs = legs_of(PRESETS["iron_condor"], underlying="NIFTY", on=DAY, offset=2, width=1)

    resolved = resolve(legs, underlying="NIFTY", frame=make_frame(), day=DAY)

    assert [(leg.side, leg.contract.symbol) for leg in resolved] == [
        ("BUY", "NIFTY-20260804-24650-CE"),
        ("BUY", "NIFTY-20260804-24350-PE"),
        ("SELL", "NIFTY-20260804-24600-CE"),
        ("SELL", "NIFTY-20260804-24400-PE"),
    ]
    assert [leg.number for leg in waves(resolved)[0]] == [1, 2]


def test_a_covered_call_holds_the_monthly_future():
    legs = legs_of(PRESETS["covered_call"], underlying="NIFTY", on=DAY, offset=1)

    resolved = resolve(legs, underlying="NIFTY", frame=make_frame(), day=DAY)

    assert [leg.contract.symbol for leg in resolved] == ["NIFTY-20260825-FUT", "NIFTY-20260825-24700-CE"]


def test_an_index_without_weeklies_gets_the_month():
    weekly = legs_of(PRESETS["calendar"], underlying="NIFTY", on=date(2026, 8, 3))
    monthly = legs_of(PRESETS["calendar"], underlying="BANKNIFTY", on=date(2026, 8, 3))

    assert [leg.expiry_rule for leg in weekly] == ["next_week", "this_week"]
    assert [leg.expiry_rule for leg in monthly] == ["next_month", "this_month"]
    assert weekly[0].strike_value == Decimal(0)
