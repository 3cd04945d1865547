"""What the plain adapter makes of every answer, without and with a real socket."""

import socket
import threading
import time
from decimal import Decimal

import httpx
import pytest

from brokers.adapters.plain import PlainWire, open_client
from brokers.simulator.faults import KINDS
from brokers.types import Ack, BrokerStatus, Funds, NeverSent, ReadFailed, Rejected, Side, Unknown
from tests.unit.brokers.desk import CALL, LOT, Desk, frame, quote

D = Decimal
PLACED_BUT_UNANSWERED = [
    {"kind": "drop_answer"},
    {"kind": "delay_answer", "seconds": 0.8},
    {"kind": "answer_500_but_placed"},
    {"kind": "answer_400_but_placed"},
    {"kind": "html_body"},
    {"kind": "truncated_body"},
]
NOT_PLACED = [
    {"kind": "answer_500_not_placed"},
    {"kind": "too_many_requests"},
    {"kind": "drop_request"},
]


def named(fault):
    return fault["kind"]


def test_every_kind_of_failure_is_tried_here():
    tried = {fault["kind"] for fault in PLACED_BUT_UNANSWERED + NOT_PLACED}

    assert tried | {"reject_next", "hide_order_for", "forget_tag"} == set(KINDS)


def test_an_order_its_fill_and_the_money_come_back_as_typed_values(desk):
    order = desk.order()

    assert desk.wire.place(order) == Ack("O000001")
    found = desk.wire.find(order.client_ref)
    assert found == desk.wire.orders()[0]
    assert (found.symbol, found.side, found.status) == (CALL, Side.BUY, BrokerStatus.FILLED)
    assert desk.wire.trades()[0].price == D("100.50")
    assert desk.wire.positions()[0].quantity == LOT
    left = D("1000000") - D("100.50") * LOT
    assert desk.wire.funds() == Funds(balance=left, used=D(0), available=left)
    assert desk.wire.find("NOBODY") is None


@pytest.mark.parametrize("fault", PLACED_BUT_UNANSWERED, ids=named)
def test_an_order_whose_answer_is_lost_is_unknown_and_then_found_once_by_its_tag(desk, fault):
    desk.fault(**fault)
    order = desk.order()

    answer = desk.wire.place(order)
    desk.pass_time(0.5)

    assert isinstance(answer, Unknown)
    assert answer.upstream
    assert [o.status for o in desk.wire.find_all(order.client_ref)] == [BrokerStatus.FILLED]


@pytest.mark.parametrize("fault", NOT_PLACED, ids=named)
def test_an_answer_that_proves_nothing_is_unknown_even_if_nothing_was_placed(desk, fault):
    desk.fault(**fault)
    order = desk.order()

    assert isinstance(desk.wire.place(order), Unknown)
    assert desk.wire.find(order.client_ref) is None
    assert isinstance(desk.wire.place(order), Ack)


def test_an_injected_rejection_is_a_rejection_with_its_code(desk):
    desk.fault("reject_next", code="INSUFFICIENT_MARGIN", symbol=CALL)

    assert desk.wire.place(desk.order()) == Rejected(
        "INSUFFICIENT_MARGIN", "Refused by an injected failure."
    )
    assert desk.wire.orders() == []


def test_a_reason_that_is_not_on_the_list_is_unknown(desk):
    desk.fault("reject_next", code="SOMETHING_NEW")

    assert isinstance(desk.wire.place(desk.order()), Unknown)


def test_an_order_may_show_in_the_book_only_later(desk):
    desk.fault("hide_order_for", seconds=0.6)
    desk.fault("drop_answer")
    order = desk.order()

    answer = desk.wire.place(order)
    at_once = (desk.wire.find(order.client_ref), desk.wire.trades(), desk.wire.events(0, 0).events)
    desk.pass_time(0.7)

    assert isinstance(answer, Unknown)
    assert at_once == (None, [], ())
    assert desk.wire.find(order.client_ref).status == BrokerStatus.FILLED
    assert len(desk.wire.trades()) == 1
    assert len(desk.wire.events(0, 0).events) == 3


def test_a_broker_that_forgets_the_tag_still_has_the_order(desk):
    desk.fault("forget_tag")
    order = desk.order()

    assert desk.wire.place(order) == Ack("O000001")
    assert desk.wire.find(order.client_ref) is None
    assert desk.wire.orders()[0].client_ref == ""


def test_a_failure_is_used_up_by_its_count_and_only_by_its_account(desk):
    other = desk.login("AN1")
    desk.fault("answer_500_not_placed", account="AN1", count=2)

    answers = [other.place(desk.order()) for _ in range(3)]

    assert isinstance(desk.wire.place(desk.order()), Ack)
    assert [type(a) for a in answers] == [Unknown, Unknown, Ack]


def test_failures_can_be_listed_and_removed(desk):
    desk.fault("drop_answer", count=5)
    assert [f["kind"] for f in desk.admin("GET", "/admin/faults")["faults"]] == ["drop_answer"]
    desk.admin("DELETE", "/admin/faults")

    assert isinstance(desk.wire.place(desk.order()), Ack)


@pytest.mark.parametrize(
    ("route", "read"),
    [
        ("orders", lambda wire: wire.orders()),
        ("orders", lambda wire: wire.find("TAG")),
        ("trades", lambda wire: wire.trades()),
        ("positions", lambda wire: wire.positions()),
        ("funds", lambda wire: wire.funds()),
        ("events", lambda wire: wire.events(0, 0)),
    ],
)
@pytest.mark.parametrize(
    "kind",
    ["answer_500_not_placed", "drop_answer", "html_body", "truncated_body", "too_many_requests"],
)
def test_a_book_that_cannot_be_read_is_not_an_empty_book(desk, route, read, kind):
    desk.wire.place(desk.order())
    desk.fault(kind, route=route)

    with pytest.raises(ReadFailed):
        read(desk.wire)
    read(desk.wire)


@pytest.mark.parametrize("kind", ["drop_answer", "html_body", "answer_500_but_placed"])
def test_a_cancel_without_an_answer_is_unknown_and_may_have_worked(desk, kind):
    desk.wire.place(desk.order(price=D("99")))
    desk.fault(kind, route="cancel")

    assert isinstance(desk.wire.cancel("O000001"), Unknown)
    assert desk.wire.orders()[0].status == BrokerStatus.CANCELLED


def test_a_change_without_an_answer_is_unknown(desk):
    desk.wire.place(desk.order(price=D("99")))
    desk.fault("drop_answer", route="modify")

    assert isinstance(desk.wire.modify("O000001", price=D("99.50")), Unknown)


def test_a_refused_token_is_a_rejected_order_and_a_failed_read(desk):
    wire = PlainWire(desk.client, token="expired")

    assert wire.place(desk.order()) == Rejected(
        "TOKEN_REFUSED", "The access token is unknown or was replaced."
    )
    with pytest.raises(ReadFailed):
        wire.positions()


def test_a_wire_does_not_show_its_token(desk):
    assert "token-ZD1" not in f"{desk.wire!r}{desk.wire}"


def test_a_refused_connection_proves_that_nothing_was_sent(served):
    wire, order = served.wire, served.order()
    url = served.url
    served.stop()
    wire = PlainWire(open_client(url), token="token-ZD1")

    assert isinstance(wire.place(order), NeverSent)
    assert isinstance(wire.cancel("O000001"), Unknown)
    with pytest.raises(ReadFailed):
        wire.orders()


def test_a_server_that_takes_the_bytes_and_dies_leaves_the_order_unknown():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def accept_and_die():
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.close()

        threading.Thread(target=accept_and_die, daemon=True).start()
        wire = PlainWire(open_client(url), token="t")

        assert isinstance(wire.place(Desk().order()), Unknown)


def test_a_reader_of_events_is_woken_by_a_fill(served):
    served.wire.place(served.order(price=D("99")))
    after = served.wire.events(0, 0).last
    pages = []

    def read():
        started = time.monotonic()
        pages.append((served.wire.events(after, 10), started, time.monotonic()))

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.3)
    served.push(frame(2, CALL=quote("98", "98.50")))
    reader.join(timeout=5)
    [(page, started, ended)] = pages

    assert [type(e.report).__name__ for e in page.events] == ["BrokerTrade", "BrokerOrder"]
    assert 0.2 < ended - started < 2


def test_a_reader_of_events_gets_an_empty_page_when_nothing_happens(served):
    started = time.monotonic()

    page = served.wire.events(0, 0.3)

    assert (page.events, page.last) == ((), 0)
    assert 0.25 < time.monotonic() - started < 2


def test_every_request_of_a_wire_reuses_one_connection(served):
    for _ in range(5):
        served.wire.orders()

    assert len(served.client._transport._pool.connections) == 1


def test_the_client_asks_no_proxy_of_the_environment(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    client = open_client(
        "http://simulator.test", transport=httpx.MockTransport(lambda _: httpx.Response(200))
    )

    assert client.trust_env is False
