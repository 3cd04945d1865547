"""The brokers' and exchanges' own files, where they are at hand."""

import os
from collections import Counter
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from market.importers.chains import frame_of, read_quotes
from market.importers.comparison import compare
from market.importers.lots import Why, check_symbols, findings, usable
from market.importers.masters import read_master
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import IST
from market.kernel.symbols import BROKERS, from_broker, to_broker

DOCUMENT = Path(__file__).resolve().parents[4] / "docs/concepts/market-files.md"
FOLDER = os.environ.get("MARKET_DATA_DIR", "")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not FOLDER, reason="MARKET_DATA_DIR is not set"),
]


def read(*parts, reader=read_master, **told):
    path = Path(FOLDER).joinpath(*parts)
    return reader(path.name, path.read_bytes(), **told)


@pytest.mark.parametrize(
    ("file", "source", "rows", "listed", "usable_rows"),
    [
        ("zerodha_instruments_index_20260817.csv", "zerodha", 8696, 8696, 8323),
        ("shoonya_bfo_index_2025-09.txt", "finvasia", 5033, 5033, 4614),
        ("aliceblue_nfo_index_20240527.csv", "aliceblue", 6328, 6328, 6241),
        ("shoonya_nfo_sample_20251119_stock_rows.txt", "finvasia", 37, 0, 0),
        ("upstox_index_instruments.csv", "upstox", 205, 0, 0),
    ],
)
def test_every_row_of_a_real_master_is_kept_flagged_or_left_out(
    file, source, rows, listed, usable_rows
):
    master = read("instruments", file)
    doubts = findings(master.listed)
    good = usable(master.listed, doubts)

    assert (master.source, master.rows, len(master.listed)) == (source, rows, listed)
    assert check_symbols(master, good) == good
    assert len(good) >= usable_rows  # more once the facts cover what is flagged as unknown
    assert master.bad == []
    assert len(master.listed) + sum(master.left_out.values()) == rows


def test_the_only_lots_that_real_masters_contradict_are_those_of_contracts_changed_later():
    flags = {
        (each.underlying, each.expiry.isoformat(), each.lot, each.known_lot)
        for file in ("zerodha_instruments_index_20260817.csv", "shoonya_bfo_index_2025-09.txt",
                     "aliceblue_nfo_index_20240527.csv")
        for each in findings(read("instruments", file).listed)
        if each.why is Why.OTHER_LOT
    }  # fmt: skip

    assert flags == {  # long-dated NIFTY, listed in May 2024 with 25, switched in place since
        ("NIFTY", "2025-03-27", 25, 75),
        ("NIFTY", "2025-06-26", 25, 75),
        ("NIFTY", "2026-12-31", 25, 65),
        ("NIFTY", "2027-06-24", 25, 65),
        ("NIFTY", "2027-12-30", 25, 65),
        ("NIFTY", "2028-06-29", 25, 65),
        ("NIFTY", "2028-12-28", 25, 65),
    }


@pytest.mark.parametrize(
    "file", ["zerodha_instruments_index_20260817.csv", "shoonya_bfo_index_2025-09.txt"]
)
def test_every_usable_row_of_a_real_master_maps_both_ways_and_to_the_other_brokers(file):
    master = read("instruments", file)
    rows = usable(master.listed, findings(master.listed))
    days = {row.contract.underlying: set() for row in rows}
    for row in rows:
        days[row.contract.underlying].add(row.contract.expiry)
    beyond = Counter()
    for row in rows:
        listed = days[row.contract.underlying]
        assert to_broker(row.contract, master.source, listed=listed) == row.trading_symbol
        assert from_broker(row.trading_symbol, master.source, listed=listed) == row.contract
        for broker in BROKERS:
            symbol = to_broker(row.contract, broker, listed=listed)
            assert from_broker(symbol, broker, listed=listed) == row.contract
        try:
            from_broker(row.trading_symbol, master.source)
        except OutsideCoverage:
            beyond[row.contract.expiry.year] += 1

    assert set(beyond) <= set(range(2027, 2032))  # only the master knows those days


@pytest.mark.parametrize(
    ("folder", "file", "kept", "left_out", "everything", "out", "own"),
    [
        ("option_chain_nse_json", "NIFTY_20250716_close.json", 1103, 235, (0.97, 4.91), (0.83, 1.44), (0.13, 2.12)),
        ("option_chain_nse_json", "BANKNIFTY_20250716_close.json", 451, 399, (0.98, 3.69), (0.76, 1.40), (0.21, 1.39)),
        ("option_chain_nse_json", "MIDCPNIFTY_20250716_close.json", 199, 237, (0.60, 3.13), (0.49, 0.98), (0.00, 0.00)),
        ("option_chain_nse_json", "NIFTY_v3_20260710.json", 196, 2, (0.28, 7.75), (0.24, 0.57), (0.00, 0.00)),
        ("option_chain_nse_json", "SENSEX_bse_20260710.json", 213, 155, (0.10, 1.31), (0.08, 0.24), (0.00, 0.25)),
        ("option_chain_nse_csv", "NIFTY_exp07Apr2026_dl20260328.csv", 221, 25, (1.52, 8.21), (1.00, 1.99), None),
    ],
)  # fmt: skip
def test_real_chains_load_and_our_volatility_is_this_far_from_the_exchanges_own(
    folder, file, kept, left_out, everything, out, own
):
    """(median, p95) in points: of all options, of those out of the money, and of our solver with the
    exchange's own forward and rate. Where that is 0.00 the whole gap is convention; in NIFTY and
    BANKNIFTY of 2025 the index shown is not that of the moment the exchange took its volatility."""
    close = datetime(2026, 3, 27, 15, 30, tzinfo=IST)  # the last session before the CSV's download
    chain = read(folder, file, reader=read_quotes, at=close)
    ((at, snapshot),) = chain.snapshots.items()
    found = compare(snapshot, frame_of(snapshot, at))

    assert (chain.kept, sum(chain.left_out.values()), chain.bad) == (kept, left_out, [])
    assert chain.rows == kept + left_out
    assert distance(found, "all") == pytest.approx(everything, abs=0.02)
    assert distance(found, "out") == pytest.approx(out, abs=0.02)
    assert distance(found, "own") == (own and pytest.approx(own, abs=0.006))
    assert figures(found) in DOCUMENT.read_text()


def figures(found):
    """The row of the document's table, after the name of the file."""
    count = sum(each.all.count for each in found if each.all)
    near = [", ".join(f"{part:.2f}" for part in distance(found, which)) for which in ("all", "out")]
    own = distance(found, "own")
    return f"| {count} | {near[0]} | {near[1]} | {'no spot in the file' if own is None else f'{own[0]:.2f}'} |"


def distance(found, which):
    """Mean over the series of (median, p95), each by its number of options; None of nothing."""
    gaps = [getattr(each, which) for each in found if getattr(each, which)]
    if not gaps:
        return None
    weights = [each.count for each in gaps]
    return tuple(
        float(np.average([getattr(each, part) for each in gaps], weights=weights))
        for part in ("median", "p95")
    )


def test_a_recorded_day_of_chains_loads_whole():
    chain = read("intraday_chain_15min", "chain_2026-07-15.csv.gz", reader=read_quotes)

    assert (len(chain.snapshots), chain.rows, chain.kept, chain.bad) == (28, 31458, 21573, [])
