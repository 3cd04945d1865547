"""Stops of single legs, trailing, locks and break-even through the engine: what leaves, when, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal

from django.db import connection
from django.test.utils import CaptureQueriesContext

from execution import services
from execution.models import Order, Position, StopWatch
from execution.selectors import watches_of
from market.kernel.clock import IST, at
from tests.integration.execution.conftest import MONDAY, one_strategy
from users.models import Notice

D = Decimal


class Board:
    """A strategy's desk after its entry: the prices of its legs and the index move as they are told."""

    def __init__(
        self, desk_of, name: str, *, terms=None, legs=None, broker="zerodha", lots=1, preset=None, **pair
    ) -> None:
        document = one_strategy(name, broker=broker, lots=lots, terms=terms, **pair)
        if preset is not None:
            document["strategies"][0]["preset"] = preset
        for number, changes in (legs or {}).items():
            document["strategies"][0].setdefault("legs", {}).setdefault(str(number), {}).update(changes)
        self.desk = desk_of(document)
        self.desk.at(9, 20)
        self.pair = self.desk.pair(name, broker)
        self.base = self.now = self.desk.player.last
        self.spot = self.base.spots["NIFTY"]
        rows = list(Position.objects.filter(allocation=self.pair).select_related("contract"))
        self.entry = {row.leg_number: row.average_price for row in rows}
        self.symbol = {row.leg_number: row.contract.symbol for row in rows}
        self.side = {row.leg_number: 1 if row.quantity > 0 else -1 for row in rows}
        self.cadence = 5
        self.marks: dict[int, Decimal] = {}
        self.dry: set[int] = set()  # legs that nobody sells
        self.stuck: dict[int, datetime] = {}  # legs whose price is of then

    def gain(self, gains: dict[int, object], *, times: int = 2) -> None:
        """So many frames in which these legs have gained so many points; the others stay where they are."""
        for number, points in gains.items():
            self.marks[number] = self.entry[number] + D(str(points)) * self.side[number]
        for _ in range(times):
            self.push(self.now.now + timedelta(seconds=10))

    def push(self, now: datetime, *, quoted_at: datetime | None = None) -> None:
        """A frame of nothing but the strategy's own contracts."""
        quotes = {symbol: self._quote(number, quoted_at or now) for number, symbol in self.symbol.items()}
        spots = {} if self.spot is None else {"NIFTY": self.spot}
        self.now = replace(self.now, n=self.now.n + 1, now=now, quotes=quotes, spots=spots, cadence=self.cadence)
        self.desk.player.push(self.now)

    def _quote(self, number: int, at: datetime):
        quote = self.base.quotes[self.symbol[number]]._replace(at=self.stuck.get(number, at))
        if number in self.dry:
            quote = quote._replace(ask_quantity=0)
        if number not in self.marks:
            return quote
        price, tick = self.marks[number], D("0.05")
        bid = price if self.side[number] > 0 else price - tick
        return quote._replace(bid=bid, ask=bid + tick, ltp=price)

    def held(self, number: int) -> int:
        rows = Position.objects.filter(allocation=self.pair, leg_number=number)
        return sum(rows.values_list("quantity", flat=True))

    @property
    def legs(self) -> list[int]:
        rows = Position.objects.filter(allocation=self.pair).exclude(quantity=0)
        return sorted(rows.values_list("leg_number", flat=True))

    def watch(self, number: int = 0) -> StopWatch:
        return StopWatch.objects.get(allocation=self.pair, leg_number=number)


CONDOR = {3: {"stop": "30"}, 4: {"stop": "30"}}  # its shorts: 3 the call, 4 the put


def test_a_legs_stop_closes_that_leg_and_says_at_which_price(desk_of):
    board = Board(desk_of, "Iron Condor", legs=CONDOR)
    board.gain({3: -29.9})
    assert board.legs == [1, 2, 3, 4]

    board.gain({3: -31})

    run = board.desk.run(board.pair, "exit")
    stop, ask = board.entry[3] + 30, board.entry[3] + 31
    assert board.legs == [1, 2, 4]
    assert (run.cause, run.status, run.only_legs) == ("leg_stop", "done", [3])
    assert run.detail == f"Leg 3 stop at {stop:.2f}: ask {ask:.2f}."
    assert board.watch(3).stop_at == stop
    board.gain({4: -30})  # the rest of the trade stays under its rules
    assert board.legs == [1, 2]
    board.push(at(MONDAY, time(15, 10)))
    assert board.legs == []


def test_a_legs_stop_may_end_the_whole_strategy(desk_of):
    board = Board(desk_of, "Iron Condor", legs=CONDOR, terms={"on_leg_stop": "strategy"})

    board.gain({3: -30})

    run = board.desk.run(board.pair, "exit")
    assert (board.legs, run.cause, run.only_legs) == ([], "leg_stop", None)
    assert run.detail.endswith("The whole strategy leaves.")


def test_a_freak_print_is_ignored_and_so_are_quotes_that_are_old(desk_of):
    board = Board(desk_of, "Iron Condor", legs=CONDOR)
    board.gain({3: -200}, times=1)
    assert board.watch(3).crossed_frames == 1
    board.gain({3: 0}, times=1)
    assert (board.watch(3).crossed, board.legs) == ("", [1, 2, 3, 4])

    board.marks[3] = board.entry[3] + 200
    for minute in (30, 31, 32):
        now = at(MONDAY, time(9, minute))
        board.push(now, quoted_at=now - timedelta(seconds=11))
    assert (board.watch(3).crossed, board.legs) == ("", [1, 2, 3, 4])


def test_a_stop_moves_in_steps_and_a_restart_keeps_its_level(desk_of):
    trail = {"stop": "30", "trail": "stepped", "trail_every": "10", "trail_by": "5"}
    board = Board(desk_of, "Iron Condor", legs={3: trail})
    board.gain({3: 12})
    assert board.watch(3).stop == -25
    board.gain({3: 25})
    board.gain({3: 1})
    assert board.watch(3).stop == -20

    board.desk.player._seen = None  # nothing in memory: the row alone remembers
    board.gain({3: -19.9})
    assert 3 in board.legs
    board.gain({3: -20})
    assert board.legs == [1, 2, 4]


def test_profit_is_locked_on_the_way_up_and_kept_on_the_way_down(desk_of):
    lock = {"lock_at": "1000", "lock_profit": "400", "lock_every": "500", "lock_by": "300"}
    board = Board(desk_of, "Cash Secured Put", terms=lock, broker="finvasia")
    board.gain({1: 15})  # 975 rupees a lot of 65
    assert board.watch().locked is None
    board.gain({1: 24})  # 1560
    assert board.watch().locked == 700
    board.gain({1: 11})
    assert board.legs == [1]

    board.gain({1: 10})  # 650

    run = board.desk.run(board.pair, "exit")
    assert (run.cause, run.detail) == ("lock", "Locked profit of 700.00 rupees a lot: 650.00")
    assert board.legs == []


def test_a_legs_stop_moves_the_stops_of_the_others_to_cost(desk_of):
    board = Board(desk_of, "Iron Condor", legs=CONDOR, terms={"break_even": True})
    board.gain({4: 20, 3: -30})
    assert board.legs == [1, 2, 4]
    assert (board.watch(4).at_cost, board.watch(4).stop_at) == (True, board.entry[4])

    board.gain({4: 0.05})
    assert board.legs == [1, 2, 4]
    board.gain({4: 0})

    assert board.legs == [1, 2]
    last = board.pair.executions.filter(phase="exit").latest("pk")
    assert last.detail == f"Leg 4 stop at cost {board.entry[4]:.2f}: ask {board.entry[4]:.2f}."


def test_a_hedge_that_is_stopped_takes_the_short_that_leans_on_it_first(desk_of):
    board = Board(desk_of, "Iron Condor", legs={1: {"stop": "50", "stop_unit": "percent"}})
    board.gain({1: -board.entry[1] / 2})

    run = board.desk.run(board.pair, "exit")
    assert board.legs == [2, 4]
    assert run.only_legs == [1]
    assert "Leg 3 leans on it and leaves first." in run.detail
    closes = Order.objects.filter(execution=run).order_by("sending_at")
    assert [order.leg_number for order in closes] == [3, 1]


def test_an_exit_of_everything_supersedes_one_of_a_leg(desk_of):
    board = Board(desk_of, "Iron Condor", legs=CONDOR)
    board.dry = {3}
    board.gain({3: -31})
    run = board.desk.run(board.pair, "exit")
    assert (run.status, run.only_legs, board.legs) == ("running", [3], [1, 2, 3, 4])

    owner = board.pair.broker_account.user
    found = services.exit_now(
        user=owner, scope="pair", target=board.pair.pk, by=owner, source="test", now=board.desk.player.wall
    )

    run.refresh_from_db()
    assert [row.pk for row in found] == [run.pk]
    assert (run.only_legs, run.cause) == (None, "user")
    assert run.detail.endswith("Then everything: user.")
    board.dry = set()
    board.gain({})
    assert board.legs == []
    assert board.pair.executions.filter(phase="exit").count() == 1


def test_a_tighter_stop_of_the_pair_holds_at_once_and_a_looser_one_from_the_next_trade(desk_of):
    board = Board(desk_of, "Cash Secured Put", terms={"stop_loss": "2000"}, broker="finvasia")
    board.gain({1: -5})
    board.desk.change_pair(board.pair, stop_loss=D(1000))
    board.gain({1: -10})
    assert board.watch().stop_at == -1000
    board.desk.change_pair(board.pair, stop_loss=D(9000))
    board.gain({1: -14})  # 910 rupees a lot
    assert board.legs == [1]

    board.gain({1: -16})

    run = board.desk.run(board.pair, "exit")
    assert (run.cause, run.detail) == ("stop", "Stop at -1000.00 rupees a lot: -1040.00")


def test_a_stop_in_points_of_the_underlying_is_judged_while_the_index_lives(desk_of):
    by_index = {"stop": "40", "stop_unit": "underlying"}
    board = Board(desk_of, "Cash Secured Put", legs={1: by_index}, broker="finvasia")
    board.gain({1: -1})
    level = board.spot - 40
    assert board.watch(1).stop_at == level
    board.spot = None  # as from 15:15 on a day with a closing auction
    board.gain({1: -60})
    assert board.legs == [1]

    board.spot = level
    board.gain({1: -60})

    run = board.desk.run(board.pair, "exit")
    ask = board.entry[1] + 60
    assert run.detail == f"Leg 1 stop at {level:.2f} of the underlying: {level:.2f}, ask {ask:.2f}."


def test_a_share_of_the_premium_is_of_what_the_entry_took_in(desk_of):
    board = Board(desk_of, "Cash Secured Put", terms={"stop_loss": "50", "stop_loss_unit": "percent"}, broker="finvasia")
    board.gain({1: 0})

    assert board.watch().stop_at == -(board.entry[1] * 65 / 2).quantize(D("0.0001"))


def test_a_quiet_frame_under_stops_asks_the_database_nothing(desk_of):
    trail = {"stop": "30", "trail": "continuous"}
    board = Board(desk_of, "Iron Condor", legs={3: trail, 4: {"stop": "30"}}, terms={"stop_loss": "5000"})
    with board.desk.player.alone():
        board.gain({3: 5, 4: 5}, times=3)
        with CaptureQueriesContext(connection) as captured:
            board.gain({}, times=3)

    assert len(captured) == 3  # the clock of each frame


def unjudged(board) -> list[tuple[int, datetime | None]]:
    owner = board.pair.broker_account.user
    rows = watches_of(owner, board.desk.player.timeline).exclude(unjudged_since=None)
    return [(row.leg_number, row.unjudged_since) for row in rows]


def test_a_leg_without_a_usable_price_is_named_after_a_minute_and_cleared_when_it_has_one(desk_of):
    board = Board(desk_of, "Iron Condor", legs=CONDOR, terms={"stop_loss": "5000"})
    told = Notice.objects.filter(kind="unjudged")
    board.gain({})
    last = board.now.now
    board.stuck = {1: last}  # a hedge without stops of its own: the trade's stop needs it

    for second in (20, 40, 60):
        board.push(last + timedelta(seconds=second))
    assert unjudged(board) == [(1, last + timedelta(seconds=20))]
    assert told.count() == 0
    board.push(last + timedelta(seconds=80))
    board.push(last + timedelta(seconds=90))

    notice = told.get()
    first, quoted = (f"{moment.astimezone(IST):%H:%M:%S}" for moment in (last + timedelta(seconds=20), last))
    assert (notice.severity, notice.title) == ("warning", "Stops of Iron Condor on Zerodha cannot be judged")
    assert notice.body.startswith(
        f"Leg 1 ({board.symbol[1]}): no usable price since {first}, the last one is of {quoted}."
    )
    board.stuck = {}
    board.push(last + timedelta(seconds=100))
    assert unjudged(board) == []
    board.gain({3: -31})  # and judged again
    assert board.legs == [1, 2, 4]


def test_on_minute_data_two_frames_pass_before_it_is_told(desk_of):
    board = Board(desk_of, "Iron Condor", legs=CONDOR)
    last, told = board.now.now, Notice.objects.filter(kind="unjudged")
    board.cadence, board.stuck = 60, {3: last}

    for minute in range(1, 6):  # old at the third, waited two frames at the fifth
        assert told.count() == 0
        board.push(last + timedelta(minutes=minute))

    assert unjudged(board) == [(3, last + timedelta(minutes=3))]
    assert told.count() == 1
