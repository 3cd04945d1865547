"""The engine on rows in memory: every decision is the engine's own function, only storage and wire differ.

A step is a generator; each `yield` is a commit, where its worker may stand still or be killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from brokers.types import BrokerOrder, BrokerTrade, ReadFailed
from execution import moves
from execution.positions import Holding, Trade, project
from execution.states import TERMINAL, OrderState
from strategies.rules import ResolvedLeg
from tests.unit.execution.schedules.broker import Request, Violation, moment
from tests.unit.execution.schedules.rows import Fill, Order, Position
from tests.unit.execution.schedules.stops import Stops

S = OrderState
SLOW = 15
ENDS = (S.CANCELLED, S.REJECTED, S.EXPIRED)


class Work(NamedTuple):
    kind: str
    row: object = None


Step = Iterator[None]


class Desk(Stops):
    """The beat, the dispatcher and the applier of one pair."""

    # the beat

    def tick(self) -> list[Work]:
        self._open_runs()
        self.judge()
        orders = self.rows.open_orders()
        orders.sort(key=lambda order: order.action)  # closes first
        works = [Work("advance", run) for run in self.rows.runs.values() if run.status == "running"]
        works += [Work(kind, order) for order in orders if (kind := self._next_step(order))]
        works += [Work("follow", order) for order in self.to_move()]
        works += [Work("keep")] if self.guarded() or any(o.order_type == moves.STOP for o in orders) else []
        return [*works, Work("sync")] if orders else works

    def _open_runs(self) -> None:
        runs = self.rows.runs
        if not any(phase == "entry" for phase, _ in runs) and not self.rows.halted and self.in_session:
            self.open_run("entry", 1)
        must_leave = self.now >= self.exit_at or self.rows.halted
        if must_leave and self.rows.held() and self.in_session:
            self.leave(None)

    def _next_step(self, order: Order) -> str:
        if order.status in (S.ACKED, S.WORKING, S.PARTIAL):
            return "cancel" if order.pending_op == "cancel" else ""
        if order.status == S.READY:
            return "dispatch"
        due = order.next_lookup_at is not None and order.next_lookup_at <= self.now
        return "lookup" if due else ""

    def halt(self) -> None:
        self.rows.halted = True

    def perform(self, work: Work) -> Step:
        return getattr(self, work.kind)(*([] if work.row is None else [work.row]))

    # orders out

    def dispatch(self, order: Order) -> Step:
        if not self._mark_sending(order):
            return
        yield
        answer = self.broker.place(self.request(order))
        yield
        self._record(order, answer)

    def _mark_sending(self, order: Order) -> bool:
        if order.status != S.READY:
            return False
        refused = self.rules.refusal(
            order.action, in_session=self.in_session, has_login=True,
            late=order.expires_at is not None and self.now >= order.expires_at,
            trading_state="halted" if self.rows.halted else "active",
        )  # fmt: skip
        if refused is not None:
            order.status, order.code = refused
            order.finished_at = moment(self.now)
            return False
        if self.rules.must_wait(order, self.rows.orders.values()):
            return False
        self._commit_sending(order)
        return True

    def _commit_sending(self, order: Order) -> None:
        if self.rows.halted and order.action == moves.OPENS:
            raise Violation("I12 an opening order after the halt")
        if not self.in_session or (order.expires_at is not None and self.now >= order.expires_at):
            raise Violation("I15 sent late or outside the session")
        order.status, order.next_lookup_at = S.SENDING, self.now + SLOW

    def request(self, order: Order) -> Request:
        opening = order.action == moves.OPENS
        return Request(
            order.client_ref, order.contract, order.side, order.quantity, opening, order.trigger_price
        )

    def _record(self, order: Order, answer: object) -> None:
        order.broker_order_id = getattr(answer, "broker_order_id", order.broker_order_id)
        taken = self.rules.answered(order.status, order.attempt, answer)
        if taken is None:
            return
        order.status, order.code, order.next_lookup_at = taken.status, taken.code or order.code, None
        if taken.status in TERMINAL:
            order.finished_at = moment(self.now)
        if taken.again:
            self._write(order.run, order.leg, order.action, order.quantity, order.slice, order.attempt + 1,
                        order.trigger_price)  # fmt: skip
        if taken.status == S.UNKNOWN:
            order.next_lookup_at, order.alerted = self.now + 1, True

    def cancel(self, order: Order) -> Step:
        if order.pending_op == "cancel" and order.status in (S.ACKED, S.WORKING, S.PARTIAL):
            self.broker.cancel(order.broker_order_id)
        yield

    # what the broker says

    def sync(self) -> Step:
        try:
            trades = self.broker.read_trades()
            yield
            reports = self.broker.read_orders()
        except ReadFailed:
            return
        yield
        yield from self.apply_books(reports, trades)

    def lookup(self, order: Order) -> Step:
        if order.status not in moves.NO_ANSWER:
            return
        try:
            found = self.broker.find(order.client_ref)
            absent = found is None
        except ReadFailed:
            found, absent = None, False
        yield
        if found is None:
            self._not_found(order, absent=absent)
            return
        try:
            trades = [t for t in self.broker.read_trades() if t.broker_order_id == found.broker_order_id]
        except ReadFailed:
            trades = []
        yield
        yield from self.apply_books([found], trades)

    def _not_found(self, order: Order, *, absent: bool) -> None:
        if order.status not in moves.NO_ANSWER:
            return
        order.next_lookup_at = self.now + int(moves.lookup_wait(order.lookups).total_seconds())
        order.lookups += 1
        order.status = self.rules.after_absence(
            order.lookups, absent=absent, day_is_over=not self.in_session
        )
        order.alerted = True
        if order.status == S.NEVER_SENT:
            order.finished_at, order.next_lookup_at = moment(self.now), None

    def apply_books(self, reports: Iterable[BrokerOrder], trades: Iterable[BrokerTrade]) -> Step:
        for trade in trades:
            order = self.rows.orders.get(trade.client_ref)
            if order is not None:
                self.apply_trade(order, trade)
                yield
        for report in reports:
            order = self.rows.orders.get(report.client_ref)
            if order is not None and self.rules.says_more(order, report):
                self.apply_order(order, report)
                yield

    def apply_trade(self, order: Order, trade: BrokerTrade) -> None:
        if not self._record_fill(order, trade):
            return
        order.broker_order_id = order.broker_order_id or trade.broker_order_id
        mine = [(f.quantity, f.price) for f in self.rows.fills.values() if f.order is order]
        order.filled_quantity, _ = self.rules.sum_fills(mine)
        self._move(order, self.rules.after_fill(order.filled_quantity, order.ends))
        self._project(order.leg)

    def _record_fill(self, order: Order, trade: BrokerTrade) -> bool:
        """False when this trade is known: the table's unique key."""
        if trade.trade_id in self.rows.fills:
            return False
        fill = Fill(trade.at, trade.trade_id, order, trade.quantity, trade.price)
        self.rows.fills[trade.trade_id] = fill
        return True

    def apply_order(self, order: Order, report: BrokerOrder) -> None:
        order.broker_order_id = report.broker_order_id
        said = self.rules.reported(report, filled=order.filled_quantity)
        if moves.REPORTED[report.status] in ENDS:
            order.ends.append(moves.End(moves.REPORTED[report.status], report.filled_quantity))
        if said in TERMINAL:
            order.pending_op = ""
        self._move(order, said)

    def _move(self, order: Order, said: OrderState) -> None:
        order.status, ended = self.rules.moved(order, said)
        if ended:
            order.finished_at, order.pending_op = moment(self.now), ""
        if order.status not in moves.NO_ANSWER:
            order.next_lookup_at = None

    def _project(self, leg: ResolvedLeg) -> None:
        mine = sorted((f for f in self.rows.fills.values() if f.order.leg is leg), key=lambda f: f[:2])
        holding = project(Trade(f.order.side, f.quantity, f.price) for f in mine)
        self.rows.positions[leg.contract] = Position(leg, holding or Holding())
