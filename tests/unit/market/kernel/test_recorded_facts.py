"""The packaged facts against real exchange and broker files, where they are at hand."""

import csv
import json
import os
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from market.kernel import contracts
from market.kernel.contracts import lot_size


def data_dir() -> Path:
    folder = os.environ.get("MARKET_DATA_DIR")
    if not folder:
        pytest.skip("MARKET_DATA_DIR is not set")
    return Path(folder)


@pytest.mark.real_data
def test_nifty_expiries_and_lots_agree_with_the_bhavcopies():
    path = data_dir().parent / "facts" / "nse_actual_expiry_calendar.json"
    rows = [
        (date.fromisoformat(row["actual_expiry_date"]), row["expiry_type"], row["market_lot"])
        for row in json.loads(path.read_text())["rows"]
    ]
    ours = {
        (day, kind)
        for kind, days in (
            ("weekly", contracts.weekly_expiries("NIFTY", date(2021, 1, 1), 240)),
            ("monthly", contracts.monthly_expiries("NIFTY", date(2021, 1, 1), 72)),
        )
        for day in days
    }
    proven_to = date(2026, 8, 25)

    assert len(rows) == 296
    assert {(day, kind) for day, kind, _ in rows} - ours == set()
    assert {(day, kind) for day, kind in ours if day <= proven_to} <= {(d, k) for d, k, _ in rows}
    assert [(day, lot_size("NIFTY", day)) for day, _, _ in rows] == [(d, n) for d, _, n in rows]


def day_of(text: str) -> date:
    return datetime.strptime(text.title(), "%d-%b-%Y").date()  # noqa: DTZ007 - a day has no zone


MASTERS = {
    "zerodha_instruments_index_20260817.csv": ("name", "expiry", "lot_size", date.fromisoformat),
    "aliceblue_nfo_index_20240527.csv": ("Symbol", "Expiry Date", "Lot Size", date.fromisoformat),
    "shoonya_bfo_index_2025-09.txt": ("Symbol", "Expiry", "LotSize", day_of),
}
# Long-dated series of May 2024 whose lot the exchange changed in place later (NSE/FAOP/64625, 70616).
CHANGED_LATER: dict[str, set[tuple[str, date, int]]] = {
    **dict.fromkeys(MASTERS, set()),
    "aliceblue_nfo_index_20240527.csv": {
        ("BANKNIFTY", date(2025, 3, 26), 15),
        *(
            ("NIFTY", day, 25)
            for day in (
                date(2025, 3, 27), date(2025, 6, 26), date(2025, 12, 24), date(2026, 6, 25),
                date(2026, 12, 31), date(2027, 6, 24), date(2027, 12, 30), date(2028, 6, 29),
                date(2028, 12, 28),
            )
        ),
    },
}  # fmt: skip
NOREN_NAMES = {"BSXOPT": "SENSEX", "BSXFUT": "SENSEX", "BKXOPT": "BANKEX", "BKXFUT": "BANKEX"}


def master(file_name: str) -> list[dict[str, str]]:
    path = data_dir() / "instruments" / file_name
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file_name", "series"),
    [
        ("zerodha_instruments_index_20260817.csv", 55),
        ("aliceblue_nfo_index_20240527.csv", 45),
        ("shoonya_bfo_index_2025-09.txt", 22),
    ],
)
def test_every_lot_of_an_instrument_master_agrees(file_name, series):
    name, expiry, lot, read = MASTERS[file_name]
    listed = {
        (NOREN_NAMES.get(row[name], row[name]), read(row[expiry]), int(row[lot]))
        for row in master(file_name)
    }
    ours = {row for row in listed if row[0] in contracts.UNDERLYINGS}

    assert len(ours) == series
    assert {row for row in ours if row[2] != lot_size(row[0], row[1])} == CHANGED_LATER[file_name]


@pytest.mark.real_data
def test_ticks_agree_with_a_brokers_instrument_list():
    rows = master("zerodha_instruments_index_20260817.csv")
    listed = {
        (row["name"], row["instrument_type"], Decimal(row["tick_size"]))
        for row in rows
        if row["name"] in contracts.UNDERLYINGS
    }

    assert len(listed) == 21
    assert {row for row in listed if row[2] != contracts.tick_size(*row[:2])} == set()
