"""A stop with a limit (SL-L) at the simulator: it waits for its trigger outside the matching."""

from datetime import timedelta
from decimal import Decimal

import orjson
import pytest

from brokers.types import Ack, BrokerStatus, OrderType, Rejected, Side
from tests.unit.brokers.desk import CALL, LOT, MORNING, frame, open_desk, quote

D = Decimal
STOP = {"order_type": OrderType.SL_LIMIT, "trigger_price": D("130.00"), "price": D("136.50")}


def short_desk(**options):
    """One lot of the call sold at 100.00, and a stop that buys it back from 130.00 on."""
    desk = open_desk(**options)
    desk.wire.place(desk.order(side=Side.SELL, price=D("100")))
    assert desk.wire.place(desk.order(**STOP)) == Ack("O000002")
    return desk


def stop_of(desk):
    order = desk.wire.orders()[-1]
    return order.status, order.filled_quantity, order.trigger_price


def test_a_stop_rests_beside_the_market_and_blocks_no_money():
    desk = short_desk()
    before = desk.wire.funds()

    desk.push(frame(2, CALL=quote("129.90", "129.95", ltp="129.95")))

    assert stop_of(desk) == (BrokerStatus.TRIGGER_PENDING, 0, D("130.00"))
    assert desk.wire.positions()[0].quantity == -LOT
    desk.push(frame(3))
    assert desk.wire.funds() == before


@pytest.mark.parametrize(
    ("bid", "ask", "last"), [("129.00", "130.00", "129.50"), ("128.00", "129.00", "130.00")]
)
def test_the_ask_or_the_last_price_at_the_trigger_makes_it_a_limit_that_trades(bid, ask, last):
    desk = short_desk()

    desk.push(frame(2, CALL=quote(bid, ask, ltp=last)))

    assert stop_of(desk) == (BrokerStatus.FILLED, LOT, D("130.00"))
    assert desk.wire.trades()[-1].price == D(ask)
    assert desk.wire.positions() == []


def test_a_market_beyond_the_limit_leaves_a_resting_limit():
    desk = short_desk()

    desk.push(frame(2, CALL=quote("149.00", "150.00", ltp="150.00")))
    assert stop_of(desk) == (BrokerStatus.OPEN, 0, D("130.00"))

    desk.push(frame(3, CALL=quote("120.00", "121.00", ltp="120.00")))
    assert stop_of(desk) == (BrokerStatus.FILLED, LOT, D("130.00"))


def test_the_price_band_is_that_of_the_moment_at_which_it_triggers():
    """136.50 is inside the band of 130, and far below the band of 300: 180 to 420."""
    desk = short_desk()

    desk.push(frame(2, CALL=quote("299.00", "301.00", ltp="300.00")))

    order = desk.wire.orders()[-1]
    assert order.status is BrokerStatus.REJECTED
    assert order.reason.startswith("OUTSIDE_PRICE_BAND: 136.50 is outside")
    assert desk.wire.positions()[0].quantity == -LOT


def test_a_stop_is_moved_with_its_trigger_and_cancelled_like_any_order():
    desk = short_desk()

    moved = desk.wire.modify("O000002", price=D("115.50"), trigger_price=D("110.00"))
    desk.push(frame(2, CALL=quote("109.00", "109.95", ltp="109.00")))
    pending = stop_of(desk)
    cancelled = desk.wire.cancel("O000002")

    assert (moved, cancelled) == (Ack("O000002"), Ack("O000002"))
    assert pending == (BrokerStatus.TRIGGER_PENDING, 0, D("110.00"))
    assert stop_of(desk)[0] is BrokerStatus.CANCELLED


def test_a_stop_that_has_been_triggered_has_no_trigger_left_to_move():
    desk = short_desk()
    desk.push(frame(2, CALL=quote("149.00", "150.00", ltp="150.00")))

    refused = desk.wire.modify("O000002", price=D("160.00"), trigger_price=D("155.00"))
    moved = desk.wire.modify("O000002", price=D("160.00"))

    assert isinstance(refused, Rejected)
    assert refused.code == "TRIGGER_PASSED"
    assert moved == Ack("O000002")
    assert stop_of(desk)[0] is BrokerStatus.FILLED


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"trigger_price": None}, "BAD_PRICE"),
        ({"trigger_price": D("130.02")}, "OFF_TICK"),
        ({"price": None}, "BAD_PRICE"),
        ({"price": D("129.95")}, "BAD_PRICE"),
        ({"trigger_price": D("100.50")}, "TRIGGER_PASSED"),
        ({"side": Side.SELL, "trigger_price": D("90"), "price": D("90.05")}, "BAD_PRICE"),
        ({"side": Side.SELL, "trigger_price": D("100"), "price": D("95")}, "TRIGGER_PASSED"),
    ],
)
def test_a_stop_that_makes_no_sense_is_refused_by_its_code_and_not_placed(changes, code):
    desk = open_desk()

    answer = desk.wire.place(desk.order(**STOP | changes))

    assert isinstance(answer, Rejected)
    assert answer.code == code
    assert desk.wire.orders() == []


def test_a_stop_without_a_limit_is_denied():
    desk = open_desk()
    body = {
        "client_ref": "A", "symbol": CALL, "side": "BUY", "quantity": LOT, "product": "NRML",
        "order_type": "SL-M", "trigger_price": "130",
    }  # fmt: skip

    response = desk.ask("POST", "/orders", orjson.dumps(body))

    assert (response.status_code, response.json()["code"]) == (400, "SL_M_DENIED")


def test_a_stop_is_good_for_the_day():
    desk = short_desk()

    desk.push(frame(2, now=MORNING + timedelta(days=1), CALL=quote("149", "150", ltp="150")))

    assert stop_of(desk) == (BrokerStatus.EXPIRED, 0, D("130.00"))


def test_a_late_stop_waits_for_its_trigger_from_its_arrival_on():
    desk = open_desk(latency=1)
    desk.wire.place(desk.order(**STOP))
    desk.push(frame(2, CALL=quote("129", "130", ltp="130")))
    desk.push(frame(3))

    desk.pass_time(1)

    assert stop_of(desk) == (BrokerStatus.TRIGGER_PENDING, 0, D("130.00"))
