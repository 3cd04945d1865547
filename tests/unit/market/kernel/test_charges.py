from datetime import date
from decimal import Decimal

import pytest

from market.kernel import charges
from market.kernel.calendar import OutsideCoverage
from market.kernel.charges import Charges
from market.kernel.contracts import Contract

TUESDAY = date(2026, 8, 4)
CALL = Contract("NIFTY", TUESDAY, "CE", Decimal(24500))
PUT = Contract("NIFTY", TUESDAY, "PE", Decimal(24500))
FUTURE = Contract("NIFTY", date(2026, 8, 25), "FUT")
SENSEX = Contract("SENSEX", date(2026, 8, 6), "CE", Decimal(80000))


def parts(found):
    return tuple(
        str(getattr(found, name))
        for name in ("brokerage", "stt", "exchange", "sebi", "stamp", "gst", "total")
    )


def test_selling_a_lot_of_nifty_at_100_in_2026_costs_about_36_rupees():
    found = charges.for_order("zerodha", CALL, "SELL", 65, Decimal(100), TUESDAY)

    assert parts(found) == ("20.00", "9.75", "2.31", "0.01", "0.00", "4.02", "36.09")


def test_the_2023_order_of_the_kite_documentation():
    contract = Contract("NIFTY", date(2023, 7, 27), "CE", Decimal(20600))

    found = charges.for_order("zerodha", contract, "SELL", 75, Decimal("35.65"), date(2023, 7, 11))

    assert parts(found) == ("20.00", "1.67", "1.34", "0.00", "0.00", "3.84", "26.85")


def test_a_buyer_pays_stamp_duty_and_no_stt():
    found = charges.for_order("zerodha", CALL, "BUY", 65, Decimal(100), TUESDAY)

    assert parts(found) == ("20.00", "0.00", "2.31", "0.01", "0.20", "4.02", "26.54")


def test_bse_has_its_own_transaction_charge():
    found = charges.for_order("zerodha", SENSEX, "SELL", 20, Decimal(500), TUESDAY)

    assert parts(found) == ("20.00", "15.00", "3.25", "0.01", "0.00", "4.19", "42.45")


def test_futures_pay_their_own_rates():
    sold = charges.for_order("zerodha", FUTURE, "SELL", 65, Decimal(24500), TUESDAY)
    bought = charges.for_order("zerodha", FUTURE, "BUY", 65, Decimal(24500), TUESDAY)

    assert parts(sold) == ("20.00", "796.25", "29.14", "1.59", "0.00", "9.13", "856.11")
    assert (bought.stt, bought.stamp) == (Decimal("0.00"), Decimal("31.85"))


def test_futures_brokerage_is_the_fraction_when_that_is_less():
    found = charges.for_order("zerodha", FUTURE, "BUY", 65, Decimal(500), TUESDAY)

    assert found.brokerage == Decimal("9.75")


@pytest.mark.parametrize(
    ("broker", "on", "brokerage"),
    [
        ("zerodha", TUESDAY, "20.00"),
        ("angelone", TUESDAY, "20.00"),
        ("finvasia", TUESDAY, "5.00"),
        ("finvasia", date(2024, 6, 3), "0.00"),
    ],
)
def test_each_broker_takes_its_brokerage_per_executed_order(broker, on, brokerage):
    assert str(charges.for_order(broker, CALL, "BUY", 65, Decimal(100), on).brokerage) == brokerage


@pytest.mark.parametrize(
    ("on", "stt"),
    [
        (date(2023, 3, 31), "5.00"),
        (date(2023, 4, 3), "6.25"),
        (date(2024, 9, 30), "6.25"),
        (date(2024, 10, 1), "10.00"),
        (date(2026, 3, 30), "10.00"),
        (date(2026, 4, 1), "15.00"),
    ],
)
def test_stt_on_premium_follows_its_dates(on, stt):
    assert str(charges.for_order("zerodha", CALL, "SELL", 100, Decimal(100), on).stt) == stt


def test_turnover_of_uneven_fills_is_charged_exactly():
    by_turnover = charges.for_order("zerodha", CALL, "SELL", 65, on=TUESDAY, turnover=Decimal(6500))

    assert by_turnover == charges.for_order("zerodha", CALL, "SELL", 65, Decimal(100), TUESDAY)


def test_half_a_paisa_is_rounded_up():
    found = charges.for_order("zerodha", CALL, "SELL", 65, on=TUESDAY, turnover=Decimal(10))

    assert found.stt == Decimal("0.02")  # 0.015 exactly


@pytest.mark.parametrize(
    ("contract", "quantity", "settled", "stt"),
    [
        (CALL, 65, "24600.50", "9.80"),
        (CALL, -65, "24600.50", "0.00"),
        (CALL, 65, "24500", "0.00"),
        (CALL, 65, "24400", "0.00"),
        (PUT, 65, "24400", "9.75"),
        (FUTURE, 65, "24600", "0.00"),
    ],
)
def test_at_settlement_only_a_long_option_in_the_money_pays(contract, quantity, settled, stt):
    found = charges.for_settlement(contract, quantity, Decimal(settled), TUESDAY)

    assert str(found.stt) == stt
    assert found.total == found.stt


def test_exercise_stt_was_an_eighth_of_a_percent_until_march_2026():
    found = charges.for_settlement(PUT, 1000, Decimal(24400), date(2026, 3, 30))

    assert found.stt == Decimal("125.00")


def test_charges_add_up_part_by_part():
    one = Charges(*map(Decimal, ("1.00", "2.00", "3.00", "4.00", "5.00", "6.00")))

    assert one + one == Charges(*map(Decimal, ("2.00", "4.00", "6.00", "8.00", "10.00", "12.00")))
    assert (one + one).total == 2 * one.total == Decimal("42.00")


def test_what_has_no_rate_is_refused():
    for question in (
        lambda: charges.for_order("acme", CALL, "SELL", 65, Decimal(100), TUESDAY),
        lambda: charges.for_order("zerodha", CALL, "SELL", 65, Decimal(100), date(2027, 1, 4)),
        lambda: charges.for_order("zerodha", SENSEX, "SELL", 20, Decimal(100), date(2024, 7, 1)),
        lambda: charges.for_settlement(CALL, 65, Decimal(25000), date(2027, 1, 4)),
    ):
        with pytest.raises(OutsideCoverage):
            question()


def test_an_order_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="side"):
        charges.for_order("zerodha", CALL, "HOLD", 65, Decimal(100), TUESDAY)
    with pytest.raises(ValueError, match="quantity"):
        charges.for_order("zerodha", CALL, "SELL", -65, Decimal(100), TUESDAY)
    with pytest.raises(ValueError, match="either"):
        charges.for_order("zerodha", CALL, "SELL", 65, on=TUESDAY)
    with pytest.raises(ValueError, match="trading day"):
        charges.for_order("zerodha", CALL, "SELL", 65, Decimal(100))
