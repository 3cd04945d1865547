"""What the engine and a broker say to each other: plain values, the same for every wire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class Product(StrEnum):
    NRML = "NRML"
    MIS = "MIS"


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"  # always with market protection
    SL_LIMIT = "SL-L"  # rests outside the market until its trigger, then is a limit


class BrokerStatus(StrEnum):
    """An order's state in the broker's book."""

    TRIGGER_PENDING = "TRIGGER_PENDING"  # a stop whose trigger has not come
    OPEN = "OPEN"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


#: What may still fill.
ALIVE = frozenset({BrokerStatus.TRIGGER_PENDING, BrokerStatus.OPEN, BrokerStatus.PARTIAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """An order as it goes out; `quantity` in units, `client_ref` is 20 alphanumerics."""

    client_ref: str
    symbol: str
    side: Side
    quantity: int
    product: Product
    order_type: OrderType
    price: Decimal | None
    market_protection: Decimal | None = None  # percent of the reference price
    trigger_price: Decimal | None = None  # of a stop; the exchange checks the band when it is reached


@dataclass(frozen=True, slots=True)
class Ack:
    broker_order_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The broker refused, by the adapter's explicit list; nothing was placed."""

    code: str
    upstream: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No usable answer: the order may or may not exist. Look it up; never resend."""

    upstream: str


@dataclass(frozen=True, slots=True)
class NeverSent:
    """The connection was refused before a byte was written: safe to send again."""

    upstream: str


PlaceAnswer = Ack | Rejected | Unknown | NeverSent
CancelAnswer = Ack | Rejected | Unknown


class ReadFailed(Exception):
    """A book could not be read; it says nothing about what is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    broker_order_id: str
    client_ref: str
    symbol: str
    side: Side
    quantity: int
    product: Product
    filled_quantity: int
    average_price: Decimal | None
    status: BrokerStatus
    reason: str
    at: datetime
    trigger_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTrade:
    trade_id: str
    broker_order_id: str
    client_ref: str
    symbol: str
    side: Side
    quantity: int
    product: Product
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPosition:
    symbol: str
    product: Product
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """Rupees: what the account has, what margin blocks, what is free."""

    balance: Decimal
    used: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerEvent:
    """One push message: the order or the trade as the broker saw it then. It may repeat or lag."""

    seq: int
    timeline: str
    report: BrokerOrder | BrokerTrade


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events in order; ask again after `last`."""

    events: tuple[BrokerEvent, ...]
    last: int


class Adapter(Protocol):
    """One broker account on its wire. Reads raise ReadFailed; writes answer, they do not raise."""

    def place(self, request: OrderRequest) -> PlaceAnswer: ...
    def cancel(self, broker_order_id: str) -> CancelAnswer: ...
    def modify(
        self, broker_order_id: str, *, price: Decimal, trigger_price: Decimal | None = None
    ) -> CancelAnswer: ...
    def find(self, client_ref: str) -> BrokerOrder | None: ...
    def find_all(self, client_ref: str) -> list[BrokerOrder]: ...
    def orders(self) -> list[BrokerOrder]: ...
    def trades(self) -> list[BrokerTrade]: ...
    def positions(self) -> list[BrokerPosition]: ...
    def funds(self) -> Funds: ...
    def events(self, after: int, wait: float) -> EventPage: ...
