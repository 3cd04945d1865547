"""A run's steps on rows in memory: what `engine/entry.py` and `engine/leave.py` do, by the same gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from execution import gates, moves
from execution.states import OPEN_STATES, OrderState
from market.kernel import contracts
from strategies.rules import ResolvedLeg
from tests.unit.execution.schedules.broker import Broker, moment
from tests.unit.execution.schedules.rows import DAY, Order, Position, Rows, Run, Terms, tag
from tests.unit.execution.schedules.rules import Rules

S = OrderState


class Runs:
    """Entries and exits of one pair of a strategy, at one broker."""

    def __init__(self, rows: Rows, broker: Broker, terms: Terms, *, lots: int, completion: str,
                 rules: Rules | None = None) -> None:  # fmt: skip
        self.rows, self.broker, self.terms = rows, broker, terms
        self.lots, self.completion, self.rules = lots, completion, rules or Rules()
        self.in_session = True
        self.exit_at = 400

    @property
    def now(self) -> int:
        return self.broker.now

    def advance(self, run: Run) -> Iterator[None]:
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
        held = self.rows.held()
        left = _leaving(held, run.only_legs)
        legs = None if run.only_legs is None else {*run.only_legs, *(p.leg.number for p in left)}
        waiting = self._withdraw(
            o for o in self.rows.open_orders()
            if o.action == moves.OPENS or (o.order_type == moves.STOP and (legs is None or o.leg_number in legs))
        )  # fmt: skip
        live = self.rows.open_orders()
        if not left and not waiting and not [o for o in live if legs is None or o.run is run]:
            run.status = "done"
        elif self.in_session:
            if legs is not None and any(o.action == moves.OPENS for o in waiting):
                left = [position for position in left if position.quantity < 0]
            self._close_more(run, left, held, live)

    def _close_more(
        self, run: Run, left: list[Position], held: list[Position], live: list[Order]
    ) -> None:
        too_soon = {p.contract for p in left if self._too_soon(run, p.leg)}
        for position, units in self.rules.closings(left, held, live=live, waiting=too_soon):
            self._order(run, position.leg, moves.CLOSES, units // position.contract.lot_size)

    def _too_soon(self, run: Run, leg: ResolvedLeg) -> bool:
        ended = [
            o.finished_at for o in self.rows.orders_of(run)
            if o.leg is leg and o.action == moves.CLOSES and o.finished_at is not None
            and o.status not in OPEN_STATES | {S.FILLED}
        ]  # fmt: skip
        return gates.refused_too_recently(ended, moment(self.now))

    def _withdraw(self, orders: Iterable[Order], code: str = moves.WITHDRAWN) -> list[Order]:
        waiting = []
        for order in orders:
            if order.status not in OPEN_STATES:
                continue
            if order.order_type == moves.STOP and not order.pending_op:
                order.code = code
            end = moves.withdrawn(order.status)
            if end is None:
                order.pending_op = "cancel"
                waiting.append(order)
            else:
                order.status, order.finished_at = end, moment(self.now)
        return waiting

    def _order(self, run: Run, leg: ResolvedLeg, action: str, lots: int,
               trigger: Decimal | None = None) -> None:  # fmt: skip
        if lots <= 0:
            return
        mine = [o.slice for o in self.rows.orders_of(run) if o.leg is leg and o.action == action]
        first = max(mine, default=0) + 1
        for number, quantity in enumerate(contracts.slices(leg.contract, lots, DAY), start=first):
            self._write(run, leg, action, quantity, number, 1, trigger)

    def _write(self, run: Run, leg: ResolvedLeg, action: str, quantity: int, number: int,
               attempt: int, trigger: Decimal | None = None) -> None:  # fmt: skip
        opening = action == moves.OPENS
        side = leg.side if opening else ("BUY" if leg.side == "SELL" else "SELL")
        self.rows.add(Order(
            run=run, leg=leg, action=action, slice=number, attempt=attempt, side=side, quantity=quantity,
            client_ref=tag(run, leg, action, number, attempt),
            expires_at=run.deadline if opening else None, trigger_price=trigger,
        ))  # fmt: skip


def _leaving(held: list[Position], only_legs: frozenset[int] | None) -> list[Position]:
    """All, or the named legs with the shorts that lean on them."""
    if only_legs is None:
        return held
    named = [position for position in held if position.leg.number in only_legs]
    leaning = [short for short in held if any(gates.leans(short, hedge) for hedge in named)]
    return named + [short for short in leaning if short not in named]
