"""Whatever is traded: the ledger's trades, positions and cash agree, and no fill breaks a limit."""

from collections import Counter, defaultdict
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.simulator.positions import Held, booked
from brokers.types import Side
from tests.unit.brokers.desk import CALL, LOT, WING, frame, open_desk, quote

D = Decimal
ZERO = D(0)
ticks = st.integers(min_value=60, max_value=140)
orders = st.tuples(
    st.sampled_from([CALL, WING]), st.sampled_from(list(Side)), st.integers(1, 6), ticks
)
quotes = st.tuples(ticks, st.integers(0, 10), st.integers(0, 6 * LOT))
steps = st.lists(st.one_of(orders, quotes), max_size=25)


def shown(row):
    bid, spread, size = row
    return quote(str(D(bid)), str(D(bid + spread)), size=size, ltp="100")


@settings(max_examples=60, deadline=None)
@given(steps)
def test_trades_positions_and_cash_agree_and_no_order_fills_beyond_itself(played):
    desk = open_desk(capital="1000000000")
    n, displayed = 1, {1: {CALL: (10 * LOT, 10 * LOT), WING: (10 * LOT, 10 * LOT)}}
    for step in played:
        if len(step) == 4:
            symbol, side, lots, price = step
            fields = {"symbol": symbol, "side": side, "quantity": lots * LOT}
            desk.wire.place(desk.order(**fields, price=D(price)))
        else:
            n += 1
            desk.push(frame(n, CALL=shown(step), WING=shown(step)))
            displayed[n] = {CALL: step[2], WING: step[2]}

    ledger = desk.ledger()
    limits = {row["order_id"]: row for row in ledger["orders"]}
    units, filled, cash = Counter(), Counter(), ZERO
    for trade in ledger["trades"]:
        sign = 1 if trade["side"] == "BUY" else -1
        order = limits[trade["order_id"]]
        assert sign * (D(order["price"]) - D(trade["price"])) >= 0
        units[trade["symbol"]] += sign * trade["quantity"]
        filled[trade["order_id"]] += trade["quantity"]
        cash -= sign * D(trade["price"]) * trade["quantity"]
    held = {row["symbol"]: row["quantity"] for row in ledger["positions"]}

    assert {name: held.get(name, 0) for name in (CALL, WING)} == {
        name: units[name] for name in (CALL, WING)
    }
    assert D(ledger["cash"]) == cash
    assert all(
        filled[name] == row["filled_quantity"] <= row["quantity"] for name, row in limits.items()
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(1, 9)), min_size=1, max_size=12))
def test_no_frame_gives_more_than_it_displays(wanted):
    desk = open_desk(capital="1000000000")
    desk.push(frame(2, CALL=quote("100", "100.50", size=7 * LOT)))
    for side, lots in wanted:
        price = D("110") if side is Side.BUY else D("90")
        desk.wire.place(desk.order(side=side, quantity=lots * LOT, price=price))

    taken: dict[str, int] = defaultdict(int)
    for trade in desk.ledger()["trades"]:
        taken[trade["side"]] += trade["quantity"]

    asked = {side: sum(lots for s, lots in wanted if s is side) for side in Side}
    assert dict(taken) == {side.value: min(asked[side], 7) * LOT for side in Side if asked[side]}


@given(st.lists(st.tuples(st.integers(-9, 9).filter(bool), st.integers(1, 500)), max_size=20))
def test_realised_and_open_value_add_up_to_all_cash_that_moved(played):
    held, cash = Held(), ZERO
    for signed, price in played:
        held = booked(held, signed * LOT, D(price))
        cash -= D(price) * signed * LOT

    assert held.realised - held.cost == cash


def test_a_future_that_turns_from_long_to_short_realises_only_the_closed_part():
    long = booked(Held(), 2 * LOT, D("24500"))
    short = booked(long, -3 * LOT, D("24510"))

    assert short == Held(-LOT, D("-24510") * LOT, D(10) * 2 * LOT)
    assert short.average == D("24510")
