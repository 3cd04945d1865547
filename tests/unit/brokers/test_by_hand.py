"""The broker's own app beside us: orders without a tag, square-off by hand, and a book without tags."""

from brokers.types import Ack
from tests.unit.brokers.desk import CALL, LOT, WING, open_desk


def by_hand(desk, path, **document):
    return desk.admin("POST", f"/admin/app/{path}", account="ZD1", **document)


def test_an_order_by_hand_fills_and_bears_no_tag():
    desk = open_desk()

    by_hand(desk, "orders", symbol=CALL, side="BUY", quantity=LOT)

    (order,), (trade,) = desk.wire.orders(), desk.wire.trades()
    assert (order.client_ref, order.filled_quantity, trade.client_ref) == ("", LOT, "")
    assert [(p.symbol, p.quantity) for p in desk.wire.positions()] == [(CALL, LOT)]


def test_an_order_by_hand_may_rest_at_its_own_price():
    desk = open_desk()

    by_hand(desk, "orders", symbol=CALL, side="BUY", quantity=LOT, order_type="LIMIT", price="90.00")

    (order,) = desk.wire.orders()
    assert (order.status, order.filled_quantity) == ("OPEN", 0)


def test_a_square_off_by_hand_closes_one_contract_or_all():
    desk = open_desk()
    desk.wire.place(desk.order())
    by_hand(desk, "orders", symbol=WING, side="SELL", quantity=LOT)
    assert len(desk.wire.positions()) == 2

    by_hand(desk, "square-off", symbol=WING)
    assert [p.symbol for p in desk.wire.positions()] == [CALL]
    by_hand(desk, "square-off")

    assert desk.wire.positions() == []


def test_a_broker_that_does_not_say_tags_keeps_them_in_its_own_ledger():
    desk = open_desk()
    desk.admin("POST", "/admin/tags", echo=False)
    order = desk.order()

    assert isinstance(desk.wire.place(order), Ack)

    assert [row.client_ref for row in [*desk.wire.orders(), *desk.wire.trades()]] == ["", ""]
    assert desk.wire.find(order.client_ref) is None
    assert {e.report.client_ref for e in desk.wire.events(0, 0).events} == {""}
    assert [row["client_ref"] for row in desk.ledger()["orders"]] == [order.client_ref]
    desk.admin("POST", "/admin/tags", echo=True)
    assert desk.wire.find(order.client_ref) is not None
