"""Whatever the bytes are, a reader answers with rows or refuses; it never falls over."""

import json
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.importers.chains import read_quotes
from market.importers.masters import read_master
from market.importers.rows import UnknownFormat
from market.kernel.clock import IST
from tests.unit.market.importers import chains, masters

AT = datetime(2026, 3, 27, 15, 30, tzinfo=IST)
FEW = settings(deadline=None, max_examples=25)
CELL = st.sampled_from(
    ["", "-", "0", "1", "-1", "1e9", "1e999", "NaN", "Infinity", "NIFTY", "SENSEX", "CE", "FUT", "NFO",
     "OPTIDX", "IDO", "2026-08-25", "25-AUG-2026", "24350", "65", "0.05", '"', "1,5", "\x00", "é"]
)  # fmt: skip
LINES = st.lists(st.lists(CELL, max_size=14).map(",".join), max_size=6).map("\n".join)
HEADERS = (
    masters.ZERODHA, masters.FINVASIA_NSE, masters.ALICE, masters.UPSTOX, masters.UPSTOX_KEYS,
    chains.RECORDED_HEADER, chains.NSE_CSV_HEADER, chains.UDIFF_HEADER + "\n", "CALLS,,PUTS\n",
)  # fmt: skip
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | CELL
SIDE = st.dictionaries(st.sampled_from(sorted(chains.old_side())), SCALAR)
ROW = st.dictionaries(
    st.sampled_from(["CE", "PE", "expiryDates", "Strike_Price1", "token"]), SIDE | SCALAR
)
JSON = st.one_of(
    st.recursive(
        SCALAR, lambda inner: st.lists(inner) | st.dictionaries(CELL, inner), max_leaves=8
    ),
    st.builds(lambda rows, at: {"data": rows, "timestamp": at}, st.lists(ROW | SCALAR), SCALAR),
    st.builds(
        lambda rows: {"data": rows, "timestamp": "16-Jul-2025 15:30:00"}, st.lists(ROW | SCALAR)
    ),
    st.builds(lambda rows, at: {"Table": rows, "ASON": at}, st.lists(ROW | SCALAR), SCALAR | SIDE),
    st.builds(lambda rows: {"Table": rows, "ASON": "10 Jul 2026 | 11:05"}, st.lists(ROW | SCALAR)),
)


def answers(data, name="NIFTY_07Apr2026.csv"):
    for read in (read_master, lambda *file: read_quotes(*file, at=AT)):
        try:
            found = read(name, data)
        except UnknownFormat:
            continue
        assert 2 * found.rows >= len(found.bad)  # an option, and the index its row shows


@pytest.mark.parametrize("header", HEADERS)
def test_any_lines_after_a_known_header(header):
    @FEW
    @given(lines=LINES)
    def check(lines):
        answers((header.splitlines(keepends=True)[0] + lines).encode())
        answers((header + lines).encode())

    check()


@FEW
@given(held=JSON)
def test_any_json(held):
    answers(json.dumps(held).encode())


@FEW
@given(
    data=st.binary(max_size=200), name=st.sampled_from(["a.csv", "a.zip", "a.gz", "a.json", "a"])
)
def test_any_bytes(data, name):
    answers(data, name)
