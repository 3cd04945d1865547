"""What the broker does to us: lost answers, late books, refusals. Nothing is sent twice."""

import pytest

from execution.engine import loop
from execution.engine.desk import Work, WorkKind
from execution.models import Order
from execution.states import OrderState
from tests.integration.execution.conftest import one_strategy
from users.models import Notice

PUT = one_strategy("Cash Secured Put", broker="finvasia", lots=2)


def placed(desk):
    return [order for account in desk.ledger() for order in account["orders"]]


@pytest.mark.parametrize(
    "kind", ["drop_answer", "answer_500_but_placed", "answer_400_but_placed", "html_body", "truncated_body"]
)
def test_an_order_whose_answer_is_lost_is_found_by_its_tag_and_not_sent_again(desk_of, kind):
    desk = desk_of(PUT)
    desk.fault(kind)

    desk.at(9, 20)
    desk.at(9, 20, 5)

    pair = desk.pair("Cash Secured Put", "finvasia")
    assert [(o.status, o.filled_quantity) for o in desk.orders(pair)] == [("FILLED", 130)]
    assert len(placed(desk)) == 1
    assert Notice.objects.filter(kind="unknown_order").count() == 1


@pytest.mark.parametrize("kind", ["drop_request", "answer_500_not_placed", "too_many_requests"])
def test_fault_07_an_order_that_never_arrived_stays_unknown_is_told_and_is_not_sent_again(desk_of, kind):
    desk = desk_of(PUT)
    desk.fault(kind)

    desk.at(9, 20)
    desk.minutes((9, 21), (9, 26))

    (order,) = desk.orders(desk.pair("Cash Secured Put", "finvasia"))
    assert order.status == "UNKNOWN"
    assert order.lookups >= 5
    assert placed(desk) == []
    assert Notice.objects.filter(kind="unknown_order").count() == 1


def test_absence_is_proof_only_when_the_day_is_over(desk_of):
    desk = desk_of(PUT)
    desk.fault("drop_request")
    desk.at(9, 20)
    desk.minutes((9, 21), (9, 31))
    pair = desk.pair("Cash Secured Put", "finvasia")
    assert desk.orders(pair)[0].status == "UNKNOWN"

    desk.at(15, 40)
    desk.at(15, 40, 0)

    assert desk.orders(pair)[0].status in ("UNKNOWN", "NEVER_SENT")


def test_fault_09_an_order_that_shows_up_late_in_the_book_is_adopted(desk_of):
    desk = desk_of(PUT)
    desk.fault("drop_answer")
    desk.fault("hide_order_for", seconds=90)

    desk.at(9, 20)
    desk.at(9, 20, 30)
    pair = desk.pair("Cash Secured Put", "finvasia")
    assert desk.orders(pair)[0].status == "UNKNOWN"
    desk.minutes((9, 21), (9, 24))

    assert [(o.status, o.filled_quantity) for o in desk.orders(pair)] == [("FILLED", 130)]
    assert len(placed(desk)) == 1


def test_an_unknown_order_freezes_entries_of_its_pair_and_not_its_neighbours(desk):
    desk.fault("drop_request", account=None, count=1)

    desk.at(9, 20)
    desk.at(9, 20, 5)

    unknown = Order.objects.get(status="UNKNOWN")
    neighbours = Order.objects.exclude(allocation=unknown.allocation)
    assert {order.status for order in neighbours} == {"FILLED"}
    assert set(Order.objects.filter(allocation=unknown.allocation, wave=2)) == set()


def test_exits_of_filled_legs_go_on_while_another_legs_order_is_unknown(desk_of):
    desk = desk_of(one_strategy("Iron Condor", broker="zerodha", lots=2))
    desk.at(9, 20)
    pair = desk.pair("Iron Condor", "zerodha")
    desk.fault("drop_request")

    desk.at(15, 10)

    held = desk.held(pair)
    assert sorted(held.values()) == [-130, 130]
    assert [o.status for o in desk.orders(pair, action="close") if o.status != "FILLED"] == ["UNKNOWN"]


def test_a_worker_killed_after_sending_is_committed_leaves_an_order_that_is_looked_up(desk_of):
    """The row says SENDING and nothing was written to the socket: never resent."""
    desk = desk_of(PUT)
    desk.at(9, 19)
    from execution.engine import dispatch

    frame_desk = desk.player._desk(desk.player.last)
    desk.n += 1
    desk.at(9, 20)
    order = Order.objects.get()
    Order.objects.filter(pk=order.pk).update(
        status=OrderState.SENDING, next_lookup_at=desk.player.wall, filled_quantity=0
    )
    assert dispatch.dispatch(order.pk, frame_desk) == []
    assert len(placed(desk)) == 1


def test_fault_17_the_same_fill_by_push_and_poll_counts_once(desk_of):
    from execution.engine.apply import apply_books

    desk = desk_of(PUT)
    desk.at(9, 20)
    pair = desk.pair("Cash Secured Put", "finvasia")
    wire = desk.player.adapter(pair.broker_account)
    frame_desk = desk.player._desk(desk.player.last)

    for source in ("push", "poll", "push"):
        apply_books(pair.broker_account, wire.orders(), wire.trades(), frame_desk, source=source)

    assert sum(desk.held(pair).values()) == -130
    (order,) = desk.orders(pair)
    assert (order.filled_quantity, order.fills.count()) == (130, 1)


def test_fault_28_an_order_book_that_answers_500_is_not_taken_as_flat(desk_of):
    desk = desk_of(PUT)
    desk.at(9, 20)
    pair = desk.pair("Cash Secured Put", "finvasia")
    desk.fault("answer_500_not_placed", route="orders", count=5)
    desk.fault("answer_500_not_placed", route="trades", count=5)
    frame_desk = desk.player._desk(desk.player.last)

    assert loop.perform(Work(WorkKind.SYNC, pair.broker_account_id), frame_desk) == []
    assert sum(desk.held(pair).values()) == -130
