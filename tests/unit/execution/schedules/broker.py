"""A broker in memory with books of its own: late books, lost answers, partial fills, cancels that race.

It is the witness: it keeps what was really placed and filled, and raises Violation at the order or
the fill that must never have happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from brokers.types import (
    Ack,
    BrokerOrder,
    BrokerStatus,
    BrokerTrade,
    NeverSent,
    PlaceAnswer,
    Product,
    ReadFailed,
    Rejected,
    Side,
    Unknown,
)
from market.kernel.contracts import Contract

DAWN = datetime(2026, 8, 3, 3, 45, tzinfo=UTC)
PRICES = [Decimal(n) / 20 for n in range(400, 440)]
OPEN = (BrokerStatus.OPEN, BrokerStatus.PARTIAL)
LIVE = (*OPEN, BrokerStatus.TRIGGER_PENDING)
JUMPS = [Decimal(n) for n in (-20, -10, -5, 5, 10, 20, 32, 40)]
LATE = (0, 0, 0, 0, 8, 90)  # seconds until an order shows in the book


class Violation(AssertionError):
    """An invariant of RELIABILITY was broken; the text begins with its number."""


@dataclass(frozen=True, slots=True)
class Request:
    client_ref: str
    contract: Contract
    side: str
    quantity: int
    opening: bool
    trigger: Decimal | None = None


@dataclass(slots=True)
class Placed:
    """An order as the broker has it."""

    number: str
    request: Request
    visible_at: int
    filled: int = 0
    status: BrokerStatus = BrokerStatus.OPEN
    cancelling: bool = False
    trigger: Decimal | None = None  # of a stop, as it stands now
    symbol: str = field(init=False)

    def __post_init__(self) -> None:
        self.symbol = self.request.contract.symbol

    @property
    def rest(self) -> int:
        return self.request.quantity - self.filled if self.status in LIVE else 0


class Broker:
    """One account. `planned` is how many units of each contract its one entry may ever open, `naked`
    how many units of calls and puts the strategy declares uncovered.
    """

    def __init__(
        self, rng: Random, *, planned: dict[Contract, int], naked: dict[str, int], freeze: int,
        fills_late: bool,
    ) -> None:  # fmt: skip
        self.rng, self.planned, self.naked, self.freeze = rng, planned, naked, freeze
        self.fills_late = fills_late
        self.now = 0
        self.calm = False
        self.open = True
        self.placed: list[Placed] = []
        self.by_ref: dict[str, Placed] = {}
        self.trades: list[tuple[int, BrokerTrade]] = []
        self.pushes: list[tuple[int, BrokerOrder | BrokerTrade]] = []
        self.net: dict[Contract, int] = {}
        self.marks = dict.fromkeys(planned, Decimal(100))

    # what the wire offers

    def place(self, request: Request) -> PlaceAnswer:
        luck = 1.0 if self.calm else self.rng.random()
        if luck < 0.05:
            return NeverSent("connection refused")
        if luck < 0.10:
            return Unknown("no answer, and nothing arrived")
        if not self.open:
            return Rejected("OUTSIDE_SESSION", "the exchange is closed")
        if luck < 0.16:
            return Rejected("INSUFFICIENT_MARGIN", "no funds")
        if request.trigger is not None and self.marks[request.contract] >= request.trigger:
            return Rejected("STOP_TRIGGER", "the market is beyond the trigger")
        number = self._accept(request)
        return Unknown("the answer was lost") if luck < 0.30 else Ack(number)

    def cancel(self, number: str) -> None:
        """Asked; lost, done at once, or being processed while fills go on."""
        order = next(order for order in self.placed if order.number == number)
        luck = 1.0 if self.calm else self.rng.random()
        if luck < 0.2 or order.status not in LIVE:
            return
        order.cancelling = True
        if luck > 0.7:
            self.end(order, BrokerStatus.CANCELLED)

    def modify(self, number: str, trigger: Decimal) -> PlaceAnswer:
        """A stop that has not been triggered moves; its answer may be lost, with what was asked or without."""
        order = next(order for order in self.placed if order.number == number)
        luck = 1.0 if self.calm else self.rng.random()
        if luck < 0.15:
            return Unknown("no answer, and nothing arrived")
        if order.status is not BrokerStatus.TRIGGER_PENDING or self.marks[order.request.contract] >= trigger:
            return Rejected("NOT_PENDING", "it cannot be moved there")
        order.trigger = trigger
        return Unknown("the answer was lost") if luck < 0.3 else Ack(number)

    def find(self, client_ref: str) -> BrokerOrder | None:
        self._may_fail()
        found = self.by_ref.get(client_ref)
        return report(found) if found is not None and found.visible_at <= self.now else None

    def read_orders(self) -> list[BrokerOrder]:
        self._may_fail()
        return [report(order) for order in self.placed if order.visible_at <= self.now]

    def read_trades(self) -> list[BrokerTrade]:
        self._may_fail()
        return [trade for visible_at, trade in self.trades if visible_at <= self.now]

    # what happens there by itself

    def fill(self, order: Placed, units: int) -> None:
        request = order.request
        order.filled += units
        order.status = BrokerStatus.FILLED if order.filled == request.quantity else BrokerStatus.PARTIAL
        signed = units if request.side == "BUY" else -units
        self.net[request.contract] = self.net.get(request.contract, 0) + signed
        trade = BrokerTrade(
            trade_id=f"T{len(self.trades) + 1}", broker_order_id=order.number,
            client_ref=request.client_ref, symbol=order.symbol, side=Side(request.side),
            product=Product.NRML, quantity=units, price=self.rng.choice(PRICES), at=moment(self.now),
        )  # fmt: skip
        self.trades.append((order.visible_at, trade))
        self._push(order, trade)
        self._push(order, report(order))
        self._check_prefix()
        self._check_reduced(request)

    def end(self, order: Placed, status: BrokerStatus) -> None:
        order.status = status
        self._push(order, report(order))

    def move(self) -> None:
        """One of the open orders fills in part or whole, or is ended half-way by the broker."""
        waiting = [order for order in self.placed if order.status in LIVE]
        if self.fills_late and self.rng.random() < 0.3:
            self._fill_after_the_end()
        if not waiting:
            return
        order, luck = self.rng.choice(waiting), self.rng.random()
        lot = order.request.contract.lot_size
        if order.cancelling and luck < 0.3:
            self.end(order, BrokerStatus.CANCELLED)
        elif luck < 0.12:
            self.end(order, self.rng.choice([BrokerStatus.REJECTED, BrokerStatus.CANCELLED]))
        elif order.status not in OPEN or (self.is_beyond(order) and luck < 0.7):
            return
        elif luck < 0.45:
            self.fill(order, self.rng.randint(1, order.rest // lot) * lot)
        else:
            self.fill(order, order.rest)

    def move_market(self) -> None:
        """A price jumps; the stops that it meets are orders in the market from now on."""
        contract = self.rng.choice(list(self.marks))
        self.marks[contract] = max(Decimal(5), self.marks[contract] + self.rng.choice(JUMPS))
        for order in self.placed:
            if order.status is BrokerStatus.TRIGGER_PENDING and self.marks[order.request.contract] >= order.trigger:
                order.status = BrokerStatus.OPEN
                self._push(order, report(order))

    def is_beyond(self, order: Placed) -> bool:
        """Whether the market has jumped over the limit of a stop, which rests until it comes back."""
        return order.trigger is not None and self.marks[order.request.contract] > order.trigger * Decimal("1.05")

    def _fill_after_the_end(self) -> None:
        """The exchange fills a hedge that was reported as cancelled."""
        ended = [
            order for order in self.placed
            if order.status is BrokerStatus.CANCELLED and order.request.side == "BUY"
            and order.request.opening
        ]  # fmt: skip
        if ended:
            self.fill(ended[0], ended[0].request.quantity - ended[0].filled)

    def close(self) -> None:
        """The session is over: what rests expires."""
        self.open = False
        for order in self.placed:
            if order.status in LIVE:
                self.end(order, BrokerStatus.EXPIRED)

    # the witness

    def _accept(self, request: Request) -> str:
        lot = request.contract.lot_size
        if request.client_ref in self.by_ref:
            raise Violation(f"I1 a second order with the tag {request.client_ref}")
        if request.quantity % lot or not 0 < request.quantity <= self.freeze:
            raise Violation(f"I10 a slice of {request.quantity}")
        order = Placed(f"O{len(self.placed) + 1}", request, self.now, trigger=request.trigger)
        if request.trigger is not None:
            order.status = BrokerStatus.TRIGGER_PENDING
        if not self.calm:
            order.visible_at += self.rng.choice(LATE)
        self.placed.append(order)
        if request.client_ref:
            self.by_ref[request.client_ref] = order
        self._push(order, report(order))
        self._check_prefix()
        if request.opening:
            self._check_plan(request.contract)
        else:
            self._check_closes(request.contract)
        return order.number

    def _check_prefix(self) -> None:
        """Whichever of the open orders fills next, no short is without its hedge."""
        for kind, declared in self.naked.items():
            shorts = sum(-units for c, units in self.net.items() if units < 0 and c.option_type == kind)
            longs = sum(units for c, units in self.net.items() if units > 0 and c.option_type == kind)
            sold = self._may_sell(kind, opening=True)
            given_up = self._may_sell(kind, opening=False)
            if shorts + sold > longs - given_up + declared:
                raise Violation(
                    f"I7 {shorts}+{sold} short {kind}, {longs}-{given_up} hedged, {declared} declared"
                )

    def _check_plan(self, contract: Contract) -> None:
        """Slices add up to the plan, and are never more."""
        mine = [o for o in self.placed if o.request.contract == contract and o.request.opening]
        units = sum(order.filled + order.rest for order in mine)
        if units > self.planned[contract]:
            raise Violation(f"I10 {units} ordered of {contract.symbol}, planned {self.planned[contract]}")

    def _check_closes(self, contract: Contract) -> None:
        """All that may still close, a stop too, is never more than is open."""
        mine = [o for o in self.placed if o.request.contract == contract and not o.request.opening]
        closing, units = sum(order.rest for order in mine), abs(self.net.get(contract, 0))
        if closing > units:
            raise Violation(f"I8 {closing} on their way to close {units} of {contract.symbol}")

    def _may_sell(self, kind: str, *, opening: bool) -> int:
        return sum(
            order.rest for order in self.placed
            if order.status in OPEN and order.request.side == "SELL"
            and order.request.opening is opening and order.request.contract.option_type == kind
        )  # fmt: skip

    def _check_reduced(self, request: Request) -> None:
        """A close never turns the position round."""
        net = self.net[request.contract]
        if not request.opening and (net > 0) == (request.side == "BUY") and net:
            raise Violation(f"I8 a {request.side} that closes left {net} of {request.contract.symbol}")

    def _push(self, order: Placed, said: BrokerOrder | BrokerTrade) -> None:
        self.pushes.append((order.visible_at, said))

    def _may_fail(self) -> None:
        if not self.calm and self.rng.random() < 0.1:
            raise ReadFailed("500")


def report(order: Placed) -> BrokerOrder:
    request = order.request
    return BrokerOrder(
        broker_order_id=order.number, client_ref=request.client_ref, symbol=order.symbol,
        side=Side(request.side), product=Product.NRML, quantity=request.quantity,
        filled_quantity=order.filled,
        average_price=None, status=order.status, reason="", at=DAWN,
    )  # fmt: skip


def moment(seconds: int) -> datetime:
    return DAWN + timedelta(seconds=seconds)
