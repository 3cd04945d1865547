"""A limit against one side of one quote."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.simulator.matching import Match, Offer, crosses, match, priority

LOT = 65
prices = st.integers(min_value=1, max_value=20_000).map(lambda ticks: Decimal(ticks) / 20)
sides = st.sampled_from(["BUY", "SELL"])


@pytest.mark.parametrize(
    ("side", "limit", "offered", "expected"),
    [
        ("BUY", "100.50", "100.50", Match(130, Decimal("100.50"))),
        ("BUY", "101.00", "100.50", Match(130, Decimal("100.50"))),
        ("BUY", "100.45", "100.50", None),
        ("SELL", "100.00", "100.00", Match(130, Decimal("100.00"))),
        ("SELL", "99.00", "100.00", Match(130, Decimal("100.00"))),
        ("SELL", "100.05", "100.00", None),
    ],
)
def test_an_order_fills_at_the_offered_price_when_its_limit_allows_it(
    side, limit, offered, expected
):
    offer = Offer(Decimal(offered), 650)

    assert match(side, Decimal(limit), 130, offer, LOT) == expected


def test_a_fill_is_cut_to_whole_lots_of_what_is_displayed():
    offer = Offer(Decimal("100"), 150)

    assert match("BUY", Decimal("100"), 650, offer, LOT) == Match(130, Decimal("100"))


def test_less_than_a_lot_displayed_fills_nothing():
    assert match("BUY", Decimal("100"), 65, Offer(Decimal("100"), 64), LOT) is None


def test_an_empty_side_fills_nothing():
    assert match("SELL", Decimal("0.05"), 65, Offer(None, 0), LOT) is None


def test_the_better_price_goes_first_and_then_the_earlier_order():
    buys = [("100", 1), ("101", 3), ("101", 2)]
    sells = [("100", 2), ("99", 3), ("100", 1)]

    assert sorted(buys, key=lambda o: priority("BUY", Decimal(o[0]), o[1])) == [
        ("101", 2), ("101", 3), ("100", 1),
    ]  # fmt: skip
    assert sorted(sells, key=lambda o: priority("SELL", Decimal(o[0]), o[1])) == [
        ("99", 3), ("100", 1), ("100", 2),
    ]  # fmt: skip


@given(
    side=sides,
    limit=prices,
    offered=st.none() | prices,
    lots=st.integers(1, 30),
    displayed=st.integers(0, 5000),
)
def test_no_fill_is_beyond_the_limit_the_order_or_the_display(
    side, limit, offered, lots, displayed
):
    found = match(side, limit, lots * LOT, Offer(offered, displayed), LOT)

    if found is None:
        return
    assert 0 < found.quantity <= min(lots * LOT, displayed)
    assert found.quantity % LOT == 0
    assert found.price == offered
    assert crosses(side, limit, found.price)
