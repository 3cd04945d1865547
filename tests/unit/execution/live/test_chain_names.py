"""Which names are chains, and the rows that a chain's sockets get."""

from __future__ import annotations

from datetime import date

import pytest

from execution.live.chains import rows_of, series_of
from execution.live.protocol import basket_of, is_chain, is_event, is_shared
from market.catalogue.chain import chain
from tests.unit.execution.live.worlds import CALL, EXPIRY, PUT, frame, quote


def test_a_chain_is_named_by_underlying_and_expiry_and_is_everybodys():
    name = "chain:NIFTY:2026-08-11"

    assert series_of(name) == ("NIFTY", date(2026, 8, 11))
    assert (is_chain(name), is_shared(name), is_event(name), basket_of(name)) == (True, True, False, None)


@pytest.mark.parametrize(
    "name", ["chain", "chain:NIFTY", "chain:GOLD:2026-08-11", "chain:NIFTY:2026-13-11", "chain:NIFTY:soon",
             "chain:NIFTY:2026-08-11:1", "chain:nifty:2026-08-11", "chain:NIFTY:\u0662026-08-11", "positions"],
)  # fmt: skip
def test_other_names_are_no_chain(name):
    assert series_of(name) is None
    assert not is_chain(name)


def test_an_option_is_a_row_and_the_expiry_has_its_own():
    told = quote("70.90", "71.20", "71.00")._replace(oi=1950, volume=6500)
    seen = frame({CALL: told, PUT: quote(None, "55.30", "55.10", age=60)})

    rows = rows_of(chain(seen, "NIFTY", EXPIRY), seen)

    assert set(rows) == {"head", "24700CE", "24300PE"}
    assert rows["head"] == {
        "at": "2026-08-04T10:00:00+05:30", "spot": "24490.15", "forward": "24500.00",
        "at_the_money": "24300", "pcr_oi": None, "pcr_volume": None, "max_pain": None,
    }  # fmt: skip
    call, put = rows["24700CE"], rows["24300PE"]
    assert (call["bid"], call["ask"], call["ltp"], call["oi"], call["volume"]) == ("70.90", "71.20", "71.00", 1950, 6500)
    assert (call["iv_flag"], call["in_the_money"], call["stale"]) == ("ok", False, False)
    assert call["iv"] > 0
    assert (put["bid"], put["oi"], put["stale"]) == (None, None, True)
