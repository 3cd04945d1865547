"""The simulator's book: fills, queue, changes, expiry, look-up, latency, settlement, restart."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from brokers.simulator.ledger import Ledger, WrongLedger
from brokers.simulator.simulator import Simulator
from brokers.types import (
    Ack,
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    BrokerTrade,
    OrderType,
    Product,
    Rejected,
    Side,
    Unknown,
)
from market.kernel.clock import IST
from tests.unit.brokers.desk import (
    CALL,
    FUTURE,
    LOT,
    MORNING,
    OPERATOR,
    TIMELINE,
    WALL,
    WING,
    Desk,
    frame,
    open_desk,
    quote,
)

D = Decimal


def states(desk):
    return [(o.status, o.filled_quantity) for o in desk.wire.orders()]


def test_a_marketable_limit_fills_at_once_at_the_ask_and_is_in_every_book():
    desk = open_desk()

    answer = desk.wire.place(desk.order(price=D("101.00")))

    assert answer == Ack("O000001")
    [order], [trade] = desk.wire.orders(), desk.wire.trades()
    assert (order.status, order.filled_quantity, order.average_price) == (
        BrokerStatus.FILLED, LOT, D("100.50"),
    )  # fmt: skip
    assert (trade.trade_id, trade.broker_order_id, trade.price, trade.at) == (
        "T000001", "O000001", D("100.50"), MORNING,
    )  # fmt: skip
    assert trade.client_ref == order.client_ref == desk.wire.find(order.client_ref).client_ref
    assert desk.wire.positions() == [
        BrokerPosition(symbol=CALL, product=Product.NRML, quantity=LOT)
    ]
    assert desk.wire.funds().balance == D("1000000") - D("100.50") * LOT


def test_an_order_fills_over_frames_with_what_each_displays():
    desk = open_desk()
    desk.push(frame(2, CALL=quote("100", "100.50", size=2 * LOT)))
    desk.wire.place(desk.order(quantity=5 * LOT))
    seen = [states(desk)]
    for n in (3, 4, 5):
        desk.push(frame(n, CALL=quote("100", "100.50", size=2 * LOT)))
        seen.append(states(desk))

    assert seen == [
        [("PARTIAL", 2 * LOT)],
        [("PARTIAL", 4 * LOT)],
        [("FILLED", 5 * LOT)],
        [("FILLED", 5 * LOT)],
    ]


def test_two_accounts_share_what_one_frame_displays():
    desk = open_desk()
    other = desk.login("AN1")
    desk.push(frame(2, CALL=quote("100", "100.50", size=3 * LOT)))

    desk.wire.place(desk.order(quantity=2 * LOT))
    other.place(desk.order(quantity=2 * LOT))

    assert [o.filled_quantity for o in desk.wire.orders()] == [2 * LOT]
    assert [o.filled_quantity for o in other.orders()] == [LOT]


def test_the_better_limit_is_served_first_and_then_the_earlier_one():
    desk = open_desk()
    for price in ("99.00", "99.50", "99.50"):
        desk.wire.place(desk.order(price=D(price)))
    desk.push(frame(2, CALL=quote("98.50", "99.00", size=2 * LOT)))

    assert [o.filled_quantity for o in desk.wire.orders()] == [0, LOT, LOT]


def test_orders_of_one_account_never_trade_with_each_other():
    desk = open_desk()
    desk.wire.place(desk.order(price=D("100.25")))
    desk.wire.place(desk.order(side=Side.SELL, price=D("100.25")))

    assert desk.wire.trades() == []


def test_a_protected_market_order_is_a_limit_away_from_the_last_price():
    desk = open_desk()
    market = {"order_type": OrderType.MARKET, "price": None}

    desk.wire.place(desk.order(**market, market_protection=D("0.2")))
    desk.wire.place(desk.order(**market, market_protection=D("5")))

    first, second = desk.ask("GET", "/orders").json()["orders"]
    assert (first["price"], first["status"]) == ("100.20", "OPEN")
    assert (second["price"], second["status"], second["average_price"]) == (
        "105.00", "FILLED", "100.50",
    )  # fmt: skip


def test_a_modified_order_meets_the_market_again():
    desk = open_desk()
    desk.wire.place(desk.order(price=D("99")))

    assert desk.wire.modify("O000001", price=D("100.50")) == Ack("O000001")
    assert states(desk) == [("FILLED", LOT)]


def test_an_order_takes_twenty_five_changes():
    desk = open_desk()
    desk.wire.place(desk.order(price=D("90")))
    answers = [desk.wire.modify("O000001", price=D("90") + n) for n in [0, 1] * 13]

    assert answers[:25] == [Ack("O000001")] * 25
    assert isinstance(answers[25], Rejected)
    assert answers[25].code == "TOO_MANY_MODIFICATIONS"


@pytest.mark.parametrize(("price", "code"), [("99.03", "OFF_TICK"), ("150", "OUTSIDE_PRICE_BAND")])
def test_a_change_to_a_forbidden_price_leaves_the_order_as_it_was(price, code):
    desk = open_desk()
    desk.wire.place(desk.order(price=D("99")))

    answer = desk.wire.modify("O000001", price=D(price))

    assert isinstance(answer, Rejected)
    assert answer.code == code
    assert desk.ask("GET", "/orders").json()["orders"][0]["price"] == "99"


def test_a_cancelled_order_keeps_its_fills_and_takes_no_more():
    desk = open_desk()
    desk.push(frame(2, CALL=quote("100", "100.50", size=LOT)))
    desk.wire.place(desk.order(quantity=3 * LOT))

    assert desk.wire.cancel("O000001") == Ack("O000001")
    desk.push(frame(3))

    assert states(desk) == [("CANCELLED", LOT)]


def test_cancelling_what_is_done_or_unknown_is_refused_with_its_reason():
    desk = open_desk()
    desk.wire.place(desk.order())

    assert desk.wire.cancel("O000001") == Rejected("NOT_OPEN", "Order O000001 is FILLED.")
    assert desk.wire.cancel("O9") == Rejected("UNKNOWN_ORDER", "There is no order O9.")


def test_the_same_tag_twice_is_two_orders():
    """Brokers do not remove doubles; whoever resends has two orders."""
    desk = open_desk()
    order = desk.order()

    desk.wire.place(order)
    desk.wire.place(order)

    assert [o.broker_order_id for o in desk.wire.find_all(order.client_ref)] == [
        "O000001", "O000002",
    ]  # fmt: skip
    assert desk.wire.find("NOSUCHTAG") is None


@pytest.mark.parametrize(
    "later",
    [datetime(2026, 8, 5, 15, 40, tzinfo=IST), datetime(2026, 8, 6, 9, 15, tzinfo=IST)],
)
def test_what_is_open_expires_at_the_first_frame_after_its_session_without_trading(later):
    desk = open_desk()
    desk.wire.place(desk.order(price=D("99")))

    desk.push(frame(2, now=later, CALL=quote("90", "91")))

    assert states(desk) == [("EXPIRED", 0)]
    assert desk.wire.trades() == []
    assert desk.wire.events(0, 0).events[-1].report.status == BrokerStatus.EXPIRED


def test_a_repeated_or_older_frame_is_acknowledged_and_changes_nothing():
    desk = open_desk()
    desk.wire.place(desk.order(price=D("99")))
    desk.push(frame(2))

    assert desk.push(frame(2, CALL=quote("90", "91"))) == {"n": 2}
    assert desk.push(frame(1, CALL=quote("90", "91"))) == {"n": 1}
    assert states(desk) == [("OPEN", 0)]


def test_a_gap_in_the_numbers_is_accepted_and_noted():
    desk = open_desk()
    desk.push(frame(5))

    assert desk.ask("GET", "/healthz").json() == {
        "ok": True,
        "timeline": TIMELINE,
        "n": 5,
        "now": MORNING.isoformat(),
        "gaps": 1,
    }


def test_timelines_do_not_see_each_other():
    desk = open_desk()
    desk.wire.place(desk.order())
    desk.push(frame(timeline="other"))

    assert (desk.wire.orders(), desk.wire.positions()) == ([], [])
    assert desk.wire.funds().balance == D("1000000")
    desk.wire.place(desk.order(price=D("99")))
    assert desk.wire.orders()[0].broker_order_id == "O000001"
    assert len(desk.ledger()["trades"]) == 1


def test_an_order_is_in_no_book_and_trades_nothing_before_its_latency_is_over():
    desk = open_desk(latency=0.2)

    assert desk.wire.place(desk.order()) == Ack("O000001")
    desk.pass_time(0.1)
    assert (desk.wire.orders(), desk.wire.trades(), desk.wire.events(0, 0).events) == ([], [], ())
    desk.pass_time(0.1)

    assert states(desk) == [("FILLED", LOT)]


def test_a_late_order_meets_the_frame_that_is_there_when_it_arrives():
    desk = open_desk(latency=0.2)
    desk.wire.place(desk.order(price=D("101")))
    desk.push(frame(2, CALL=quote("100.40", "100.90")))
    desk.pass_time(0.2)

    assert [t.price for t in desk.wire.trades()] == [D("100.90")]


def test_events_come_in_order_once_each_and_carry_what_the_books_say():
    desk = open_desk()
    desk.wire.place(desk.order())

    page = desk.wire.events(0, 0)
    kinds = [(type(e.report), getattr(e.report, "status", None)) for e in page.events]

    assert kinds == [
        (BrokerOrder, BrokerStatus.OPEN),
        (BrokerTrade, None),
        (BrokerOrder, BrokerStatus.FILLED),
    ]
    assert [e.seq for e in page.events] == [1, 2, 3]
    assert page.events[1].report == desk.wire.trades()[0]
    assert page.events[2].report == desk.wire.orders()[0]
    assert (desk.wire.events(3, 0).events, desk.wire.events(3, 0).last) == ((), 3)


def test_before_the_first_frame_there_are_no_events_and_that_is_no_failure():
    page = Desk().wire.events(0, 0)

    assert (page.events, page.last) == ((), 0)


def test_options_and_futures_settle_in_cash_and_no_position_is_left():
    desk = open_desk(capital="1000000")
    desk.wire.place(desk.order())
    desk.wire.place(desk.order(side=Side.SELL, symbol=WING, price=D("40")))
    cash = D(desk.ledger()["cash"])
    body = {"timeline": TIMELINE, "underlying": "NIFTY", "day": "2026-08-11", "price": "24612.35"}

    booked = desk.admin("POST", "/admin/settle", **body)["settled"]
    again = desk.admin("POST", "/admin/settle", **body)["settled"]

    assert [(row["symbol"], row["value"], row["amount"]) for row in booked] == [
        (CALL, "112.35", "7302.75"),
        (WING, "0", "0"),
    ]
    assert again == []
    assert desk.wire.positions() == []
    assert D(desk.ledger()["cash"]) == cash + D("7302.75")


def test_an_official_settlement_value_books_the_difference_to_the_provisional_one():
    desk = open_desk()
    desk.wire.place(desk.order())
    body = {"timeline": TIMELINE, "underlying": "NIFTY", "day": "2026-08-11"}
    desk.admin("POST", "/admin/settle", **body, price="24600")

    corrected = desk.admin("POST", "/admin/settle", **body, price="24610")["settled"]

    assert [row["amount"] for row in corrected] == ["650"]
    assert D(desk.ledger()["cash"]) == 110 * LOT - D("100.50") * LOT


def test_a_future_moves_cash_only_when_it_is_closed():
    desk = open_desk(capital="1000000")
    future = {"symbol": FUTURE, "quantity": 2 * LOT}
    desk.wire.place(desk.order(**future, price=D("24552")))
    before = desk.wire.funds().balance
    desk.wire.place(desk.order(symbol=FUTURE, side=Side.SELL, price=D("24550")))

    assert before == D("1000000")
    assert desk.wire.funds().balance == D("1000000") - 2 * LOT
    assert desk.wire.funds().used > 0


def test_the_ledger_survives_a_restart_with_its_last_frame(tmp_path):
    path = str(tmp_path / "ledger.db")
    desk = open_desk(path=path)
    desk.wire.place(desk.order())
    desk.wire.place(desk.order(price=D("99")))
    before = desk.ledger()

    restarted = Desk(path=path)

    assert restarted.ledger() == before
    assert isinstance(restarted.wire.place(restarted.order()), Ack)
    restarted.push(frame(2, CALL=quote("98", "98.50")))
    assert [o.filled_quantity for o in restarted.wire.orders()] == [LOT, LOT, LOT]


def test_the_same_requests_make_the_same_ledger():
    def day():
        desk = open_desk()
        for n in range(2, 6):
            desk.wire.place(desk.order(price=D("99.50"), quantity=n * LOT))
            desk.push(frame(n, CALL=quote("99", "99.50", size=n * LOT)))
        return desk.ledger()

    assert day() == day()


def test_a_reset_forgets_one_timeline_and_keeps_the_logins():
    desk = open_desk()
    desk.wire.place(desk.order())
    desk.admin("POST", "/admin/reset", timeline=TIMELINE)
    desk.push(frame())

    assert desk.wire.orders() == []
    assert desk.wire.funds().balance == D("1000000")


def test_the_book_shows_two_days_and_the_tag_finds_older_orders():
    desk = open_desk()
    order = desk.order()
    desk.wire.place(order)
    desk.push(frame(2, now=MORNING + timedelta(days=1)))
    next_day = len(desk.wire.orders())
    desk.push(frame(3, now=MORNING + timedelta(days=2)))

    assert (next_day, len(desk.wire.orders())) == (1, 0)
    assert desk.wire.find(order.client_ref).status == BrokerStatus.FILLED


def test_an_unknown_route_and_a_body_that_is_no_frame_are_refused_in_words():
    desk = open_desk()

    assert desk.ask("PATCH", "/orders").json()["code"] == "NO_SUCH_ROUTE"
    assert desk.ask("POST", "/frames", b'{"n": 2}', OPERATOR).json()["code"] == "BAD_REQUEST"


def test_a_login_is_renewed_in_place_and_its_old_token_stops():
    desk = open_desk()
    desk.admin(
        "POST", "/admin/accounts", account="ZD1", broker="zerodha", capital="5", token="new-token"
    )

    assert desk.ask("GET", "/funds").status_code == 401
    assert desk.ask("GET", "/funds", token="new-token").json()["balance"] == "5"


def test_the_simulator_needs_its_own_token_for_a_login():
    simulator = Simulator(Ledger(), token=OPERATOR)

    answer = simulator.handle("POST", "/admin/accounts", {"authorization": "Bearer x"}, b"{}", WALL)

    assert answer.status == 401


def test_more_orders_in_a_second_than_allowed_are_turned_away_without_an_effect():
    desk = open_desk(rate=2)

    answers = [desk.wire.place(desk.order(price=D("99"))) for _ in range(3)]
    desk.pass_time(1)
    answers.append(desk.wire.cancel("O000001"))

    assert [type(a) for a in answers] == [Ack, Ack, Unknown, Ack]
    assert len(desk.wire.orders()) == 2
    assert isinstance(desk.login("AN1").place(desk.order()), Ack)


def test_a_ledger_of_another_format_is_refused_in_words_instead_of_misread(tmp_path):
    path = str(tmp_path / "ledger.db")
    ledger = Ledger(path)
    ledger.write("PRAGMA user_version=1")
    ledger.close()
    before = Path(path).read_bytes()

    with pytest.raises(WrongLedger, match="has format 1 .* exit every position there; then move"):
        Ledger(path)

    assert Path(path).read_bytes() == before
