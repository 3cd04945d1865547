"""A leg that left by its own stop or target comes back into its trade, and never where it must not."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from decimal import Decimal

from execution import services
from execution.models import Order, Position, StrategyExecution
from market.kernel.clock import at
from tests.integration.execution.conftest import MONDAY
from tests.integration.execution.test_engine_leg_stops import CONDOR, Board

D = Decimal
AGAIN = {"reentry": "asap", "reentry_of": "leg", "reentry_count": 1, "reentry_until": "14:00"}


class Market(Board):
    """The whole chain is quoted, so a leg may find another strike."""

    def push(self, now, *, quoted_at=None) -> None:
        quotes = {symbol: quote._replace(at=now) for symbol, quote in self.base.quotes.items()}
        quotes |= {symbol: self._quote(number, now) for number, symbol in self.symbol.items()}
        self.now = replace(self.base, n=self.now.n + 1, now=now, quotes=quotes, cadence=5)
        self.desk.player.push(self.now)

    def wait(self, seconds: int = 10) -> None:
        self.push(self.now.now + timedelta(seconds=seconds))

    def look_at(self, hour: int, minute: int) -> None:
        """The market as it was at that time of the seeded day, for all but the strategy's contracts."""
        now = at(MONDAY, time(hour, minute))
        self.base = self.desk.market.frame_at(now, timeline=self.base.timeline, n=0, cadence=60)

    def follow(self, number: int) -> Position:
        """The leg's open position; from now on its prices are told of that contract."""
        row = Position.objects.select_related("contract").exclude(quantity=0).get(
            allocation=self.pair, leg_number=number
        )
        self.symbol[number], self.entry[number] = row.contract.symbol, row.average_price
        self.marks.pop(number, None)
        return row

    def back(self, number: int = 3) -> list[tuple[str, str]]:
        """(status, code) of each time that the leg was to come back."""
        runs = StrategyExecution.objects.filter(allocation=self.pair, cause="reentry", phase="adjust")
        return [(run.status, run.code) for run in runs.order_by("cycle") if run.only_legs == [number]]


def condor(desk_of, legs=CONDOR, **terms) -> Market:
    return Market(desk_of, "Iron Condor", legs=legs, terms=AGAIN | terms)


def test_a_stopped_leg_comes_back_at_the_strike_of_then_as_often_as_it_says(desk_of):
    board = condor(desk_of)
    board.look_at(14, 0)
    old = board.symbol[3]
    board.gain({3: -31})
    assert board.legs == [1, 2, 4]

    board.wait()

    leg = board.follow(3)
    assert (board.back(), board.legs) == ([("done", "")], [1, 2, 3, 4])
    assert (leg.contract.symbol != old, leg.quantity) == (True, -65)
    run = StrategyExecution.objects.get(cause="reentry")
    assert run.detail == f"Leg 3 comes back in {leg.contract.symbol}."
    board.gain({3: -31})  # under its own stop again
    board.wait()
    assert (board.back(), board.legs) == ([("done", "")], [1, 2, 4])


def test_at_cost_it_waits_for_its_own_contract_while_the_others_live_by_their_rules(desk_of):
    board = condor(desk_of, reentry="cost", break_even=True)
    cost, symbol = board.entry[3], board.symbol[3]
    board.gain({4: 20, 3: -31})
    board.gain({3: -12})

    run = StrategyExecution.objects.get(cause="reentry")
    assert (run.waiting, D(run.watch["level"])) == (True, cost)
    assert board.watch(4).at_cost
    board.gain({4: 0})  # the other short stops at its cost: the wait goes on
    assert (board.legs, board.back()) == ([1, 2], [("due", "WAITING")])
    board.gain({3: D("0.05")})

    assert (board.legs, board.back()) == ([1, 2, 3], [("done", "")])
    assert board.follow(3).contract.symbol == symbol
    assert board.back(4) == [("due", "WAITING")]


def test_it_does_not_come_back_once_the_whole_trade_has_left(desk_of):
    board = condor(desk_of, reentry="cost")
    board.gain({3: -31})
    board.wait()
    assert board.back() == [("due", "WAITING")]
    owner = board.pair.broker_account.user

    services.exit_now(
        user=owner, scope="pair", target=board.pair.pk, by=owner, source="test", now=board.desk.player.wall
    )
    board.gain({3: 5})

    assert (board.legs, board.back()) == ([], [("failed", "WITHDRAWN")])
    board.gain({3: 5})
    assert (board.legs, len(board.back())) == ([], 1)


def test_the_trades_own_stop_counts_what_the_leg_lost_before_it_came_back(desk_of):
    board = condor(desk_of, stop_loss="3000")
    board.gain({3: -31})  # 31 points of 65 units and the way out
    board.wait()
    board.follow(3)
    assert board.legs == [1, 2, 3, 4]

    board.gain({3: -20})

    run = board.pair.executions.filter(phase="exit").latest("pk")
    assert (run.cause, run.only_legs, board.legs) == ("stop", None, [])
    board.wait()
    assert (len(board.back()), board.legs) == (1, [])


def flat_between_legs(desk_of, *, points: int = 31, **terms) -> Market:
    """A short put alone: stopped at a loss of 31 points, bought back at one of so many."""
    board = Market(desk_of, "Cash Secured Put", broker="finvasia", legs={1: {"stop": "30"}}, terms=AGAIN | terms)
    board.dry.add(1)
    board.gain({1: -31})  # nobody sells it yet
    board.dry.clear()
    board.gain({1: -points}, times=1)
    exit_ = board.desk.run(board.pair, "exit")
    assert (exit_.cause, exit_.status) == ("leg_stop", "done")
    return board


def test_a_leg_does_not_come_back_into_a_flat_trade_whose_loss_has_passed_its_stop(desk_of):
    board = flat_between_legs(desk_of, points=40, stop_loss="2500")
    board.wait()
    board.wait()

    assert (board.legs, board.back(1)) == ([], [("denied", "TRADE_SPENT")])
    run = StrategyExecution.objects.get(cause="reentry")
    assert run.detail == "Stop at -2500.00 rupees a lot: -2600.00."


def test_a_pairs_stop_that_is_tightened_while_its_trade_is_flat_ends_the_wait(desk_of):
    board = flat_between_legs(desk_of, stop_loss="5000", reentry="cost")
    board.wait()
    assert board.back(1) == [("due", "WAITING")]

    board.desk.change_pair(board.pair, stop_loss=D(1500))
    board.wait()

    assert board.back(1) == [("denied", "TRADE_SPENT")]


def test_a_leg_comes_back_into_a_flat_trade_that_has_not_reached_its_stop(desk_of):
    board = flat_between_legs(desk_of, stop_loss="2500")
    board.wait()

    assert (board.legs, board.back(1)) == ([1], [("done", "")])


def test_a_short_waits_for_the_hedge_that_left_with_it(desk_of):
    """Both stopped in one frame: the hedge is back before the short is sold."""
    board = condor(desk_of, legs={1: {"stop": "5"}, 3: {"stop": "30"}})
    board.gain({1: -6, 3: -31})
    assert board.legs == [2, 4]

    board.wait()
    board.wait()

    assert (board.back(1), board.back(3)) == ([("done", "")], [("done", "")])
    opened = Order.objects.filter(execution__cause="reentry").order_by("sending_at", "pk")
    assert [(order.leg_number, order.side) for order in opened] == [(1, "BUY"), (3, "SELL")]
    assert board.legs == [1, 2, 3, 4]


def test_a_short_whose_hedge_has_left_for_good_is_denied(desk_of):
    board = condor(desk_of, legs={1: {"target": "5"}, 3: {"stop": "30"}}, reentry="cost")
    board.gain({3: -31})
    board.gain({1: 6})
    assert board.legs == [2, 4]

    board.gain({3: 1}, times=1)

    assert board.back() == [("denied", "UNDECLARED_NAKED")]
    assert board.legs == [2, 4]


def test_it_is_not_asked_back_past_the_cut_off(desk_of):
    board = condor(desk_of, reentry_until="09:21")
    board.push(at(MONDAY, time(9, 21)))
    board.gain({3: -31})
    board.wait()

    assert (board.legs, board.back()) == ([1, 2, 4], [])
