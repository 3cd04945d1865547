"""Contracts by the names that the three brokers give them."""

import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from market.kernel.calendar import OutsideCoverage
from market.kernel.contracts import UNDERLYINGS, Contract, expiries, parse
from market.kernel.symbols import BROKERS, from_broker, to_broker

WEEKLY = Contract("NIFTY", date(2026, 8, 18), "CE", Decimal(24350))
MONTHLY = Contract("NIFTY", date(2026, 8, 25), "PE", Decimal(24350))
FUTURE = Contract("NIFTY", date(2026, 8, 25), "FUT")
SENSEX = Contract("SENSEX", date(2026, 10, 1), "CE", Decimal(76200))
BANKEX = Contract("BANKEX", date(2026, 8, 27), "FUT")
HALF = Contract("NIFTYNXT50", date(2026, 8, 25), "CE", Decimal("74500.50"))


@pytest.mark.parametrize(
    ("contract", "broker", "symbol"),
    [
        (WEEKLY, "zerodha", "NIFTY2681824350CE"),
        (MONTHLY, "zerodha", "NIFTY26AUG24350PE"),
        (FUTURE, "zerodha", "NIFTY26AUGFUT"),
        (SENSEX, "zerodha", "SENSEX26O0176200CE"),
        (HALF, "zerodha", "NIFTYNXT5026AUG74500.5CE"),
        (WEEKLY, "angelone", "NIFTY18AUG2624350CE"),
        (FUTURE, "angelone", "NIFTY25AUG26FUT"),
        (SENSEX, "angelone", "SENSEX26O0176200CE"),
        (WEEKLY, "finvasia", "NIFTY18AUG26C24350"),
        (MONTHLY, "finvasia", "NIFTY25AUG26P24350"),
        (FUTURE, "finvasia", "NIFTY25AUG26F"),
        (SENSEX, "finvasia", "SENSEX26O0176200CE"),
        (BANKEX, "finvasia", "BANKEX26AUGFUT"),
    ],
)
def test_a_contract_is_called_by_its_brokers_name_and_found_by_it(contract, broker, symbol):
    assert to_broker(contract, broker) == symbol
    assert from_broker(symbol, broker) == contract


@pytest.mark.parametrize(("month", "letter"), [(9, "9"), (10, "O"), (11, "N"), (12, "D")])
def test_a_weekly_month_is_a_digit_to_september_and_then_a_letter(month, letter):
    weekly = next(
        each.day
        for each in expiries("NIFTY", date(2026, month, 1))
        if each.kind == "weekly" and each.day.month == month
    )
    contract = Contract("NIFTY", weekly, "PE", Decimal(24000))

    assert to_broker(contract, "zerodha") == f"NIFTY26{letter}{weekly:%d}24000PE"


def test_a_monthly_symbol_of_november_2026_is_the_day_that_the_holiday_moved_it_to():
    found = from_broker("NIFTY26NOV25000CE", "zerodha")

    assert found.expiry == date(2026, 11, 23)


@st.composite
def contracts(draw):
    """A listed contract of any index on any day of the coverage."""
    underlying = draw(st.sampled_from(UNDERLYINGS))
    on = date(2023, 1, 2) + timedelta(days=draw(st.integers(0, 1400)))
    try:
        listed = expiries(underlying, on)
    except OutsideCoverage:
        listed = []
    assume(listed)
    expiry = draw(st.sampled_from(listed))
    side = draw(st.sampled_from(["CE", "PE", "FUT"] if expiry.kind == "monthly" else ["CE", "PE"]))
    strike = (
        None
        if side == "FUT"
        else Decimal(draw(st.integers(1, 200_000))) / draw(st.sampled_from([1, 2, 20]))
    )
    return Contract(underlying, expiry.day, side, strike)


@given(contract=contracts(), broker=st.sampled_from(BROKERS))
def test_every_listed_contract_comes_back_from_its_symbol(contract, broker):
    try:
        symbol = to_broker(contract, broker)
    except OutsideCoverage:
        # the facts of this index begin within a month, whose expiry is then not known by name
        assert (contract.underlying, contract.expiry) == ("NIFTYNXT50", date(2024, 4, 26))
        return
    assert from_broker(symbol, broker) == contract


@given(
    text=st.text(alphabet="NIFTYSEX0123456789AUGOCTPE.FU", max_size=24),
    broker=st.sampled_from(BROKERS),
)
def test_any_text_is_a_symbol_that_is_written_the_same_or_refused(text, broker):
    try:
        contract = from_broker(text, broker)
    except (ValueError, OutsideCoverage):
        return
    assert to_broker(contract, broker) == text


@pytest.mark.parametrize(
    ("symbol", "broker", "why"),
    [
        ("NIFTY2682524350CE", "zerodha", "writes a monthly expiry as a weekly"),
        ("NIFTY26818FUT", "zerodha", "futures expire with the month"),
        ("NIFTY26O3224350CE", "zerodha", "names no day"),
        ("NIFTY31FEB2624350CE", "angelone", "names no day"),
        ("RELIANCE26AUG3000CE", "zerodha", "no zerodha symbol of a known index"),
        ("NIFTY18AUG26C24350", "angelone", "no angelone symbol of a known index"),
        ("NIFTY2681824350CE ", "zerodha", "no zerodha symbol of a known index"),
        ("", "finvasia", "no finvasia symbol of a known index"),
        ("NIFTY2681824350CE", "upstox", "broker must be one of"),
    ],
)
def test_what_is_no_symbol_is_refused_with_the_reason(symbol, broker, why):
    with pytest.raises(ValueError, match=why):
        from_broker(symbol, broker)


def test_a_month_beyond_the_calendar_is_unknown():
    far = Contract("NIFTY", date(2027, 6, 29), "CE", Decimal(24000))

    with pytest.raises(OutsideCoverage):
        from_broker("NIFTY27JUN24000CE", "zerodha")
    with pytest.raises(OutsideCoverage):
        to_broker(far, "zerodha")


def test_the_expiries_of_a_master_decide_beyond_the_calendar():
    listed = [date(2027, 6, 22), date(2027, 6, 29)]
    monthly = Contract("NIFTY", date(2027, 6, 29), "CE", Decimal(24000))
    weekly = Contract("NIFTY", date(2027, 6, 22), "CE", Decimal(24000))

    assert to_broker(monthly, "zerodha", listed=listed) == "NIFTY27JUN24000CE"
    assert from_broker("NIFTY27JUN24000CE", "zerodha", listed=listed) == monthly
    assert to_broker(weekly, "zerodha", listed=listed) == "NIFTY2762224000CE"
    assert from_broker("NIFTY2762224000CE", "zerodha", listed=listed) == weekly


def test_a_day_on_which_nothing_expires_has_no_compact_symbol():
    wednesday = Contract("NIFTY", date(2026, 8, 19), "CE", Decimal(24000))

    with pytest.raises(OutsideCoverage, match="No NIFTY contract is known to expire on 2026-08-19"):
        to_broker(wednesday, "zerodha")


def test_a_future_of_a_weekly_has_no_symbol():
    with pytest.raises(ValueError, match="futures expire with the month"):
        to_broker(Contract("NIFTY", date(2026, 8, 18), "FUT"), "zerodha")


def test_the_names_of_the_document_are_those_of_the_code():
    text = (Path(__file__).resolve().parents[4] / "docs/concepts/market-files.md").read_text()
    rows = [
        line.strip("|").split("|") for line in text.splitlines() if re.match(r"\| [A-Z]+-\d", line)
    ]

    assert len(rows) == 5
    for cells in rows:
        symbol, *names = (cell.strip() for cell in cells)
        assert names == [to_broker(parse(symbol), broker) for broker in BROKERS]
