"""A master against the dated facts: what an operator has to look at."""

from datetime import date

from market.importers.lots import Why, check_symbols, findings, usable
from market.importers.masters import read_master
from market.importers.rows import BadRow
from tests.unit.market.importers import masters


def read(text):
    return read_master("master", text.encode())


def zerodha(*rows):
    header = masters.ZERODHA.splitlines()[0]
    return read("\n".join([header, *rows]) + "\n")


def test_a_master_that_agrees_with_the_facts_has_no_finding():
    assert findings(read(masters.ZERODHA).listed) == []


def test_another_lot_is_one_finding_for_its_series_and_its_rows_stand():
    master = zerodha(
        "1,1,NIFTY26AUG24350CE,NIFTY,0,2026-08-25,24350,0.05,75,CE,NFO-OPT,NFO",
        "2,2,NIFTY26AUG24350PE,NIFTY,0,2026-08-25,24350,0.05,75,PE,NFO-OPT,NFO",
        "3,3,NIFTY26AUG24400PE,NIFTY,0,2026-08-25,24400,0.05,65,PE,NFO-OPT,NFO",
    )

    (found,) = findings(master.listed)

    assert (found.underlying, found.expiry, found.lot, found.known_lot, found.rows) == (
        "NIFTY", date(2026, 8, 25), 75, 65, 2,
    )  # fmt: skip
    assert (found.why, found.said) == (Why.OTHER_LOT, "The file has a lot of 75, the facts 65.")
    assert len(usable(master.listed, [found])) == 3


def test_a_lot_that_the_facts_do_not_know_is_flagged_and_its_rows_left_out():
    master = zerodha(
        "1,1,BANKEX39AUG71100CE,BANKEX,0,2039-08-25,71100,0.05,30,CE,BFO-OPT,BFO",
        "2,2,NIFTY26AUG24350PE,NIFTY,0,2026-08-25,24350,0.05,65,PE,NFO-OPT,NFO",
    )

    (found,) = findings(master.listed)

    assert (found.why, found.known_lot, found.example) == (
        Why.UNKNOWN_LOT,
        None,
        "BANKEX39AUG71100CE",
    )
    assert [row.token for row in usable(master.listed, [found])] == ["2"]


def test_an_expiry_that_a_later_holiday_moved_is_flagged_and_its_rows_left_out():
    master = zerodha(
        "1,1,SENSEX26MAR77000CE,SENSEX,0,2026-03-26,77000,0.05,20,CE,BFO-OPT,BFO",
    )

    (found,) = findings(master.listed)

    assert found.why is Why.NO_EXPIRY
    assert found.said == (
        "No SENSEX contract expires on 2026-03-26 by the facts; re-dated since, or wrong."
    )
    assert usable(master.listed, [found]) == []


def test_a_symbol_that_is_not_the_contracts_is_a_bad_row():
    master = zerodha(
        "1,1,NIFTY26AUG24400CE,NIFTY,0,2026-08-25,24350,0.05,65,CE,NFO-OPT,NFO",
        "2,2,NIFTY26AUG24350PE,NIFTY,0,2026-08-25,24350,0.05,65,PE,NFO-OPT,NFO",
    )

    kept = check_symbols(master, master.listed)

    assert [row.token for row in kept] == ["2"]
    assert master.bad == [
        BadRow(
            2,
            "NIFTY26AUG24400CE is said of NIFTY-20260825-24350-CE, which is NIFTY26AUG24350CE",
        )
    ]


def test_every_symbol_of_the_three_brokers_forms_is_that_of_its_contract():
    for text in (masters.ZERODHA, masters.FINVASIA_NSE, masters.FINVASIA_BSE, masters.ANGEL):
        master = read(text)

        assert check_symbols(master, master.listed) == master.listed


def test_the_symbols_of_other_brokers_are_taken_as_they_are():
    master = read(masters.UPSTOX)

    assert check_symbols(master, master.listed) == master.listed
