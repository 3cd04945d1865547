"""Instrument masters: every form is known by its header, good rows are kept, bad ones are named."""

import gzip
import io
import zipfile
from datetime import date
from decimal import Decimal

import pytest

from market.importers.masters import INDEX_KEY, NOT_INDEX, read_master
from market.importers.rows import BadRow, UnknownFormat
from market.kernel.contracts import Contract
from tests.unit.market.importers import masters

AUGUST_FUTURE = Contract("NIFTY", date(2026, 8, 25), "FUT")
SENSEX_CALL = Contract("SENSEX", date(2026, 10, 1), "CE", Decimal(76200))


def read(text, name="master"):
    return read_master(name, text.encode())


def facts(master):
    return [
        (row.exchange, row.token, row.contract, row.lot_size, row.tick_size)
        for row in master.listed
    ]


def test_zerodha_lists_index_contracts_by_instrument_token():
    master = read(masters.ZERODHA)

    assert (master.source, master.rows, master.bad) == ("zerodha", 4, [])
    assert facts(master) == [
        ("NSE", "14866434", AUGUST_FUTURE, 65, Decimal("0.1")),
        (
            "NSE",
            "101",
            Contract("NIFTY", date(2026, 8, 18), "CE", Decimal(24350)),
            65,
            Decimal("0.05"),
        ),
        ("BSE", "102", SENSEX_CALL, 20, Decimal("0.05")),
    ]
    assert master.left_out == {NOT_INDEX: 1}


def test_finvasia_names_the_bse_indices_in_its_own_way():
    nse, bse = read(masters.FINVASIA_NSE), read(masters.FINVASIA_BSE)

    assert (nse.source, bse.source) == ("finvasia", "finvasia")
    assert [row.contract.symbol for row in nse.listed] == [
        "NIFTY-20260811-24500-CE",
        "NIFTY-20260825-FUT",
    ]
    assert [row.contract.symbol for row in bse.listed] == [
        "SENSEX-20261001-76200-CE",
        "BANKEX-20260827-FUT",
    ]
    assert nse.left_out == {NOT_INDEX: 1}


def test_alice_blue_writes_minus_one_as_the_strike_of_a_future():
    master = read(masters.ALICE)

    assert master.source == "aliceblue"
    assert [row.contract.symbol for row in master.listed] == [
        "NIFTY-20240627-FUT",
        "NIFTY-20240627-22000-PE",
    ]


def test_upstox_instruments_are_kept_and_index_keys_left_out():
    master, keys = read(masters.UPSTOX), read(masters.UPSTOX_KEYS)

    assert [(row.token, row.contract.symbol) for row in master.listed] == [
        ("NSE_FO|58072", "NIFTY-20260825-FUT"),
        ("NSE_FO|40921", "NIFTY-20260825-24350-CE"),
    ]
    assert master.left_out == {INDEX_KEY: 1}
    assert (keys.source, keys.listed, keys.left_out) == ("upstox", [], {INDEX_KEY: 1})


def test_angel_one_counts_strikes_and_ticks_in_hundredths():
    master = read(masters.ANGEL)

    assert master.source == "angelone"
    assert facts(master) == [
        (
            "NSE",
            "40921",
            Contract("NIFTY", date(2026, 8, 11), "CE", Decimal(24500)),
            65,
            Decimal("0.05"),
        ),
        ("NSE", "58072", AUGUST_FUTURE, 65, Decimal("0.1")),
        ("BSE", "845729", SENSEX_CALL, 20, Decimal("0.05")),
    ]
    assert master.left_out == {NOT_INDEX: 1}


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (
            "2026-08-18,24350.0",
            "2026-08-32,24350.0",
            "expiry '2026-08-32' is not a date such as 2026-08-04",
        ),
        ("2026-08-18,24350.0", ",24350.0", "expiry is empty"),
        ("24350.0,0.05", "0,0.05", "strike 0 is not above 0"),
        ("24350.0,0.05", "NaN,0.05", "strike 'NaN' is not a number"),
        ("24350.0,0.05", "2_4350,0.05", "strike '2_4350' is not a number"),
        ("24350.0,0.05", "1e999,0.05", "strike 1e999 is above 1000000000"),
        ("24350.0,0.05", "24350.005,0.05", "strike 24350.005 has more than two decimals"),
        ("24350.0,0.05", "24350.0,0.0005", "tick_size 0.0005 has more than two decimals"),
        (
            "101,1,",
            "1\x0001,1,",
            "instrument_token '1\\x0001' holds a character that cannot be shown",
        ),
        ("NIFTY2681824350CE", "N" * 41, f"tradingsymbol {'N' * 41!r} is longer than 40 characters"),
        ("24350.0,0.05,65", "24350.0,0.05,6.5", "lot_size 6.5 is not a whole number"),
        ("24350.0,0.05,65", "24350.0,0.05,-65", "lot_size -65 is not above 0"),
        ("24350.0,0.05,65", "24350.0,x,65", "tick_size 'x' is not a number"),
        (
            "65,CE,NFO-OPT,NFO\n102",
            "65,XX,NFO-OPT,NFO\n102",
            "option_type must be CE, PE or FUT, not 'XX'.",
        ),
        (
            "NFO-OPT,NFO\n102",
            "NFO-OPT,MCX\n102",
            "exchange 'MCX' is none of NFO, NSE_FO, BFO, BSE_FO",
        ),
        ("101,1,NIFTY2681824350CE", "101,1,", "tradingsymbol is empty"),
        ("101,1,", "14866434,1,", "token 14866434 is already that of line 2"),
        ("101,1,NIFTY", "101,1,extra,NIFTY", "13 columns instead of 12"),
        ("101,1,NIFTY", '101,1,"NIFTY', "not a CSV line: unexpected end of data"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_the_others_are_kept(before, after, reason):
    assert before in masters.ZERODHA
    master = read(masters.ZERODHA.replace(before, after, 1))

    assert master.bad == [BadRow(3, reason)]
    assert [row.token for row in master.listed] == ["14866434", "102"]
    assert master.rows == 4


def test_a_bad_entry_of_a_json_list_is_named_by_its_place():
    master = read(masters.ANGEL.replace('"expiry":"25AUG2026"', '"expiry":"25XXX2026"'))

    assert master.bad == [BadRow(2, "expiry '25XXX2026' is not a date such as 04Aug2026")]
    assert len(master.listed) == 2


def test_a_zip_of_one_file_and_a_gzip_are_read_like_the_file():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("NFO_symbols.txt", masters.FINVASIA_NSE)

    zipped = read_master("NFO_symbols.txt.zip", packed.getvalue())
    gzipped = read_master("NFO_symbols.txt.gz", gzip.compress(masters.FINVASIA_NSE.encode()))

    assert zipped.listed == gzipped.listed == read(masters.FINVASIA_NSE).listed


def test_a_zip_of_several_files_is_refused():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "1")
        archive.writestr("b.txt", "2")

    with pytest.raises(
        UnknownFormat, match=r"must hold one file, but holds a.txt, b.txt; unpack it"
    ):
        read_master("both.zip", packed.getvalue())


def test_a_gzip_that_breaks_off_keeps_what_came_before():
    many = masters.ZERODHA + "".join(
        f"{9000 + n},{n},NIFTY26818{20000 + n}CE,NIFTY,0.0,2026-08-18,{20000 + n}.0,0.05,65,CE,NFO-OPT,NFO\n"
        for n in range(5000)
    )
    broken = gzip.compress(many.encode())[:-2000]

    master = read_master("master.csv.gz", broken)

    assert 100 < len(master.listed) < 5003
    assert "the file breaks off" in master.bad[0].reason


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b"one,two\n1,2\n"),
        ("a.json", b'[{"token": "1"}]'),
        ("a.json", b'{"token": "1"}'),
        ("a.json", b'[{"token": '),
        ("a.zip", b"not a zip"),
        ("a.gz", b"not a gzip"),
        ("a.csv", b""),
        ("a.csv", b"0\r0"),
        ("a.csv", masters.ZERODHA.splitlines()[0].encode() + b',"' + b"x" * 200_000),
    ],
)
def test_what_is_no_master_is_refused_as_a_whole(name, data):
    with pytest.raises(UnknownFormat):
        read_master(name, data)


def test_progress_is_told_to_the_end():
    told = []
    read_master(
        "m", masters.ZERODHA.encode(), progress=lambda done, total: told.append((done, total))
    )

    assert told == [(4, 4)]
