"""The rows that the schedules keep in memory in place of the database's, with its unique keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from execution.engine.refs import client_ref
from execution.moves import STOP, End
from execution.positions import Holding
from execution.states import OPEN_STATES, OrderState
from market.kernel.contracts import Contract
from strategies.rules import ResolvedLeg

DAY = date(2026, 8, 3)
EXPIRY = date(2026, 8, 4)
KEY = b"the proof's own"


def _leg(number: int, side: str, kind: str, strike: int, ratio: int = 1) -> ResolvedLeg:
    contract = Contract("NIFTY", EXPIRY, kind, Decimal(strike))
    return ResolvedLeg(number=number, side=side, ratio=ratio, contract=contract, reference=Decimal(20))


class Terms(NamedTuple):
    """A strategy as its entry resolved it; `naked` is declared calls and puts a lot."""

    legs: tuple[ResolvedLeg, ...]
    naked: tuple[int, int] = (0, 0)


STRATEGIES = {
    "iron condor": Terms((
        _leg(1, "BUY", "CE", 24900), _leg(2, "SELL", "CE", 24700),
        _leg(3, "SELL", "PE", 24300), _leg(4, "BUY", "PE", 24100),
    )),
    "put spread": Terms((_leg(1, "SELL", "PE", 24300), _leg(2, "BUY", "PE", 24100))),
    "ratio hedge": Terms((_leg(1, "BUY", "CE", 24900, 2), _leg(2, "SELL", "CE", 24700, 2))),
    "strangle": Terms((_leg(1, "SELL", "CE", 24900), _leg(2, "SELL", "PE", 24100)), (1, 1)),
    "jade lizard": Terms((
        _leg(1, "BUY", "CE", 24900), _leg(2, "SELL", "CE", 24700), _leg(3, "SELL", "PE", 24100),
    ), (0, 1)),
    "half covered": Terms((_leg(1, "BUY", "CE", 24900), _leg(2, "SELL", "CE", 24700, 2)), (1, 0)),
}  # fmt: skip


@dataclass(slots=True)
class Run:
    phase: str
    cycle: int
    lots: int
    deadline: int
    status: str = "running"
    unwinding: bool = False
    only_legs: frozenset[int] | None = None  # of an exit; None: everything leaves


@dataclass(slots=True)
class Order:
    """The columns of order_history that decisions read."""

    run: Run
    leg: ResolvedLeg
    action: str
    slice: int
    attempt: int
    side: str
    quantity: int
    client_ref: str
    expires_at: int | None
    status: OrderState = OrderState.READY
    code: str = ""
    pending_op: str = ""
    broker_order_id: str = ""
    filled_quantity: int = 0
    next_lookup_at: int | None = None
    lookups: int = 0
    alerted: bool = False
    finished_at: datetime | None = None
    allocation_id: int = 1
    trigger_price: Decimal | None = None
    asked_at: int | None = None  # when a stop was last asked to move
    followed: bool = False  # what a stop's fill means has been done
    ends: list[End] = field(default_factory=list)

    @property
    def order_type(self) -> str:
        return "LIMIT" if self.trigger_price is None else STOP

    @property
    def leg_number(self) -> int:
        return self.leg.number

    @property
    def contract(self) -> Contract:
        return self.leg.contract

    @property
    def contract_id(self) -> Contract:
        return self.leg.contract


@dataclass(slots=True)
class Watch:
    """What the frames have seen of a short: where its stop is, and in how many of them it was crossed."""

    stop_at: Decimal
    crossed: int = 0


@dataclass(slots=True)
class Position:
    leg: ResolvedLeg
    holding: Holding

    @property
    def contract(self) -> Contract:
        return self.leg.contract

    @property
    def contract_id(self) -> Contract:
        return self.leg.contract

    @property
    def quantity(self) -> int:
        return self.holding.quantity


class Fill(NamedTuple):
    at: datetime
    trade_id: str
    order: Order
    quantity: int
    price: Decimal


@dataclass(slots=True)
class Rows:
    """All tables. What the database's unique keys refuse is refused here."""

    runs: dict[tuple[str, int], Run] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    fills: dict[str, Fill] = field(default_factory=dict)
    positions: dict[Contract, Position] = field(default_factory=dict)
    watches: dict[Contract, Watch] = field(default_factory=dict)
    halted: bool = False

    def orders_of(self, run: Run) -> list[Order]:
        return [order for order in self.orders.values() if order.run is run]

    def open_orders(self) -> list[Order]:
        return [order for order in self.orders.values() if order.status in OPEN_STATES]

    def held(self) -> list[Position]:
        return [position for position in self.positions.values() if position.quantity]

    def add(self, order: Order) -> None:
        if order.client_ref in self.orders:
            raise KeyError(f"one_order_per_slice_and_attempt: {order.client_ref}")
        self.orders[order.client_ref] = order


def tag(run: Run, leg: ResolvedLeg, action: str, number: int, attempt: int) -> str:
    return client_ref(KEY, "pair", DAY, run.phase, run.cycle, leg.number, action, number, attempt)
