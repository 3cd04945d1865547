"""Files of quotes: what they say becomes frames, in units and rupees, and nothing is made up."""

import json
from datetime import date, datetime
from decimal import Decimal
from math import exp

import pytest

from market.importers.chains import frame_of, read_quotes
from market.importers.rows import BadRow, UnknownFormat
from market.importers.sides import NO_LAST_PRICE
from market.kernel.clock import IST
from market.kernel.frame import Quote, decode, encode
from market.kernel.pricing import RATE, year_fraction
from tests.unit.market.importers import chains

CLOSE_2025 = datetime(2025, 7, 16, 15, 30, tzinfo=IST)
CLOSE_2026 = datetime(2026, 7, 10, 15, 30, tzinfo=IST)
CLOSE_SEPTEMBER = datetime(2026, 9, 1, 15, 40, tzinfo=IST)
CALL = "NIFTY-20250731-25200-CE"
PUT = "NIFTY-20250731-25200-PE"


def read_old(*rows):
    return read_quotes("chain.json", chains.old_chain(*rows))


def test_the_nse_chain_counts_open_interest_in_lots_and_quantities_in_units():
    file = read_old({"CE": chains.old_side()})

    snapshot = file.snapshots[CLOSE_2025]
    assert snapshot.quotes == {
        CALL: Quote(
            Decimal(250), Decimal("250.1"), Decimal("250.05"), 75, 150, CLOSE_2025, 325, 900
        )
    }
    assert snapshot.iv == {CALL: 0.105}
    assert snapshot.spots == {"NIFTY": Decimal("25212.05")}
    assert (file.source, file.rows, file.kept, file.bad) == ("NSE option chain", 1, 1, [])


def test_the_v3_chain_of_2026_names_its_prices_anew():
    file = read_quotes("chain.json", chains.v3_chain())

    assert file.source == "NSE option chain v3"
    assert file.snapshots[CLOSE_2026].quotes == {
        "NIFTY-20260714-24200-CE": Quote(
            Decimal("120.4"), Decimal("120.6"), Decimal("120.5"), 65, 130, CLOSE_2026,
            44925 * 65, 195,
        )
    }  # fmt: skip
    assert file.snapshots[CLOSE_2026].iv == {}


def test_the_bse_chain_is_booked_at_the_close_that_had_passed():
    file = read_quotes("chain.json", chains.bse_chain())

    assert file.snapshots[CLOSE_2026].quotes == {
        "SENSEX-20260716-77500-CE": Quote(
            Decimal(1050), None, Decimal("1050.05"), 20, 0, CLOSE_2026, 162 * 20, 128 * 20
        )
    }
    assert file.left_out == {NO_LAST_PRICE: 1}
    assert file.notes == ["shown at 19:15: the prices are those of the close, 15:30"]


def test_the_bse_chain_of_an_open_session_keeps_its_time():
    file = read_quotes("chain.json", chains.bse_chain("10 Jul 2026 | 11:05"))

    assert list(file.snapshots) == [datetime(2026, 7, 10, 11, 5, tzinfo=IST)]
    assert file.notes == []


def test_the_nse_pages_csv_takes_index_and_expiry_from_its_name_and_the_time_from_the_caller():
    row = ',3,1,7,-,"2,355.00",61.00,65,"2,330.35","2,374.90",65,"20,500.00",195,38.75,39.25,"5,590",11.90,38.50,40.60,"71,558","19,988","33,347",\n'
    at = datetime(2026, 3, 27, 15, 30, tzinfo=IST)

    file = read_quotes(
        "option-chain-ED-NIFTY-07-Apr-2026.csv", (chains.NSE_CSV_HEADER + row).encode(), at=at
    )

    assert file.snapshots[at].quotes == {
        "NIFTY-20260407-20500-CE": Quote(
            Decimal("2330.35"), Decimal("2374.90"), Decimal("2355.00"), 65, 65, at, 195, 455
        ),
        "NIFTY-20260407-20500-PE": Quote(
            Decimal("38.75"), Decimal("39.25"), Decimal("38.50"), 195, 5590, at,
            33347 * 65, 71558 * 65,
        ),
    }  # fmt: skip
    assert file.snapshots[at].iv == {"NIFTY-20260407-20500-PE": pytest.approx(0.406)}


@pytest.mark.parametrize(
    ("name", "told", "why"),
    [
        ("NIFTY_07Apr2026.csv", {}, "holds no time"),
        ("chain_07Apr2026.csv", {"at": CLOSE_2026}, "does not say which index"),
        ("NIFTY.csv", {"at": CLOSE_2026}, "does not say which expiry"),
    ],
)
def test_the_nse_pages_csv_is_refused_without_what_it_lacks(name, told, why):
    with pytest.raises(UnknownFormat, match=why):
        read_quotes(name, chains.NSE_CSV_HEADER.encode(), **told)


def test_a_bhavcopy_gives_closing_prices_at_the_close_of_the_session_of_its_day():
    file = read_quotes(
        "bhavcopy.csv",
        chains.udiff(
            chains.udiff_row(),
            chains.udiff_row(kind="IDF", strike="", side="", expiry="2026-09-29", close="24090.30", lots="57171"),
            chains.udiff_row(strike="30000.00", lots="0"),
            chains.udiff_row(kind="STO", symbol="RELIANCE"),
        ),
    )  # fmt: skip

    snapshot = file.snapshots[CLOSE_SEPTEMBER]
    assert snapshot.quotes["NIFTY-20260915-23500-PE"] == Quote(
        None, None, Decimal("39.40"), 0, 0, CLOSE_SEPTEMBER, 1498965, 35894 * 65
    )
    assert sorted(snapshot.quotes) == ["NIFTY-20260915-23500-PE", "NIFTY-20260929-FUT"]
    assert file.left_out == {"not traded that day": 1, "not an index option or future": 1}
    assert (file.rows, file.kept, file.bad) == (4, 2, [])
    assert [row.lot_size for row in file.listed] == [65, 65, 65]


def test_a_recorded_chain_holds_many_instants():
    rows = (
        "2026-07-15 09:17:14,NIFTY,2026-07-21,24092.6,24100,10,20,12.5,100.05,90.0,13.5,30,40\n"
        "2026-07-15 09:32:10,NIFTY,2026-07-21,24100.6,24100,,,,,91.0,13.4,31,41\n"
    )
    file = read_quotes("chain.csv", (chains.RECORDED_HEADER + rows).encode())

    first, second = sorted(file.snapshots)
    assert first == datetime(2026, 7, 15, 9, 17, 14, tzinfo=IST)
    assert len(file.snapshots[first].quotes) == 2
    assert file.snapshots[second].quotes == {
        "NIFTY-20260721-24100-PE": Quote(
            None, None, Decimal("91.0"), 0, 0, second, 41 * 65, 31 * 65
        )
    }
    assert (file.rows, file.kept, file.left_out) == (4, 3, {NO_LAST_PRICE: 1})


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"lastPrice": 250.02}, f"{CALL}: lastPrice 250.02 is not a multiple of the 0.05 tick"),
        ({"bidprice": 251}, f"{CALL}: bid 251 is above ask 250.1"),
        ({"lastPrice": -1}, f"{CALL}: lastPrice -1 is below 0"),
        ({"lastPrice": 1e300}, f"{CALL}: lastPrice 1E+300 is above 1000000000"),
        ({"lastPrice": "?"}, f"{CALL}: lastPrice '?' is not a number"),
        ({"impliedVolatility": "?"}, f"{CALL}: impliedVolatility '?' is not a number"),
        ({"bidQty": 1.5}, f"{CALL}: bidQty 1.5 is not a whole number"),
        ({"expiryDate": "10-Jul-2025"}, "NIFTY-20250710-25200-CE: had expired by 2025-07-16"),
        ({"expiryDate": "soon"}, "expiryDate 'soon' is not a date such as 04-Aug-2026 or 04-08-2026"),
        ({"strikePrice": 0}, "strikePrice 0 is not above 0"),
    ],
)  # fmt: skip
def test_a_bad_option_is_named_and_the_others_are_kept(changed, reason):
    file = read_old({"CE": chains.old_side(**changed), "PE": chains.old_side()})

    assert file.bad == [BadRow(1, reason)]
    assert list(file.snapshots[CLOSE_2025].quotes) == [PUT]
    assert (file.rows, file.kept) == (2, 1)


def test_the_same_option_twice_is_bad_and_the_first_stands():
    file = read_old({"CE": chains.old_side()}, {"CE": chains.old_side(lastPrice=1)})

    assert file.bad == [BadRow(2, f"{CALL}: is there twice at 15:30; the first stands")]
    assert file.snapshots[CLOSE_2025].quotes[CALL].ltp == Decimal("250.05")


def test_an_index_value_that_is_no_number_is_named_and_the_next_one_taken():
    file = read_old({"CE": chains.old_side(underlyingValue="?")}, {"PE": chains.old_side()})

    assert file.bad == [BadRow(1, "underlyingValue '?' is not a number")]
    assert file.snapshots[CLOSE_2025].spots == {"NIFTY": Decimal("25212.05")}
    assert file.kept == 2


def test_an_expiry_beyond_the_calendar_is_left_out_with_the_reason():
    file = read_old({"CE": chains.old_side(expiryDate="24-Jun-2027")})

    (reason,) = file.left_out
    assert "2027-06-24 is outside the calendar's coverage" in reason
    assert file.kept == 0


def test_a_zero_is_read_as_a_number_and_not_as_an_empty_cell():
    """A first version took the exchange's 0 for a missing cell and called the row bad."""
    file = read_old({"CE": chains.old_side(lastPrice=0, totalTradedVolume=0)})

    assert (file.bad, file.left_out) == ([], {NO_LAST_PRICE: 1})


@pytest.mark.parametrize(
    "data", [b"a,b\n1,2\n", b"{}", b'{"Table": 1}', b'{"records": {"data": []}}', b"[1, 2]", b""]
)
def test_what_is_no_quote_file_is_refused_as_a_whole(data):
    with pytest.raises(UnknownFormat):
        read_quotes("file", data)


def chain_at(forward, *, at=CLOSE_2025, expiry="31-Jul-2025", two_sided=True, volume=5):
    """Five strikes with calls and puts that differ by the forward, discounted."""
    settles = datetime(2025, 7, 31, 15, 30, tzinfo=IST)
    df = exp(-RATE * year_fraction(at, settles))
    rows = []
    for strike in range(25000, 25500, 100):
        call = round((400 + df * max(forward - strike, 0)) * 20) / 20
        put = round((call - df * (forward - strike)) * 20) / 20
        shape = {"strikePrice": strike, "expiryDate": expiry, "totalTradedVolume": volume}
        sides = {}
        for side, price in (("CE", call), ("PE", put)):
            quoted = {"bidprice": round(price - 0.05, 2), "askPrice": round(price + 0.05, 2)}
            none = {"bidprice": 0, "askPrice": 0}
            sides[side] = chains.old_side(
                lastPrice=round(price, 2), **shape, **(quoted if two_sided else none)
            )
        rows.append(sides)
    return read_old(*rows).snapshots[at]


@pytest.mark.parametrize("two_sided", [True, False])
def test_the_forward_is_that_of_put_call_parity(two_sided):
    frame = frame_of(chain_at(25280, two_sided=two_sided), CLOSE_2025)

    forward = frame.forwards["NIFTY", date(2025, 7, 31)]
    assert abs(forward - 25280) <= Decimal("0.10")
    assert frame.synthetic == frozenset()
    assert frame.spots == {"NIFTY": Decimal("25212.05")}


def test_without_parity_the_living_spot_is_carried_and_the_forward_called_synthetic():
    frame = frame_of(read_old({"CE": chains.old_side()}).snapshots[CLOSE_2025], CLOSE_2025)

    years = year_fraction(CLOSE_2025, datetime(2025, 7, 31, 15, 30, tzinfo=IST))
    key = ("NIFTY", date(2025, 7, 31))
    assert float(frame.forwards[key]) == pytest.approx(25212.05 * exp(RATE * years), abs=0.005)
    assert frame.synthetic == frozenset({key})


def test_prices_that_did_not_trade_that_day_make_no_parity():
    frame = frame_of(chain_at(25280, two_sided=False, volume=0), CLOSE_2025)

    assert frame.synthetic == frozenset({("NIFTY", date(2025, 7, 31))})


def test_a_listed_future_is_the_forward_and_a_dead_spot_is_not_carried():
    file = read_quotes(
        "bhavcopy.csv",
        chains.udiff(
            chains.udiff_row(),
            chains.udiff_row(kind="IDF", strike="", side="", expiry="2026-09-29", close="24090.30"),
        ),
    )

    frame = frame_of(file.snapshots[CLOSE_SEPTEMBER], CLOSE_SEPTEMBER)

    assert frame.forwards == {("NIFTY", date(2026, 9, 29)): Decimal("24090.30")}
    assert frame.spots == {}


def test_the_frame_survives_the_wire():
    frame = frame_of(chain_at(25280), CLOSE_2025, timeline="file", n=3)

    assert decode(json.loads(json.dumps(encode(frame)))) == frame
