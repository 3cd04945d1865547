"""One schedule: a seed decides who works, who is killed, what is lost, late or repeated; then the
faults stop, and the books of both sides are compared.
"""

from __future__ import annotations

from random import Random

from execution.moves import STOP, WITHDRAWN
from execution.positions import Trade, project
from execution.states import TERMINAL, OrderState
from market.kernel import contracts
from tests.unit.execution.schedules.broker import OPEN, Broker, Violation
from tests.unit.execution.schedules.desk import Desk, Step, Work
from tests.unit.execution.schedules.quiet import check_stops
from tests.unit.execution.schedules.rows import DAY, STRATEGIES, Order, Rows
from tests.unit.execution.schedules.rules import Rules

S = OrderState
LOTS = (1, 1, 2, 3, 5, 28, 40)
NEVER_LEFT = (S.DRAFT, S.READY, S.DENIED, S.NEVER_SENT)
MOST_ROUNDS, LAST_LOOKUPS = 30, 12
WITH_STOPS, STOPS = ("strangle", "jade lizard"), 0.6  # so many of these have stops at the broker
ENTERED = 0.7  # of these have entered in peace, so that the chaos is about their stops


class Schedule:
    """Everything of one schedule follows from its seed."""

    def __init__(self, seed: str, *, desk: type[Desk] = Desk, rules: Rules | None = None) -> None:
        self.rng = rng = Random(seed)  # noqa: S311 - a schedule, not a secret
        name = rng.choice(sorted(STRATEGIES))
        terms = STRATEGIES[name]
        lots = rng.choice(LOTS)
        spec = terms.legs[0].contract
        calls, puts = terms.naked
        units = spec.lot_size * lots
        completion = rng.choice(["retry", "unwind", "hold_hedged"])
        self.broker = Broker(
            rng, planned={leg.contract: leg.quantity_per_lot * lots for leg in terms.legs},
            fills_late=completion != "retry",  # what is ordered anew and then filled late is no defect
            naked={"CE": calls * units, "PE": puts * units},
            freeze=contracts.max_order_quantity("NIFTY", DAY, spec.lot_size),
        )  # fmt: skip
        self.rows = Rows()
        self.desk = desk(self.rows, self.broker, terms, lots=lots, completion=completion, rules=rules)
        self.desk.exit_at = rng.choice([15, 30, 60, 400])
        self.desk.stop_at_broker = name in WITH_STOPS and rng.random() < STOPS
        if self.desk.stop_at_broker:
            self.desk.exit_at = rng.choice([90, 400])
        self.desk.whole = rng.random() < 0.3  # a leg's stop takes the others with it
        self.queue: list[Work] = []
        self.workers: list[Step] = []
        self.kills = 0

    def play(self) -> None:
        """Chaos, then calm; Violation as soon as an invariant does not hold."""
        stops = self.desk.stop_at_broker
        if stops and self.rng.random() < ENTERED:
            self.broker.calm, self.desk.stop_at_broker = True, False
            self._settle()
            self.broker.calm, self.desk.stop_at_broker = False, True
        self.queue = self.desk.tick()
        acts = [self._work, self._go_on, self._broker, self._push, self._tick, self._wait, self._kill,
                self._repeat, self._halt, self._market]  # fmt: skip
        weights = [24, 44, 12, 9, 9, 4, 2, 2, 0.25, 12 if stops else 0]
        chosen = self.rng.choices(acts, weights=weights, k=self.rng.randint(*((80, 240) if stops else (30, 150))))
        for act in chosen:
            act()
        self._calm()
        check_books(self)

    def met(self) -> set[str]:
        """What happened in this schedule, by name."""
        orders, runs = self.rows.orders.values(), self.rows.runs.values()
        happened = {
            "killed": self.kills,
            "halted": self.rows.halted,
            "unknown": any(o.alerted for o in orders),
            "adopted": any(o.alerted and o.broker_order_id for o in orders),
            "rejected": any(o.status == S.REJECTED for o in orders),
            "never sent": any(o.status == S.NEVER_SENT for o in orders),
            "partly filled": any(0 < o.filled_quantity < o.quantity for o in orders),
            "cancelled": any(o.status == S.CANCELLED for o in orders),
            "sliced": any(o.slice > 1 for o in orders),
            "unwound": any(run.unwinding for run in runs),
            "exited": any(run.phase == "exit" and run.status == "done" for run in runs),
            "filled after its end": any(
                o.status == S.FILLED and S.CANCELLED in [end.status for end in o.ends] for o in orders
            ),
            "late in the book": any(placed.visible_at > 80 for placed in self.broker.placed),
            "filled while being cancelled": any(
                placed.cancelling and placed.filled == placed.request.quantity
                for placed in self.broker.placed
            ),
        }
        return {name for name, did in happened.items() if did} | self._met_of_stops()

    def _met_of_stops(self) -> set[str]:
        stops = [o for o in self.rows.orders.values() if o.order_type == STOP]
        placed = [o for o in self.broker.placed if o.request.trigger is not None]
        happened = {
            "stop placed": bool(stops),
            "stop filled": any(o.status == S.FILLED for o in stops),
            "stop partly filled": any(0 < o.filled_quantity < o.quantity for o in stops),
            "stop unknown": any(o.alerted for o in stops),
            "stop refused": any(o.status == S.REJECTED for o in stops),
            "stop withdrawn": any(o.status == S.CANCELLED and o.code == WITHDRAWN for o in stops),
            "stop moved": any(o.trigger != o.request.trigger for o in placed),
            "stop filled while being cancelled": any(o.cancelling and o.filled for o in placed),
            "leg left alone": any(run.only_legs is not None for run in self.rows.runs.values()),
        }
        return {name for name, did in happened.items() if did}

    # what may happen

    def _work(self) -> None:
        """A worker takes a message; sometimes it is delivered again, sometimes lost."""
        if not self.queue:
            return
        work = self.queue.pop(self.rng.randrange(len(self.queue)))
        luck = self.rng.random()
        if luck < 0.08:
            self.queue.append(work)
        if luck < 0.95:
            self.workers.append(self.desk.perform(work))

    def _go_on(self) -> None:
        if self.workers:
            worker = self.rng.choice(self.workers)
            if next(worker, self) is self:
                self.workers.remove(worker)

    def _kill(self) -> None:
        """One worker, or the process with all of them and the queue."""
        if not self.workers:
            return
        self.kills += 1
        if self.rng.random() < 0.3:
            self.workers.clear()
            self.queue.clear()
        else:
            self.workers.pop(self.rng.randrange(len(self.workers)))

    def _broker(self) -> None:
        self.broker.move()

    def _push(self) -> None:
        """Any of the messages under way arrives, as often as it likes, or never."""
        visible = [said for at, said in self.broker.pushes if at <= self.broker.now]
        if visible:
            said = self.rng.choice(visible)
            trade = hasattr(said, "trade_id")
            self.workers.append(self.desk.apply_books([] if trade else [said], [said] if trade else []))

    def _market(self) -> None:
        self.broker.move_market()

    def _tick(self) -> None:
        self.queue.extend(self.desk.tick())

    def _wait(self) -> None:
        self.broker.now += self.rng.choice([1, 1, 2, 2, 5, 10, 20, 60, 150])

    def _repeat(self) -> None:
        if self.queue:
            self.queue.append(self.rng.choice(self.queue))

    def _halt(self) -> None:
        self.desk.halt()

    # no more faults

    def _calm(self) -> None:
        """The exit's time comes and the session ends, without faults; then every look-up has its turn."""
        self.broker.calm = True
        for pause in (1, 30, 70, 100, 400, 1, 100):
            self.broker.now += pause
            self.queue.append(Work("sync"))  # the scheduled reconciliation reads the books of quiet accounts too
            self._settle()
            if self.desk.stop_at_broker:
                check_stops(self.desk)
                self.broker.move_market()
        self.broker.close()
        self.desk.in_session = False
        self.queue.append(Work("sync"))
        for _ in range(LAST_LOOKUPS):
            self.broker.now += 100
            if not self._settle():
                return

    def _settle(self) -> bool:
        """All that is under way arrives, works are done and orders fill, until nothing changes any more."""
        for _ in range(MOST_ROUNDS):
            before = self._standing()
            works = [*self.queue, *self.desk.tick()]
            for worker in [*self.workers, *map(self.desk.perform, works)]:
                for _ in worker:
                    pass
            self.workers.clear()
            self.queue.clear()
            for order in self.broker.placed:
                if order.status in OPEN and not self.broker.is_beyond(order):
                    self.broker.fill(order, order.rest)
            if self._standing() == before:
                return bool(self.rows.open_orders())
        raise Violation(f"I2 no rest: {[(o.status, o.action, o.leg_number) for o in self.rows.open_orders()]}")

    def _standing(self) -> object:
        """What a step may change; an open order that only waits is not in it."""
        orders = [
            (o.status, o.filled_quantity, o.pending_op, o.trigger_price) for o in self.rows.orders.values()
        ]
        return orders, [run.status for run in self.rows.runs.values()], len(self.broker.trades)


def check_books(schedule: Schedule) -> None:
    """When the faults have stopped: I2 to I6, I10, I14, I16, and what is held is explained."""
    rows, broker, desk = schedule.rows, schedule.broker, schedule.desk
    for order in rows.orders.values():
        _check_order(order, schedule)
    for placed in broker.placed:
        ours = rows.orders.get(placed.request.client_ref)
        if ours is None or ours.status in NEVER_LEFT:
            raise Violation(f"I4 {placed.number} is an orphan")
        if ours.filled_quantity != placed.filled:
            raise Violation(f"I3 {ours.filled_quantity} filled here, {placed.filled} at the broker")
    ours_net = {c: p.quantity for c, p in rows.positions.items() if p.quantity}
    if ours_net != {c: units for c, units in broker.net.items() if units}:
        raise Violation(f"I6 {ours_net} here, {broker.net} at the broker")
    before = _state(rows)
    for _ in desk.apply_books(broker.read_orders(), broker.read_trades()):
        pass
    if _state(rows) != before:
        raise Violation("I14 a second pass over the books changed something")
    _check_replay(schedule)


def _check_order(order: Order, schedule: Schedule) -> None:
    if order.status not in TERMINAL and not (order.status == S.UNKNOWN and order.alerted):
        raise Violation(f"I2 {order.status} at the end")
    if order.filled_quantity and order.client_ref not in schedule.broker.by_ref:
        raise Violation(f"I3 a phantom: {order.client_ref}")
    if order.filled_quantity > order.quantity:
        raise Violation("I3 overfilled")
    if (order.status == S.FILLED) != (order.filled_quantity == order.quantity):
        raise Violation(f"I3 {order.status} with {order.filled_quantity} of {order.quantity}")


def _check_replay(schedule: Schedule) -> None:
    """I5 and I16: the broker's whole story, shuffled and repeated, projects the same rows."""
    rows, rng = schedule.rows, schedule.rng
    again = Rows(orders={ref: _fresh(order) for ref, order in rows.orders.items()})
    desk = type(schedule.desk)(again, schedule.broker, schedule.desk.terms, lots=1,
                               completion="retry", rules=schedule.desk.rules)  # fmt: skip
    story = [said for _, said in schedule.broker.pushes]
    story += rng.choices(story, k=len(story) // 2) if story else []
    rng.shuffle(story)
    for said in story:
        trade = hasattr(said, "trade_id")
        for _ in desk.apply_books([] if trade else [said], [said] if trade else []):
            pass
    for ref, order in again.orders.items():
        mine = rows.orders[ref]
        if order.broker_order_id and (order.status, order.filled_quantity) != (mine.status, mine.filled_quantity):
            raise Violation(f"I5 {order.status} {order.filled_quantity}, was {mine.status} {mine.filled_quantity}")
    for contract, position in rows.positions.items():
        if again.positions[contract].holding != position.holding:
            raise Violation("I5 another position")
        fills = [f for f in rows.fills.values() if f.order.contract == contract]
        cash = sum(f.price * f.quantity * (-1 if f.order.side == "BUY" else 1) for f in fills)
        if project(Trade(f.order.side, f.quantity, f.price) for f in fills).gross(100) != cash + 100 * position.quantity:
            raise Violation("I16 P&L of fills and of positions differ")


def _fresh(order: Order) -> Order:
    return Order(order.run, order.leg, order.action, order.slice, order.attempt, order.side, order.quantity,
                 order.client_ref, order.expires_at, status=S.SENDING)  # fmt: skip


def _state(rows: Rows) -> object:
    orders = [(o.client_ref, o.status, o.filled_quantity, o.broker_order_id) for o in rows.orders.values()]
    return orders, {c: p.holding for c, p in rows.positions.items()}, len(rows.fills)
