"""Stops at the broker in both ledgers: what covers more than is short there is found."""

from types import SimpleNamespace

import pytest

from optionsplatform.bench_books import Findings, count_stops_left

CALL = "NIFTY-20260804-25000-CE"


def ordered(ref, pair, **row):
    return {ref: SimpleNamespace(allocation_id=pair)}, {
        "client_ref": ref, "symbol": CALL, "order_type": "SL-L", "status": "TRIGGER_PENDING",
        "quantity": 130, "filled_quantity": 0,
    } | row  # fmt: skip


def traded(ref, side, quantity):
    return {"client_ref": ref, "symbol": CALL, "side": side, "quantity": quantity}


@pytest.mark.parametrize(
    ("sold", "bought", "stop", "left"),
    [
        (130, 0, {}, []),
        (130, 65, {}, ["stops for 130 NIFTY-20260804-25000-CE of pair 1, which is short 65"]),
        (130, 65, {"filled_quantity": 65, "status": "PARTIAL"}, []),
        (130, 130, {}, ["stops for 130 NIFTY-20260804-25000-CE of pair 1, which is short 0"]),
        (130, 130, {"status": "CANCELLED"}, []),
        (130, 130, {"order_type": "LIMIT", "status": "OPEN"}, []),
    ],
)
def test_a_stop_that_covers_more_than_is_short_is_left(sold, bought, stop, left):
    ours, row = ordered("STOP", 1, **stop)
    ours |= {"OPENED": SimpleNamespace(allocation_id=1), "OTHER": SimpleNamespace(allocation_id=2)}
    trades = [traded("OPENED", "SELL", sold), traded("OTHER", "SELL", 130)]
    trades += [traded("OPENED", "BUY", bought)] if bought else []
    found = Findings()

    count_stops_left(ours, [row], trades, found)

    assert found.stops_left == left
