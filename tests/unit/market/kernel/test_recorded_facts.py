"""The packaged facts against real exchange and broker files, where they are at hand."""

import csv
import json
import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from market.kernel import contracts
from market.kernel.contracts import lot_size


@pytest.mark.real_data
def test_nifty_expiries_and_lots_agree_with_the_bhavcopies():
    folder = os.environ.get("MARKET_DATA_DIR")
    path = Path(folder or ".").parent / "facts" / "nse_actual_expiry_calendar.json"
    if not folder or not path.exists():
        pytest.skip("MARKET_DATA_DIR has no sibling facts/nse_actual_expiry_calendar.json")
    rows = [
        (date.fromisoformat(row["actual_expiry_date"]), row["expiry_type"], row["market_lot"])
        for row in json.loads(path.read_text())["rows"]
        if row["actual_expiry_date"] >= "2023-01-01"
    ]
    ours = {
        (day, kind)
        for kind, days in (
            ("weekly", contracts.weekly_expiries("NIFTY", date(2023, 1, 1), 160)),
            ("monthly", contracts.monthly_expiries("NIFTY", date(2023, 1, 1), 48)),
        )
        for day in days
    }
    proven_to = date(2026, 8, 25)

    assert len(rows) == 192
    assert {(day, kind) for day, kind, _ in rows} - ours == set()
    assert {(day, kind) for day, kind in ours if day <= proven_to} <= {(d, k) for d, k, _ in rows}
    assert [(day, lot_size("NIFTY", day)) for day, _, _ in rows] == [(d, n) for d, _, n in rows]


@pytest.mark.real_data
def test_lots_and_ticks_agree_with_a_brokers_instrument_list():
    folder = Path(os.environ.get("MARKET_DATA_DIR") or "absent")
    path = folder / "instruments" / "zerodha_instruments_index_20260817.csv"
    if not path.exists():
        pytest.skip("MARKET_DATA_DIR has no instruments/zerodha_instruments_index_20260817.csv")
    with path.open(newline="") as file:
        listed = [row for row in csv.DictReader(file) if row["name"] in contracts.UNDERLYINGS]

    assert len(listed) > 8000
    for row in listed:
        found = (
            lot_size(row["name"], date.fromisoformat(row["expiry"])),
            contracts.tick_size(row["name"], row["instrument_type"]),
        )
        assert found == (int(row["lot_size"]), Decimal(row["tick_size"])), row["tradingsymbol"]
