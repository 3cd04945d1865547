"""How a leg leaves whose stop rests at the broker: cancelled first, its end known, and never both."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from decimal import Decimal

from execution import services
from execution.models import Order, Position
from market.kernel.clock import at
from market.kernel.frame import encode
from market.sources.simulated import World
from tests.integration.execution import by_hand
from tests.integration.execution.conftest import EXPIRY_TUESDAY, MONDAY, one_strategy
from tests.integration.execution.test_engine_adjust import ask
from tests.integration.execution.test_engine_again import priced
from tests.integration.execution.test_engine_broker_stops import (
    AT_BROKER,
    assert_books_agree,
    begun,
    put_board,
    stops,
    while_down,
)
from tests.integration.execution.test_engine_leg_stops import Board
from users.models import Notice

D = Decimal


def test_a_market_beyond_the_limit_is_left_by_the_frames_once_the_stop_is_cancelled(desk_of):
    board = put_board(desk_of)

    board.gain({1: -40}, times=2)

    (stop,), run = stops(board), board.desk.run(board.pair, "exit")
    (close,) = run.orders.all()
    assert (stop.status, stop.code, stop.filled_quantity) == ("CANCELLED", "WITHDRAWN", 0)
    assert (run.cause, close.order_type, close.status, board.held(1)) == ("leg_stop", "LIMIT", "FILLED", 0)
    assert stop.finished_at <= close.created_at
    assert_books_agree(board)


def test_a_stop_outside_the_band_when_it_triggers_is_told_and_the_frames_close(desk_of):
    board = put_board(desk_of)

    board.gain({1: -100}, times=2)

    (stop,), notice = stops(board), Notice.objects.get(kind="stop_lost")
    assert (stop.status, stop.code) == ("REJECTED", "REJECTED_BY_BROKER")
    assert stop.upstream.startswith("OUTSIDE_PRICE_BAND")
    assert (notice.title, board.held(1)) == ("Finvasia does not hold a stop", 0)
    assert_books_agree(board)


def test_a_kill_cancels_the_stop_before_it_closes(desk_of):
    board = put_board(desk_of)
    owner = board.pair.broker_account.user

    services.kill(user=owner, scope="pair", target=board.pair.pk, by=owner, source="test",
                  now=board.desk.player.wall)  # fmt: skip
    board.gain({1: 0}, times=1)

    (stop,), run = stops(board), board.desk.run(board.pair, "exit")
    assert (stop.status, board.held(1), run.status) == ("CANCELLED", 0, "done")
    calls = board.desk.player.simulator.ledger.rows("SELECT route FROM calls ORDER BY id")
    assert [call["route"] for call in calls] == ["place", "place", "cancel", "place"]
    assert_books_agree(board)


def test_an_exit_by_time_takes_the_stop_with_it(desk_of):
    board = put_board(desk_of, terms={"exit_time": "15:10", "at_expiry": "settle"})
    board.push(at(MONDAY, time(15, 10)))

    (stop,), run = stops(board), board.desk.run(board.pair, "exit")
    assert (stop.status, stop.code, run.cause, run.status) == ("CANCELLED", "WITHDRAWN", "schedule", "done")
    assert board.held(1) == 0
    board.gain({}, times=3)
    assert len(stops(board)) == 1
    assert_books_agree(board)


def test_a_stop_that_fills_while_it_is_cancelled_is_the_close(desk_of):
    """The cancel is asked, and the broker's book says filled: nothing else is sent."""
    board = put_board(desk_of)
    owner = board.pair.broker_account.user
    while_down(board, 30)

    services.exit_now(user=owner, scope="pair", target=board.pair.pk, by=owner, source="test",
                      now=board.desk.player.wall)  # fmt: skip
    board.gain({1: 0}, times=2)

    (stop,) = stops(board)
    assert (stop.status, board.held(1)) == ("FILLED", 0)
    assert Order.objects.filter(action="close").count() == 1
    assert set(board.pair.executions.filter(phase="exit").values_list("status", flat=True)) == {"done"}
    assert_books_agree(board)


def test_while_a_stop_has_no_answer_the_close_waits_until_it_is_looked_up(desk_of):
    board = Board(desk_of, "Cash Secured Put", broker="finvasia", terms=AT_BROKER, legs={1: {"stop": "30"}})
    board.desk.fault("drop_answer", route="place")
    board.desk.fault("hide_order_for", route="place", seconds=25)
    begun(board, {1: 0})
    owner = board.pair.broker_account.user

    services.exit_now(user=owner, scope="pair", target=board.pair.pk, by=owner, source="test",
                      now=board.desk.player.wall)  # fmt: skip
    board.gain({1: 0}, times=1)

    assert ([order.status for order in stops(board)], board.held(1)) == (["UNKNOWN"], -65)
    assert Order.objects.filter(action="close").count() == 1
    board.gain({1: 0}, times=4)
    (stop,) = stops(board)
    assert (stop.status, stop.code, board.held(1)) == ("CANCELLED", "WITHDRAWN", 0)
    assert_books_agree(board)


def test_a_resting_stop_hides_no_mismatch_and_is_none(desk_of):
    board = put_board(desk_of)
    account, short = board.pair.broker_account, board.symbol[1]
    assert by_hand.reconciled(board.desk, account) == []

    by_hand.square_off(board.desk, account, short)
    (mismatch,) = by_hand.reconciled(board.desk, account)
    board.gain({1: 0}, times=2)

    assert (mismatch.kind, mismatch.missing) == ("squared_off", 65)
    (stop,) = stops(board)  # it would have bought what is gone
    assert (stop.status, stop.code) == ("CANCELLED", "STOP_REPLACED")


def test_a_stop_shrinks_with_what_the_broker_still_has(desk_of):
    board = put_board(desk_of, lots=2)
    account, short = board.pair.broker_account, board.symbol[1]

    by_hand.trade(board.desk, account, short, "BUY", 65)
    by_hand.reconciled(board.desk, account)
    board.gain({1: 0}, times=2)

    assert [(o.quantity, o.status) for o in stops(board)] == [(130, "CANCELLED"), (65, "WORKING")]


def test_a_stop_above_the_freeze_quantity_rests_in_slices(desk_of):
    board = put_board(desk_of, lots=30)
    board.gain({1: 0}, times=5)
    assert [(o.slice, o.quantity, o.status) for o in stops(board)] == [(1, 1755, "WORKING"), (2, 195, "WORKING")]


class Played:
    """The short put on frames of the whole chain, so that new contracts are found."""

    def __init__(self, desk_of, name="Cash Secured Put", *, day=MONDAY, preset=None, stop="15", **terms) -> None:
        broker = "zerodha" if preset else "finvasia"
        document = one_strategy(name, broker=broker, lots=1, terms={**AT_BROKER, **terms})
        (strategy,) = document["strategies"]
        strategy["preset"] = preset or strategy["preset"]
        strategy.setdefault("legs", {}).setdefault("1", {})["stop"] = stop
        self.desk = desk_of(document, day=day)
        self.pair = self.desk.pair(name, broker)
        self.desk.at(9, 20)
        self.desk.at(9, 21)

    def stops(self) -> list[tuple[str, str, str]]:
        rows = Order.objects.filter(allocation=self.pair, order_type="SL-L").select_related("contract")
        return [(o.contract.symbol, o.status, o.code) for o in rows.order_by("pk")]


def test_a_stop_at_the_broker_is_a_stop_to_the_rules_of_re_entry(desk_of):
    played = Played(desk_of, on_leg_stop="strategy", reentry="asap", reentry_count=1, reentry_until="14:00")
    first = Position.objects.get()

    played.desk.at(9, 30, change=priced(first.contract.symbol, first.average_price.quantize(D("0.1")) + 16))
    for minute in (31, 32, 33):
        played.desk.at(9, minute)

    runs = played.pair.executions.order_by("pk").values_list("phase", "cause", "status")
    assert list(runs) == [("entry", "schedule", "done"), ("exit", "leg_stop", "done"), ("entry", "reentry", "done")]
    assert [status for _, status, _ in played.stops()] == ["FILLED", "WORKING"]


def test_a_stop_that_fired_yesterday_while_this_host_was_down_ends_no_entry_of_today(desk_of):
    played = Played(desk_of, exit_time=None, weekdays=[0, 1])
    (symbol,), desk, frame = played.desk.held(played.pair), played.desk, played.desk.player.last
    high = frame.quotes[symbol]._replace(bid=D("56"), ask=D("57"), ltp=D("57"))
    unseen = replace(frame, n=frame.n + 1, quotes={**frame.quotes, symbol: high})
    desk.player._operator("POST", "/frames", encode(unseen))

    desk.day, desk.market, desk.n = EXPIRY_TUESDAY, World(14, EXPIRY_TUESDAY), unseen.n
    for second in (0, 10):
        desk.at(9, 20, second)

    runs = played.pair.executions.order_by("pk").values_list("phase", "cause", "status")
    assert sorted(runs) == [("entry", "schedule", "done"), ("entry", "schedule", "done"), ("exit", "leg_stop", "done")]
    assert [status for _, status, _ in played.stops()] == ["FILLED", "WORKING"]


def test_a_roll_takes_the_stop_off_before_it_closes_and_the_new_leg_gets_one(desk_of):
    played = Played(desk_of, day=EXPIRY_TUESDAY, stop="200", exit_time=None, at_expiry="roll", roll_time="15:00")
    (old,) = played.desk.held(played.pair)

    for moment in ((15, 0), (15, 0, 5), (15, 1), (15, 2)):
        played.desk.at(*moment)

    (new,) = played.desk.held(played.pair)
    assert played.desk.run(played.pair, "roll").status == "done"
    assert played.stops() == [(old, "CANCELLED", "WITHDRAWN"), (new, "WORKING", "")]


def test_a_leg_that_is_exited_by_hand_takes_its_stop_along(desk_of):
    played = Played(desk_of, "Iron Condor", preset="short_strangle", stop="200")
    ((leg, *_),) = played.stops()

    result = ask(played.desk, played.pair, act="exit", contract=leg, at=[(9, 25), (9, 26), (9, 27)])

    assert result == ("done", "")
    assert played.stops() == [(leg, "CANCELLED", "WITHDRAWN")]
    assert leg not in played.desk.held(played.pair)
