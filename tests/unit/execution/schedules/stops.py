"""Stops at the broker on rows in memory: what `engine/broker_stops.py`, `stops_seen.py` and `follow.py`
do, by the same pure functions; and the exits of a leg, by its frames or by its stop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from brokers.types import Ack
from execution import gates, moves, resting
from execution.states import OPEN_STATES, RESTING, OrderState
from market.kernel.contracts import Contract
from tests.unit.execution.schedules.broker import Violation, moment
from tests.unit.execution.schedules.rows import Order, Position, Run, Watch
from tests.unit.execution.schedules.runs import Runs

S = OrderState
TIME_OUT = 60
DISTANCE, TICK = Decimal(30), Decimal("0.05")
CONFIRM, APART = 2, 5


class Stops(Runs):
    """The stops of one pair; its legs leave one by one, or the first takes all with it."""

    stop_at_broker = False
    whole = False

    # exits

    def open_run(self, phase: str, cycle: int) -> Run:
        if (phase, cycle) in self.rows.runs:
            raise Violation(f"I13 two runs {phase} {cycle}")
        run = Run(phase, cycle, self.lots, self.now + TIME_OUT)
        self.rows.runs[phase, cycle] = run
        return run

    def leave(self, legs: frozenset[int] | None) -> None:
        """An exit of these legs or of all; one that is under way is widened."""
        exits = [run for run in self.rows.runs.values() if run.phase == "exit"]
        under_way = next((run for run in exits if run.status == "running"), None)
        if under_way is None:
            self.open_run("exit", 1 + len(exits)).only_legs = legs
        elif under_way.only_legs is not None:
            under_way.only_legs = None if legs is None else under_way.only_legs | legs

    def judge(self) -> None:
        """One frame: stops that fired at the broker are followed, those of the frames trail or fire."""
        if not self.stop_at_broker or not self.in_session:
            return
        for order in self.fired():
            order.followed = True
            self._stopped(order.leg_number)
        for short in self.rows.held():
            if short.quantity < 0:
                self._watch(short)

    def fired(self) -> list[Order]:
        """Stops that filled, but not while an exit withdrew them, and are not yet followed."""
        return [
            o for o in self.rows.orders.values()
            if o.order_type == moves.STOP and o.filled_quantity and o.code != moves.WITHDRAWN
            and not o.followed
        ]  # fmt: skip

    def _watch(self, short: Position) -> None:
        mark = self.broker.marks[short.contract]
        watch = self.rows.watches.setdefault(short.contract, Watch(mark + DISTANCE))
        watch.crossed = watch.crossed + 1 if mark >= watch.stop_at else 0
        watch.stop_at = min(watch.stop_at, mark + DISTANCE)
        if watch.crossed >= CONFIRM:
            self._stopped(short.leg.number)

    def _stopped(self, leg: int) -> None:
        legs = None if self.whole else frozenset([leg])
        held = any(legs is None or p.leg.number in legs for p in self.rows.held())
        if held or any(legs is None or o.leg_number in legs for o in self.rows.open_orders()):
            self.leave(legs)

    # what rests

    def busy(self) -> frozenset[int] | None:
        """Legs that a run changes now; None: all of them."""
        legs: frozenset[int] = frozenset()
        for run in self.rows.runs.values():
            if run.status == "running" and run.only_legs is None:
                return None
            if run.status == "running":
                legs |= run.only_legs
        return legs

    def guarded(self) -> list[Position]:
        """Naked shorts, whose stops rest at the broker."""
        held = self.rows.held() if self.stop_at_broker else []
        return [row for row in held if self.rules.is_naked(row, held)]

    def wanted(self, contract: Contract) -> resting.Prices | None:
        watch = self.rows.watches.get(contract)
        return None if watch is None else resting.prices(watch.stop_at, TICK)

    def may_place(self, contract: Contract) -> bool:
        """Whether the market has not come to the trigger."""
        watch, wanted = self.rows.watches.get(contract), self.wanted(contract)
        return wanted is not None and not watch.crossed and self.broker.marks[contract] < wanted.trigger

    def step_of(self, short: Position, live: list[Order], *, may_place: bool) -> resting.Step[Order]:
        mine = self.rules.stops_of(short.contract, live)
        units = resting.wanted_units(short, live)
        return self.rules.stop_step(mine, units=units, wanted=self.wanted(short.contract), may_place=may_place)

    def keep(self) -> Iterator[None]:
        """What rests is brought to what is held, as one look saw both; each change is a commit."""
        busy = self.busy()
        if busy is None or not self.in_session:
            return
        guarded, live = self.guarded(), [replace(order) for order in self.rows.open_orders()]
        for short in guarded:
            if short.leg.number not in busy:
                step = self.step_of(short, live, may_place=self.may_place(short.contract))
                yield
                self._cancel_stops(step.withdraw)
                yield
                if step.add > 0:
                    self._place(short)
        fits = {short.contract for short in guarded}
        self._cancel_stops(
            o for o in live
            if o.order_type == moves.STOP and o.contract not in fits and o.leg_number not in busy
        )  # fmt: skip

    def _cancel_stops(self, seen) -> None:
        rows = [self.rows.orders[order.client_ref] for order in seen]
        self._withdraw((o for o in rows if not o.pending_op), moves.STOP_REPLACED)

    def _place(self, seen: Position) -> None:
        """Over locked positions, by what is held and open now."""
        held, live = self.rows.held(), self.rows.open_orders()
        short = next((p for p in held if p.contract == seen.contract), None)
        wanted = self.wanted(seen.contract)
        if short is None or wanted is None or not self.rules.is_naked(short, held):
            return
        step = self.step_of(short, live, may_place=True)
        if step.add > 0 and not self.is_refused(short.contract):
            lots = step.add // short.contract.lot_size
            self._order(self.rows.runs["entry", 1], short.leg, moves.CLOSES, lots, wanted.trigger)

    def is_refused(self, contract: Contract) -> bool:
        """Whether the last one was refused a moment ago, or too many of them today."""
        ended = [
            o for o in self.rows.orders.values()
            if o.order_type == moves.STOP and o.contract == contract and o.status not in OPEN_STATES
        ]  # fmt: skip
        refused = [o.finished_at for o in ended if o.status != S.FILLED and o.code not in resting.OUR_ENDS]
        return resting.is_refused_for_good(ended) or gates.refused_too_recently(refused, moment(self.now))

    # moving

    def to_move(self) -> list[Order]:
        """Stops that no longer stand where the leg's stop is, and may be asked to move."""
        busy = self.busy()
        if busy is None or not self.in_session:
            return []
        live, found = self.rows.open_orders(), []
        for short in self.guarded():
            if short.leg.number not in busy:
                found += self.step_of(short, live, may_place=self.may_place(short.contract)).move
        return [order for order in found if self._may_move(order)]

    def _may_move(self, order: Order) -> bool:
        apart = order.asked_at is None or self.now - order.asked_at >= APART
        return order.status in RESTING and not order.pending_op and apart

    def follow(self, order: Order) -> Iterator[None]:
        short, wanted = self.rows.positions.get(order.contract), self.wanted(order.contract)
        if short is None or short.quantity >= 0 or wanted is None or not self._may_move(order):
            return
        if order.trigger_price == wanted.trigger:
            return
        order.asked_at = self.now
        yield
        answer = self.broker.modify(order.broker_order_id, wanted.trigger)
        yield
        if isinstance(answer, Ack):
            order.trigger_price = wanted.trigger
