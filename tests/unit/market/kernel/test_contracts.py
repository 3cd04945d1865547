from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.facts import tables
from market.kernel import contracts
from market.kernel.calendar import OutsideCoverage
from market.kernel.contracts import Contract, Expiry, expiries, lot_size, parse, slices

TUESDAY = date(2026, 8, 4)


def call(strike="24500", expiry=TUESDAY, underlying="NIFTY"):
    return Contract(underlying, expiry, "CE", Decimal(strike))


@pytest.mark.parametrize(
    ("underlying", "expiry", "lot"),
    [
        ("NIFTY", date(2021, 7, 22), 75),
        ("NIFTY", date(2021, 7, 29), 50),
        ("NIFTY", date(2024, 4, 25), 50),
        ("NIFTY", date(2024, 5, 2), 25),
        ("NIFTY", date(2024, 12, 26), 25),
        ("NIFTY", date(2025, 1, 2), 75),
        ("NIFTY", date(2025, 1, 30), 25),
        ("NIFTY", date(2025, 2, 6), 75),
        ("NIFTY", date(2025, 12, 30), 75),
        ("NIFTY", date(2026, 1, 6), 65),
        ("NIFTY", date(2031, 6, 24), 65),
        ("BANKNIFTY", date(2023, 6, 28), 25),
        ("BANKNIFTY", date(2024, 11, 13), 15),
        ("BANKNIFTY", date(2025, 6, 26), 30),
        ("BANKNIFTY", date(2025, 7, 31), 35),
        ("BANKNIFTY", date(2026, 1, 27), 30),
        ("FINNIFTY", date(2024, 7, 23), 40),
        ("FINNIFTY", date(2024, 7, 30), 25),
        ("FINNIFTY", date(2025, 2, 27), 65),
        ("FINNIFTY", date(2026, 8, 25), 60),
        ("MIDCPNIFTY", date(2024, 7, 22), 75),
        ("MIDCPNIFTY", date(2024, 7, 29), 50),
        ("MIDCPNIFTY", date(2025, 7, 31), 140),
        ("MIDCPNIFTY", date(2026, 8, 25), 120),
        ("NIFTYNXT50", date(2025, 1, 30), 10),
        ("NIFTYNXT50", date(2025, 2, 27), 25),
        ("SENSEX", date(2025, 1, 3), 10),
        ("SENSEX", date(2025, 1, 7), 20),
        ("SENSEX", date(2025, 1, 28), 10),
        ("BANKEX", date(2024, 11, 18), 15),
        ("BANKEX", date(2026, 8, 27), 30),
    ],
)
def test_a_lot_belongs_to_the_contracts_expiry(underlying, expiry, lot):
    assert lot_size(underlying, expiry) == lot


def test_every_scheduled_expiry_of_every_index_has_a_lot():
    for underlying in contracts.UNDERLYINGS:
        first = min(rule.first for rule in tables.packaged().expiry_rules[underlying])
        for expiry in expiries(underlying, first):
            assert lot_size(underlying, expiry.day) > 0


@pytest.mark.parametrize(
    ("underlying", "on", "shifted"),
    [
        ("NIFTY", date(2023, 1, 20), date(2023, 1, 25)),
        ("NIFTY", date(2025, 10, 15), date(2025, 10, 20)),
        ("NIFTY", date(2026, 2, 26), date(2026, 3, 2)),
        ("NIFTY", date(2026, 10, 14), date(2026, 10, 19)),
        ("NIFTY", date(2026, 11, 4), date(2026, 11, 9)),
        ("NIFTY", date(2026, 11, 18), date(2026, 11, 23)),
        ("BANKNIFTY", date(2026, 11, 4), date(2026, 11, 23)),
        ("FINNIFTY", date(2026, 11, 4), date(2026, 11, 23)),
        ("MIDCPNIFTY", date(2026, 11, 4), date(2026, 11, 23)),
        ("NIFTYNXT50", date(2026, 11, 4), date(2026, 11, 23)),
        ("MIDCPNIFTY", date(2024, 1, 16), date(2024, 1, 20)),
        ("SENSEX", date(2026, 1, 12), date(2026, 1, 14)),
    ],
)
def test_an_expiry_on_a_holiday_moves_to_the_previous_trading_day(underlying, on, shifted):
    assert expiries(underlying, on)[0].day == shifted


def test_the_holiday_of_24_november_2026_moves_every_nse_monthly_and_no_bse_one():
    on = date(2026, 11, 17)
    nse = ("NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50")

    monthlies = {name: contracts.monthly_expiries(name, on, 1)[0] for name in contracts.UNDERLYINGS}

    assert monthlies == {
        **dict.fromkeys(nse, date(2026, 11, 23)),
        **dict.fromkeys(("SENSEX", "BANKEX"), date(2026, 11, 26)),
    }
    assert contracts.kind_of("NIFTY", date(2026, 11, 23)) == "monthly"
    assert lot_size("NIFTY", date(2026, 11, 23)) == 65
    assert Expiry(date(2026, 11, 24), "monthly") not in expiries("NIFTY", on)
    assert expiries("NIFTY", date(2026, 11, 24))[0] == Expiry(date(2026, 12, 1), "weekly")


def test_four_weeklies_and_three_monthlies_are_listed_up_to_their_own_day():
    listed = expiries("NIFTY", TUESDAY)

    assert listed == [
        Expiry(date(2026, 8, 4), "weekly"),
        Expiry(date(2026, 8, 11), "weekly"),
        Expiry(date(2026, 8, 18), "weekly"),
        Expiry(date(2026, 8, 25), "monthly"),
        Expiry(date(2026, 9, 1), "weekly"),
        Expiry(date(2026, 9, 29), "monthly"),
        Expiry(date(2026, 10, 27), "monthly"),
    ]
    assert expiries("NIFTY", date(2026, 8, 5))[0] == Expiry(date(2026, 8, 11), "weekly")


@pytest.mark.parametrize("underlying", ["BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "BANKEX"])
def test_only_nifty_and_sensex_have_weeklies_since_november_2024(underlying):
    assert {expiry.kind for expiry in expiries(underlying, TUESDAY)} == {"monthly"}
    assert contracts.weekly_expiries(underlying, TUESDAY, 1) == []


def test_sensex_expires_on_thursdays_now_and_on_fridays_in_2024():
    assert expiries("SENSEX", TUESDAY)[0] == Expiry(date(2026, 8, 6), "weekly")
    assert expiries("SENSEX", date(2024, 7, 1))[0] == Expiry(date(2024, 7, 5), "weekly")


def test_a_weekly_in_the_week_of_a_monthly_does_not_exist():
    days = contracts.weekly_expiries("BANKNIFTY", date(2023, 9, 6), 4)

    assert days == [date(2023, 9, 6), date(2023, 9, 13), date(2023, 9, 20), date(2023, 10, 4)]
    assert contracts.monthly_expiries("BANKNIFTY", date(2023, 9, 6), 1) == [date(2023, 9, 28)]


def test_expiries_whose_holidays_are_not_published_are_left_out_and_never_guessed():
    last = expiries("NIFTY", date(2026, 12, 20))

    assert [expiry.day for expiry in last] == [date(2026, 12, 22), date(2026, 12, 29)]
    with pytest.raises(OutsideCoverage, match="within the coverage"):
        contracts.monthly_expiries("NIFTY", date(2026, 12, 20), 2)


@pytest.mark.parametrize("on", [date(2020, 12, 31), date(2027, 1, 1)])
def test_expiries_outside_the_coverage_are_refused(on):
    with pytest.raises(OutsideCoverage, match=f"calendar of {on.year} are missing"):
        expiries("NIFTY", on)


def test_contracts_the_facts_do_not_know_are_refused():
    for question in (
        lambda: lot_size("NIFTY", date(2020, 12, 31)),
        lambda: lot_size("FINNIFTY", date(2027, 1, 26)),
        lambda: lot_size("RELIANCE", TUESDAY),
        lambda: expiries("RELIANCE", TUESDAY),
        lambda: contracts.exchange_of("RELIANCE"),
        lambda: contracts.freeze_quantity("NIFTY", date(2027, 1, 1)),
    ):
        with pytest.raises(OutsideCoverage):
            question()


@pytest.mark.parametrize(
    ("underlying", "on", "lot", "largest"),
    [
        ("NIFTY", TUESDAY, 65, 1755),
        ("BANKNIFTY", TUESDAY, 30, 600),
        ("FINNIFTY", TUESDAY, 60, 1800),
        ("MIDCPNIFTY", TUESDAY, 120, 2760),
        ("SENSEX", TUESDAY, 20, 1000),
        ("BANKNIFTY", date(2026, 5, 4), 30, 900),
        ("FINNIFTY", date(2025, 12, 15), 65, 1170),
    ],
)
def test_the_largest_order_is_whole_lots_within_the_freeze_quantity(underlying, on, lot, largest):
    assert contracts.max_order_quantity(underlying, on, lot) == largest


@pytest.mark.parametrize(
    ("lots", "expected"), [(0, []), (27, [1755]), (28, [1755, 65]), (60, [1755, 1755, 390])]
)
def test_an_order_above_the_freeze_quantity_is_sliced(lots, expected):
    assert slices(call(), lots, TUESDAY) == expected


@given(
    lots=st.integers(0, 5000),
    underlying=st.sampled_from(["NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "SENSEX"]),
)
def test_slices_add_up_in_whole_lots_and_none_exceeds_the_freeze_quantity(lots, underlying):
    expiry = contracts.monthly_expiries(underlying, TUESDAY, 1)[0]
    contract = call(expiry=expiry, underlying=underlying)

    cut = slices(contract, lots, TUESDAY)

    assert sum(cut) == lots * contract.lot_size
    assert all(quantity % contract.lot_size == 0 for quantity in cut)
    assert all(0 < quantity <= contract.freeze_quantity(TUESDAY) for quantity in cut)


def test_a_negative_number_of_lots_cannot_be_sliced():
    with pytest.raises(ValueError, match="lots"):
        slices(call(), -1, TUESDAY)


def test_a_contract_knows_its_market():
    future = Contract("BANKNIFTY", date(2026, 8, 25), "FUT")

    assert (call().exchange, call().lot_size, call().tick_size) == ("NSE", 65, Decimal("0.05"))
    assert (future.lot_size, future.tick_size) == (30, Decimal("0.20"))
    assert Contract("NIFTY", date(2026, 8, 25), "FUT").tick_size == Decimal("0.10")
    assert Contract("SENSEX", date(2026, 8, 6), "PE", Decimal(80000)).exchange == "BSE"
    assert contracts.strike_step("MIDCPNIFTY") == 25


@pytest.mark.parametrize(
    ("contract", "symbol"),
    [
        (call("24500.00"), "NIFTY-20260804-24500-CE"),
        (call("24500.50"), "NIFTY-20260804-24500.5-CE"),
        (Contract("NIFTY", date(2026, 8, 25), "FUT"), "NIFTY-20260825-FUT"),
        (Contract("SENSEX", date(2026, 8, 6), "PE", Decimal("8E+4")), "SENSEX-20260806-80000-PE"),
    ],
)
def test_a_symbol_is_printed_without_trailing_zeros_and_read_back(contract, symbol):
    assert contract.symbol == symbol
    assert parse(symbol) == contract


@given(
    underlying=st.sampled_from(contracts.UNDERLYINGS),
    expiry=st.dates(date(2023, 1, 1), date(2031, 12, 31)),
    option_type=st.sampled_from(["CE", "PE", "FUT"]),
    strike=st.decimals("0.05", "200000", places=2),
)
def test_every_symbol_reads_back_as_its_contract(underlying, expiry, option_type, strike):
    contract = Contract(underlying, expiry, option_type, None if option_type == "FUT" else strike)

    assert parse(contract.symbol) == contract


@pytest.mark.parametrize(
    "nonsense",
    [
        "", "NIFTY", "NIFTY-20260804-24500", "NIFTY-20260804-24500-XX", "NIFTY-20260804-FUT-CE",
        "NIFTY-20261304-24500-CE", "NIFTY-20260804-24500.0-CE", "NIFTY-20260804-abc-CE",
        "NIFTY-20260804-0-CE", "NIFTY-20260804--5-CE", "RELIANCE-20260804-100-CE",
        "NIFTY-20260804-NaN-CE", "NIFTY-20260804-24500-FUT", "nifty-20260804-24500-CE",
        "NIFTY-20260804-Infinity-CE", "NIFTY-20260804-1e3-CE",
    ],
)  # fmt: skip
def test_a_symbol_that_is_none_is_refused(nonsense):
    with pytest.raises(ValueError, match="is not"):
        parse(nonsense)
