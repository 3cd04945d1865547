"""The engine on rows in memory: every decision is the engine's own function, only storage and wire differ.

A step is a generator; each `yield` is a commit, where its worker may stand still or be killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from brokers.types import BrokerOrder, BrokerTrade, ReadFailed
from execution import gates, moves
from execution.positions import Holding, Trade, project
from execution.states import OPEN_STATES, TERMINAL, OrderState
from market.kernel import contracts
from strategies.rules import ResolvedLeg
from tests.unit.execution.schedules.broker import Broker, Request, Violation, moment
from tests.unit.execution.schedules.rows import DAY, Fill, Order, Position, Rows, Run, Terms, tag

S = OrderState
TIME_OUT, SLOW = 60, 15
ENDS = (S.CANCELLED, S.REJECTED, S.EXPIRED)


class Work(NamedTuple):
    kind: str
    row: object = None


Step = Iterator[None]


@dataclass(slots=True)
class Rules:
    """The functions of the engine that decide. A mutant of the proof replaces one of them."""

    refusal: Callable = moves.refusal
    must_wait: Callable = moves.must_wait
    answered: Callable = moves.answered
    after_absence: Callable = moves.after_absence
    says_more: Callable = moves.says_more
    reported: Callable = moves.reported
    after_fill: Callable = moves.after_fill
    sum_fills: Callable = moves.sum_fills
    moved: Callable = moves.moved
    openings: Callable = gates.openings
    closings: Callable = gates.closings


class Desk:
    """One pair of a strategy, at one broker."""

    def __init__(self, rows: Rows, broker: Broker, terms: Terms, *, lots: int, completion: str,
                 rules: Rules | None = None) -> None:  # fmt: skip
        self.rows, self.broker, self.terms = rows, broker, terms
        self.lots, self.completion, self.rules = lots, completion, rules or Rules()
        self.in_session = True
        self.exit_at = 400

    @property
    def now(self) -> int:
        return self.broker.now

    # the beat

    def tick(self) -> list[Work]:
        self._open_runs()
        orders = [o for o in self.rows.orders.values() if o.status in OPEN_STATES]
        orders.sort(key=lambda order: order.action)  # closes first
        works = [Work("advance", run) for run in self.rows.runs.values() if run.status == "running"]
        works += [Work(kind, order) for order in orders if (kind := self._next_step(order))]
        return [*works, Work("sync")] if orders else works

    def _open_runs(self) -> None:
        runs = self.rows.runs
        if not any(phase == "entry" for phase, _ in runs) and not self.rows.halted and self.in_session:
            self.open_run("entry", 1)
        leaving = any(run.phase == "exit" and run.status == "running" for run in runs.values())
        must_leave = self.now >= self.exit_at or self.rows.halted
        if must_leave and self.rows.held() and not leaving and self.in_session:
            self.open_run("exit", 1 + sum(phase == "exit" for phase, _ in runs))

    def open_run(self, phase: str, cycle: int) -> Run:
        if (phase, cycle) in self.rows.runs:
            raise Violation(f"I13 two runs {phase} {cycle}")
        run = Run(phase, cycle, self.lots, self.now + TIME_OUT)
        self.rows.runs[phase, cycle] = run
        return run

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
        return Request(order.client_ref, order.contract, order.side, order.quantity, opening)

    def _record(self, order: Order, answer: object) -> None:
        order.broker_order_id = getattr(answer, "broker_order_id", order.broker_order_id)
        taken = self.rules.answered(order.status, order.attempt, answer)
        if taken is None:
            return
        order.status, order.code, order.next_lookup_at = taken.status, taken.code or order.code, None
        if taken.status in TERMINAL:
            order.finished_at = moment(self.now)
        if taken.again:
            self._write(order.run, order.leg, order.action, order.quantity, order.slice, order.attempt + 1)
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

    # runs

    def advance(self, run: Run) -> Step:
        if run.status == "running":
            (self._enter if run.phase == "entry" else self._leave)(run)
        yield

    def _enter(self, run: Run) -> None:
        mine = self.rows.orders_of(run)
        over = self.rows.halted or not self.in_session or self.now >= run.deadline
        if not run.unwinding and gates.is_complete(self.terms.legs, run.lots, mine):
            run.status = "done"
        elif any(order.status == S.UNKNOWN for order in mine):
            if over:
                self._withdraw(o for o in mine if o.action == moves.OPENS and o.status != S.UNKNOWN)
        elif run.unwinding:
            self._unwind(run, mine)
        elif over:
            if not self._withdraw(mine):
                self._incomplete(run, mine)
        elif not self._open_more(run, mine) and not any(o.status in OPEN_STATES for o in mine):
            self._incomplete(run, mine)

    def _open_more(self, run: Run, mine: list[Order]) -> bool:
        calls, puts = self.terms.naked
        goals = self.rules.openings(
            self.terms.legs, run.lots, mine, kept={}, naked=(calls, puts), completion=self.completion
        )
        for goal in goals:
            self._order(run, goal.leg, moves.OPENS, goal.lots)
        return any(goal.lots > 0 for goal in goals)

    def _incomplete(self, run: Run, mine: list[Order]) -> None:
        run.unwinding = self.completion == "unwind" and any(order.filled_quantity for order in mine)
        run.status = run.status if run.unwinding else "partial"

    def _unwind(self, run: Run, mine: list[Order]) -> None:
        if any(o.action == moves.CLOSES and o.status in OPEN_STATES for o in mine):
            return
        _, excess = gates.excess_units(self.terms.legs, mine)
        left = [leg for leg in self.terms.legs if excess[leg.number] > 0]
        todo = [leg for leg in left if leg.side == "SELL"] or left
        if not todo or not self.in_session:
            run.status = "partial"
        for leg in todo:
            if run.status == "running" and not self._too_soon(run, leg):
                self._order(run, leg, moves.CLOSES, excess[leg.number] // leg.contract.lot_size)

    def _leave(self, run: Run) -> None:
        for entry in self.rows.runs.values():
            if entry.phase == "entry" and entry.status == "running":
                entry.status = "failed"
        opens = [o for o in self.rows.orders.values() if o.action == moves.OPENS]
        waiting, held = self._withdraw(opens), self.rows.held()
        live = [o for o in self.rows.orders.values() if o.status in OPEN_STATES]
        if not held and not waiting and not live:
            run.status = "done"
        elif self.in_session:
            self._close_more(run, held, live)

    def _close_more(self, run: Run, held: list[Position], live: list[Order]) -> None:
        too_soon = {p.contract for p in held if self._too_soon(run, p.leg)}
        for position, units in self.rules.closings(held, held, live=live, waiting=too_soon):
            self._order(run, position.leg, moves.CLOSES, units // position.contract.lot_size)

    def _too_soon(self, run: Run, leg: ResolvedLeg) -> bool:
        ended = [
            o.finished_at for o in self.rows.orders_of(run)
            if o.leg is leg and o.action == moves.CLOSES and o.finished_at is not None
            and o.status not in OPEN_STATES | {S.FILLED}
        ]  # fmt: skip
        return gates.refused_too_recently(ended, moment(self.now))

    def _withdraw(self, orders: Iterable[Order]) -> list[Order]:
        waiting = []
        for order in orders:
            if order.status not in OPEN_STATES:
                continue
            end = moves.withdrawn(order.status)
            if end is None:
                order.pending_op = "cancel"
                waiting.append(order)
            else:
                order.status, order.finished_at = end, moment(self.now)
        return waiting

    def _order(self, run: Run, leg: ResolvedLeg, action: str, lots: int) -> None:
        if lots <= 0:
            return
        mine = [o.slice for o in self.rows.orders_of(run) if o.leg is leg and o.action == action]
        first = max(mine, default=0) + 1
        for number, quantity in enumerate(contracts.slices(leg.contract, lots, DAY), start=first):
            self._write(run, leg, action, quantity, number, 1)

    def _write(self, run: Run, leg: ResolvedLeg, action: str, quantity: int, number: int,
               attempt: int) -> None:  # fmt: skip
        opening = action == moves.OPENS
        side = leg.side if opening else ("BUY" if leg.side == "SELL" else "SELL")
        self.rows.add(Order(
            run=run, leg=leg, action=action, slice=number, attempt=attempt, side=side, quantity=quantity,
            client_ref=tag(run, leg, action, number, attempt),
            expires_at=run.deadline if opening else None,
        ))  # fmt: skip
