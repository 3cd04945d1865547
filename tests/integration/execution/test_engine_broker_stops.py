"""Stops of naked shorts that rest at the broker (SL-L): they follow, they fire, and never beside a close."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from decimal import Decimal

from execution.engine import broker_stops
from execution.engine.snapshot import Snapshot
from execution.headless import witness
from execution.lanes import picture_of
from execution.models import Order, OrderEvent
from market.kernel.clock import at
from market.kernel.frame import encode
from strategies.models import StrategyVersion
from tests.integration.execution.conftest import MONDAY
from tests.integration.execution.test_engine_leg_stops import Board
from users.models import Notice

D = Decimal
AT_BROKER = {"stop_at_broker": True}
TICK = D("0.05")


def put_board(desk_of, *, terms=None, lots=1, **leg) -> Board:
    """A short put, stopped 30 points away; nothing hedges it."""
    board = Board(
        desk_of, "Cash Secured Put", broker="finvasia", terms={**AT_BROKER, **(terms or {})},
        legs={1: {"stop": "30", **leg}}, lots=lots,
    )  # fmt: skip
    return begun(board, {1: 0})


def begun(board: Board, gains: dict[int, int]) -> Board:
    """Its first frame after the entry, at prices as an exchange writes them."""
    board.entry = {number: price.quantize(D("0.01")) for number, price in board.entry.items()}
    board.gain(gains, times=1)
    return board


def strangle_board(desk_of, *, terms=None) -> Board:
    """A short call (leg 1) and a short put (leg 2), each stopped 30 points away."""
    board = Board(
        desk_of, "Iron Condor", preset="short_strangle", terms={**AT_BROKER, **(terms or {})},
        legs={1: {"stop": "30"}, 2: {"stop": "30"}},
    )  # fmt: skip
    return begun(board, {1: 0, 2: 0})


def stops(board: Board, number: int = 1) -> list[Order]:
    rows = Order.objects.filter(allocation=board.pair, order_type="SL-L", leg_number=number)
    return list(rows.order_by("pk"))


def at_broker(board: Board) -> list[tuple[str, str, int]]:
    """(status, trigger, open units) of the stops in the broker's own ledger."""
    found = [o for account in board.desk.ledger() for o in account["orders"] if o["trigger_price"]]
    return [(o["status"], o["trigger_price"], o["quantity"] - o["filled_quantity"]) for o in found]


def assert_books_agree(board: Board) -> None:
    found = witness.compare(board.desk.player)
    assert (found["unexplained"], found["sent_twice"]) == (0, 0), found["differences"]


def while_down(board: Board, points: int, *, units: int = 650) -> None:
    """A frame that the exchange sees and this host does not: the first short loses so many points."""
    board.marks[1] = board.entry[1] + points
    now = board.now.now + timedelta(seconds=10)
    quotes = {s: board._quote(n, now)._replace(ask_quantity=units) for n, s in board.symbol.items()}
    board.now = replace(board.now, n=board.now.n + 1, now=now, quotes=quotes)
    board.desk.player._operator("POST", "/frames", encode(board.now))


def test_after_the_fill_a_stop_for_exactly_the_open_units_rests_at_the_broker(desk_of):
    board = put_board(desk_of)

    (stop,) = stops(board)
    trigger = board.entry[1] + 30
    assert (stop.side, stop.action, stop.quantity, stop.status) == ("BUY", "close", 65, "WORKING")
    assert stop.trigger_price == trigger
    assert stop.price == (trigger * D("1.05")) // TICK * TICK
    assert at_broker(board) == [("TRIGGER_PENDING", str(trigger), 65)]
    run = board.desk.run(board.pair)
    assert stop.execution == run
    picture = picture_of(board.pair.broker_account.user, run)
    assert [(lanes.sent, lanes.filled) for lanes in picture.pairs] == [(1, 1)]
    board.gain({1: -10}, times=4)  # nothing chases it
    (same,) = stops(board)
    assert (same.modifications, same.trigger_price) == (0, trigger)
    assert_books_agree(board)


def test_two_ticks_at_once_place_one_stop(desk_of):
    """Both have read that none rests; the second finds it over the locked position."""
    board = Board(desk_of, "Cash Secured Put", broker="finvasia", terms=AT_BROKER, legs={1: {"stop": "30"}})
    StrategyVersion.objects.update(stop_at_broker=False)
    begun(board, {1: 0})
    StrategyVersion.objects.update(stop_at_broker=True)
    desk = board.desk.player._desk(board.now)
    both = [Snapshot(desk.timeline, desk.day, desk.wall) for _ in range(2)]
    assert [seen.broker_stops.live for seen in both] == [{}, {}]

    works = [broker_stops.keep(desk, seen) for seen in both]

    assert [len(each) for each in works] == [1, 0]
    assert [stop.status for stop in stops(board)] == ["READY"]


def test_shorts_with_a_hedge_have_their_stops_here_alone(desk_of):
    """A jade lizard: its put is naked, its call leans on a wing."""
    legs = {number: {"stop": "30"} for number in (1, 2, 3)}
    board = Board(desk_of, "Iron Condor", preset="jade_lizard", terms=AT_BROKER, legs=legs)
    begun(board, {1: 0, 2: 0, 3: 0})

    (stop,) = Order.objects.filter(order_type="SL-L").select_related("contract")
    assert (stop.side, stop.contract.option_type) == ("BUY", "PE")


def test_a_trail_moves_trigger_and_limit_and_places_anew_what_may_not_be_moved_any_more(desk_of):
    board = put_board(desk_of, trail="continuous")
    before = board.entry[1] + 30
    board.gain({1: 10}, times=3)

    (stop,) = stops(board)
    assert stop.trigger_price == before - 10
    assert stop.price == (stop.trigger_price * D("1.05")) // TICK * TICK
    assert at_broker(board) == [("TRIGGER_PENDING", str(before - 10), 65)]
    assert stop.modifications == 1

    Order.objects.filter(pk=stop.pk).update(modifications=20)  # as often as is allowed
    board.gain({1: 20}, times=4)
    old, new = stops(board)
    assert (old.status, old.code, new.status) == ("CANCELLED", "STOP_REPLACED", "WORKING")
    assert at_broker(board)[1] == ("TRIGGER_PENDING", str(before - 20), 65)


def test_a_stop_that_fires_while_this_host_is_down_is_found_and_the_pair_is_flat(desk_of):
    board = put_board(desk_of)
    while_down(board, 31)
    assert [row[0] for row in at_broker(board)] == ["FILLED"]

    board.gain({1: 0}, times=2)

    (stop,) = stops(board)
    run = board.desk.run(board.pair, "exit")
    assert (stop.status, stop.filled_quantity, board.held(1)) == ("FILLED", 65, 0)
    assert (run.cause, run.status, run.only_legs) == ("leg_stop", "done", [1])
    assert run.detail.startswith(
        f"Leg 1 stop at the broker at {board.entry[1] + 30:.2f}: bought at {board.entry[1] + 31:.2f}."
    )
    assert run.orders.count() == 0
    notice = Notice.objects.get(kind="stopped_at_broker")
    assert notice.title == "Leg 1 of Cash Secured Put was stopped at the broker"
    assert OrderEvent.objects.filter(order=stop, kind="stopped").count() == 1
    assert_books_agree(board)


def test_a_stop_that_fills_in_part_is_cancelled_and_an_exit_of_the_leg_closes_the_rest(desk_of):
    board = put_board(desk_of, lots=2)
    while_down(board, 30, units=65)
    board.dry = {1}

    board.gain({1: 0}, times=1)
    run = board.desk.run(board.pair, "exit")
    assert (board.held(1), run.status, run.only_legs) == (-65, "running", [1])
    board.dry = set()
    board.gain({1: 0}, times=3)

    (stop,) = stops(board)
    assert (stop.status, stop.filled_quantity) == ("CANCELLED", 65)
    assert (board.held(1), board.desk.run(board.pair, "exit").status) == (0, "done")
    assert sum(Order.objects.filter(action="close").values_list("filled_quantity", flat=True)) == 130
    assert_books_agree(board)


def test_a_stop_at_the_broker_moves_the_other_legs_to_cost_and_rests_there(desk_of):
    board = strangle_board(desk_of, terms={"break_even": True})
    assert [len(stops(board, leg)) for leg in (1, 2)] == [1, 1]
    board.gain({2: 20}, times=2)

    board.gain({1: -30}, times=2)

    assert (board.held(1), board.legs) == (0, [2])
    assert (board.watch(2).at_cost, board.watch(2).stop_at) == (True, board.entry[2])
    board.gain({2: 20}, times=2)
    (stop,) = stops(board, 2)
    assert (stop.status, stop.trigger_price) == ("WORKING", board.entry[2])
    assert_books_agree(board)


def test_a_stop_at_the_broker_may_end_the_whole_strategy(desk_of):
    board = strangle_board(desk_of, terms={"on_leg_stop": "strategy"})

    board.gain({1: -30}, times=2)

    run = board.desk.run(board.pair, "exit")
    assert (board.legs, run.cause, run.only_legs, run.status) == ([], "leg_stop", None, "done")
    assert run.detail.endswith("The whole strategy leaves.")
    assert [order.status for order in stops(board, 1) + stops(board, 2)] == ["FILLED", "CANCELLED"]
    assert_books_agree(board)


def test_the_next_morning_a_new_stop_rests_for_what_is_held_overnight(desk_of):
    board = put_board(desk_of)
    board.push(at(MONDAY, time(15, 40)))
    board.push(at(MONDAY + timedelta(days=1), time(9, 16)))

    old, new = stops(board)
    assert (old.status, new.status) == ("EXPIRED", "WORKING")
    assert old.trigger_price == new.trigger_price
    assert old.client_ref != new.client_ref


def test_a_leg_that_the_broker_stopped_while_this_host_was_away_comes_back_at_its_cost(desk_of):
    again = {"reentry": "cost", "reentry_of": "leg", "reentry_count": 1, "reentry_until": "14:00"}
    board = put_board(desk_of, terms=again)
    while_down(board, 31)
    board.gain({1: -31})
    assert (board.legs, board.watch(1).crossed) == ([], "")  # no frame here saw it

    board.gain({1: 0})

    assert board.held(1) == -65
    (stop,) = [each for each in stops(board) if each.status == "WORKING"]
    assert (stop.execution.cause, stop.execution.only_legs) == ("reentry", [1])
    assert_books_agree(board)
