"""Why the simulator refuses an order: every code, and that nothing was placed."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from brokers.simulator.checks import band
from brokers.simulator.market import read
from brokers.types import Ack, OrderType, Rejected, Side
from market.kernel import contracts
from market.kernel.clock import IST
from tests.unit.brokers.desk import CALL, FUTURE, LOT, MORNING, WING, Desk, frame, open_desk, quote

D = Decimal


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": D("100.52")}, "OFF_TICK"),
        ({"symbol": FUTURE, "price": D("24550.05")}, "OFF_TICK"),
        ({"quantity": 66}, "NOT_A_LOT_MULTIPLE"),
        ({"quantity": 0}, "NOT_A_LOT_MULTIPLE"),
        ({"quantity": -LOT}, "NOT_A_LOT_MULTIPLE"),
        ({"quantity": 28 * LOT}, "ABOVE_FREEZE"),
        ({"price": D("140.05")}, "OUTSIDE_PRICE_BAND"),
        ({"price": D("59.95")}, "OUTSIDE_PRICE_BAND"),
        ({"symbol": WING, "price": D("60.05")}, "OUTSIDE_PRICE_BAND"),
        ({"symbol": WING, "price": D("19.95")}, "OUTSIDE_PRICE_BAND"),
        ({"symbol": FUTURE, "price": D("27006.2")}, "OUTSIDE_PRICE_BAND"),
        ({"symbol": "NIFTY-20260811-99000-CE"}, "UNKNOWN_SYMBOL"),
        ({"symbol": "RELIANCE-20260811-99000-CE"}, "UNKNOWN_SYMBOL"),
        ({"symbol": "nonsense"}, "UNKNOWN_SYMBOL"),
        ({"symbol": "NIFTY-20260804-24500-CE"}, "EXPIRED_CONTRACT"),
        ({"price": None}, "BAD_PRICE"),
        ({"price": D(0)}, "BAD_PRICE"),
        ({"price": D("-1")}, "BAD_PRICE"),
        ({"order_type": OrderType.MARKET, "price": None}, "MARKET_WITHOUT_PROTECTION"),
        (
            {"order_type": OrderType.MARKET, "price": None, "market_protection": D(0)},
            "MARKET_WITHOUT_PROTECTION",
        ),
        ({"client_ref": "HAS-A-DASH"}, "BAD_REQUEST"),
        ({"client_ref": "X" * 21}, "BAD_REQUEST"),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_by_its_code_and_not_placed(changes, code):
    desk = open_desk()

    answer = desk.wire.place(desk.order(**changes))

    assert isinstance(answer, Rejected)
    assert answer.code == code
    assert answer.upstream
    assert desk.wire.orders() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 27 * LOT},
        {"price": D("140.00")},
        {"price": D("60.00")},
        {"symbol": WING, "price": D("60.00")},
        {"symbol": WING, "price": D("20.00")},
        {"symbol": FUTURE, "price": D("27006.1")},
    ],
)
def test_the_last_value_inside_each_rule_is_accepted(changes):
    desk = open_desk(capital="10000000")

    assert desk.wire.place(desk.order(**changes)) == Ack("O000001")


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 8, 5, 9, 14, 59, tzinfo=IST),
        datetime(2026, 8, 5, 15, 40, tzinfo=IST),
        datetime(2026, 8, 8, 11, 0, tzinfo=IST),
    ],
)
def test_an_order_outside_the_session_is_refused(now):
    desk = Desk()
    desk.push(frame(now=now))

    answer = desk.wire.place(desk.order())

    assert isinstance(answer, Rejected)
    assert answer.code == "OUTSIDE_SESSION"


def test_a_short_beyond_the_capital_is_refused_and_a_smaller_one_is_not():
    desk = open_desk(capital="250000")

    refused = desk.wire.place(desk.order(side=Side.SELL, quantity=2 * LOT, price=D("100")))
    taken = desk.wire.place(desk.order(side=Side.SELL, price=D("100")))

    assert isinstance(refused, Rejected)
    assert refused.code == "INSUFFICIENT_MARGIN"
    assert taken == Ack("O000001")


def test_a_premium_beyond_the_capital_is_refused():
    desk = open_desk(capital="6532.49")

    answer = desk.wire.place(desk.order())

    assert isinstance(answer, Rejected)
    assert answer.code == "INSUFFICIENT_MARGIN"


def test_resting_buys_count_against_the_capital():
    desk = open_desk(capital="12000")
    desk.wire.place(desk.order(price=D("99")))

    answer = desk.wire.place(desk.order(price=D("99")))

    assert isinstance(answer, Rejected)
    assert answer.code == "INSUFFICIENT_MARGIN"


def test_a_hedge_that_only_rests_does_not_lower_the_margin_of_a_short():
    """The wing may never fill: only a filled hedge makes room."""
    desk = open_desk(capital="80000")
    desk.wire.place(desk.order(symbol=WING, price=D("39")))
    short = {"side": Side.SELL, "price": D("100")}

    unhedged = desk.wire.place(desk.order(**short))
    desk.push(frame(2, WING=quote("38.80", "39.00")))
    hedged = desk.wire.place(desk.order(**short))

    assert isinstance(unhedged, Rejected)
    assert isinstance(hedged, Ack)


def test_buying_back_a_short_is_taken_even_without_free_money():
    desk = open_desk(capital="250000")
    desk.wire.place(desk.order(side=Side.SELL, price=D("100")))
    desk.login("ZD1", capital="0")

    opened = desk.wire.place(desk.order(symbol=WING, side=Side.SELL, price=D("40")))
    closed = desk.wire.place(desk.order(price=D("100.50")))

    assert isinstance(opened, Rejected)
    assert isinstance(closed, Ack)
    assert desk.wire.positions() == []


def test_a_contract_absent_from_one_frame_keeps_its_listing_but_trades_nothing():
    desk = open_desk()
    desk.push(frame(2, CALL=None))

    assert isinstance(desk.wire.place(desk.order()), Ack)
    assert desk.wire.trades() == []


def test_a_contract_of_yesterday_is_unknown_until_it_is_quoted_today():
    desk = open_desk()
    desk.push(frame(2, now=MORNING + timedelta(days=1), CALL=None))

    answer = desk.wire.place(desk.order())

    assert isinstance(answer, Rejected)
    assert answer.code == "UNKNOWN_SYMBOL"


def test_an_order_before_any_frame_has_no_usable_answer():
    desk = Desk()

    response = desk.ask("POST", "/orders", b'{"client_ref": "A"}')

    assert response.status_code in (400, 503)
    assert desk.ask("GET", "/orders").status_code == 503


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"not json",
        b'{"client_ref": 5}',
        b'{"client_ref": "A", "symbol": "X", "side": "buy"}',
    ],
)
def test_a_malformed_order_is_refused_with_words(body):
    response = open_desk().ask("POST", "/orders", body)

    assert response.status_code == 400
    assert response.json()["code"] == "BAD_REQUEST"


def test_a_wrong_token_is_refused_on_every_side():
    desk = open_desk()

    assert desk.ask("GET", "/orders", token="nobody").status_code == 401
    assert desk.ask("GET", "/admin/ledger?timeline=test", token="token-ZD1").status_code == 401
    assert desk.ask("POST", "/frames", b"{}", token="token-ZD1").status_code == 401


@pytest.mark.parametrize(
    ("last", "low", "high"),
    [("50", "30.00", "70.00"), ("50.05", "30.05", "70.05"), ("3", "0.05", "23.00")],
)
def test_the_price_band_changes_its_kind_above_fifty_rupees(last, low, high):
    import orjson

    from market.kernel.frame import encode

    market = read(orjson.dumps(encode(frame(CALL=quote("1", "2", ltp=last)))), None)

    assert band(contracts.parse(CALL), market) == (D(low), D(high))
