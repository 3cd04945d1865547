"""From fills to positions: average cost, to the paisa, whatever the fills (I16)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.positions import Holding, Trade, project, settled

D = Decimal
prices = st.integers(1, 100_000).map(lambda ticks: D(ticks) * D("0.05"))
trades = st.builds(Trade, st.sampled_from(["BUY", "SELL"]), st.integers(1, 40).map(lambda n: n * 65), prices)


def cash(of):
    """Rupees in, less rupees out."""
    return sum(((1 if t.side == "SELL" else -1) * t.quantity * t.price for t in of), D(0))


def test_a_long_is_held_at_its_average_cost():
    held = project([Trade("BUY", 65, D("100.05")), Trade("BUY", 130, D("103.00"))])

    assert (held.quantity, held.cost, held.realised) == (195, D("19893.25"), D(0))
    assert held.average_price == D("19893.25") / 195


def test_a_part_of_a_short_is_bought_back_at_its_average():
    held = project([Trade("SELL", 195, D("80.10")), Trade("BUY", 65, D("60.00"))])

    assert (held.quantity, held.cost, held.realised) == (-130, D("-10413.00"), D("1306.50"))


def test_a_partial_close_releases_cost_to_the_paisa_and_the_last_one_takes_the_rest():
    bought = [Trade("BUY", 65, D("10.05")), Trade("BUY", 130, D("10.10"))]  # 1966.25 for 195 units
    first = project([*bought, Trade("SELL", 65, D("11.00"))])
    rest = project([*bought, Trade("SELL", 65, D("11.00")), Trade("SELL", 130, D("11.00"))])

    assert (first.cost, first.realised) == (D("1310.83"), D("59.58"))
    assert (rest.quantity, rest.cost, rest.realised) == (0, D(0), D("178.75"))


def test_a_flip_realises_what_was_held_and_opens_the_rest_at_the_new_price():
    held = project([Trade("BUY", 65, D("100.00")), Trade("SELL", 195, D("90.00"))])

    assert (held.quantity, held.cost, held.realised) == (-130, D("-11700.00"), D("-650.00"))


def test_what_is_flat_has_no_cost_and_no_average():
    held = project([Trade("SELL", 65, D("5.00")), Trade("BUY", 65, D("4.00"))])

    assert held == Holding(0, D(0), D("65.00"))
    assert held.average_price == 0


@pytest.mark.parametrize(
    ("side", "price", "realised"),
    [("SELL", "0.00", "650.00"), ("SELL", "30.00", "-1300.00"), ("BUY", "30.00", "1300.00"),
     ("BUY", "0.00", "-650.00")],
)  # fmt: skip
def test_settlement_realises_the_whole_holding_at_its_price(side, price, realised):
    held = settled(project([Trade(side, 65, D("10.00"))]), D(price))

    assert held == Holding(0, D(0), D(realised))


def test_settling_nothing_changes_nothing():
    flat = project([Trade("SELL", 65, D("5.00")), Trade("BUY", 65, D("4.00"))])

    assert settled(flat, D("99.00")) is flat


@given(of=st.lists(trades, max_size=12), mark=prices)
def test_pnl_from_positions_is_pnl_from_fills_to_the_paisa(of, mark):
    held = project(of)

    assert held.quantity == sum(t.quantity if t.side == "BUY" else -t.quantity for t in of)
    assert held.gross(mark) == cash(of) + held.quantity * mark
    assert held.cost == held.cost.quantize(D("0.01"))


@given(of=st.lists(trades, max_size=12), mark=prices)
def test_a_settlement_at_the_mark_earns_what_the_mark_said(of, mark):
    held = project(of)

    assert settled(held, mark).gross(D(1)) == held.gross(mark)
    assert settled(held, mark).quantity == 0


@given(of=st.lists(trades, min_size=1, max_size=12), mark=prices)
def test_the_total_does_not_depend_on_the_order_of_the_fills(of, mark):
    assert project(of).gross(mark) == project(reversed(of)).gross(mark)


@given(of=st.lists(trades, max_size=10))
def test_cost_has_the_sign_of_what_is_held(of):
    held = project(of)

    assert (held.cost > 0) == (held.quantity > 0)
    assert (held.cost < 0) == (held.quantity < 0)


def test_a_single_unit_closes_as_many_do():
    held = project([Trade("SELL", 2, D("80.00")), Trade("BUY", 1, D("60.00"))])

    assert (held.quantity, held.cost, held.realised) == (-1, D("-80.00"), D("20.00"))


def fifo(of, mark):
    """Realised and unrealised together, first in first out: another way to the same rupees."""
    lots, realised = [], D(0)
    for t in of:
        left, sign = t.quantity, 1 if t.side == "BUY" else -1
        while left and lots and lots[0][0] * sign < 0:
            units = min(left, abs(lots[0][0]))
            realised += (lots[0][1] - t.price) * units * sign
            lots[0] = (lots[0][0] + units * sign, lots[0][1])
            lots = lots if lots[0][0] else lots[1:]
            left -= units
        if left:
            lots.append((left * sign, t.price))
    return realised + sum((units * (mark - price) for units, price in lots), D(0))


@given(of=st.lists(trades, max_size=12), mark=prices)
def test_first_in_first_out_gives_the_same_total_as_average_cost(of, mark):
    assert project(of).gross(mark) == fifo(of, mark)
