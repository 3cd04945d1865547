"""Ours against the broker's: what one side has and the other lacks. Pure: values in, differences out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from brokers.types import ALIVE, BrokerOrder
from execution.states import AT_BROKER, TERMINAL, OrderState

#: An order has sat about 90 s before it showed in a broker's book.
PATIENCE = timedelta(seconds=90)
CLOCKS_APART = timedelta(seconds=5)
OUR_KIND_OF_TAG = re.compile(r"[0-9A-Z]{20}")
UNANSWERED = frozenset({OrderState.SENDING, OrderState.UNKNOWN})


class Kind(StrEnum):
    """What is the matter."""

    SQUARED_OFF = "squared_off"
    UNITS_MISSING = "units_missing"
    UNITS_EXTRA = "units_extra"
    ORPHAN = "orphan"
    STILL_ALIVE = "still_alive"
    ORDER_ABSENT = "order_absent"
    NOT_IN_BOOK = "not_in_book"
    AMBIGUOUS = "ambiguous"
    FILL_MISSING = "fill_missing"


class Fix(StrEnum):
    """What the owner may decide."""

    ADOPT_CLOSE = "adopt_close"
    BOOK_CLOSE = "book_close"
    EXTERNAL = "external"
    CANCEL = "cancel_at_broker"
    MATCH = "match"
    NEVER_SENT = "never_sent"
    ENDED = "ended"
    LOOK_AGAIN = "look_again"


#: By kind, what may be decided; the first is what is proposed.
FIXES: dict[Kind, tuple[Fix, ...]] = {
    Kind.SQUARED_OFF: (Fix.ADOPT_CLOSE, Fix.EXTERNAL),
    Kind.UNITS_MISSING: (Fix.BOOK_CLOSE, Fix.EXTERNAL),
    Kind.UNITS_EXTRA: (Fix.EXTERNAL,),
    Kind.ORPHAN: (Fix.CANCEL, Fix.EXTERNAL),
    Kind.STILL_ALIVE: (Fix.CANCEL,),
    Kind.ORDER_ABSENT: (Fix.LOOK_AGAIN, Fix.ENDED),
    Kind.NOT_IN_BOOK: (Fix.NEVER_SENT,),
    Kind.AMBIGUOUS: (Fix.MATCH, Fix.NEVER_SENT),
    Kind.FILL_MISSING: (Fix.LOOK_AGAIN,),
}


@dataclass(frozen=True, slots=True)
class Holding:
    """An account's units of one contract and product; negative is short.

    `ours` is the sum over pairs, `external` what was traded beside us, `disputed` the part of it
    that went against ours and may be a square-off by hand. `in_flight` units may fill at any moment.
    """

    ours: int = 0
    external: int = 0
    disputed: int = 0
    theirs: int = 0
    in_flight: int = 0

    @property
    def gap(self) -> int:
        """Units of the broker's net that nothing explains."""
        return self.theirs - self.ours - self.external

    @property
    def missing(self) -> int:
        """Units of ours that the broker's net does not have: closing them would open the other side."""
        there = _sign(self.ours) * (self.theirs - self.external + self.disputed)
        return abs(self.ours) - min(max(there, 0), abs(self.ours))

    @property
    def waits(self) -> bool:
        """Whether orders on their way may explain the gap, so that nothing can be said yet."""
        return 0 < abs(self.gap) <= self.in_flight


@dataclass(frozen=True, slots=True)
class OurOrder:
    """`age` is since it was sent; `was_live` whether it was at the broker before the books were read."""

    ref: str
    number: str
    state: OrderState
    symbol: str
    product: str
    side: str
    quantity: int
    created_at: datetime
    age: timedelta
    was_live: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree; `subject` names it, the same at every look."""

    kind: Kind
    subject: str
    fix: Fix
    ref: str = ""
    number: str = ""
    symbol: str = ""
    product: str = ""
    ours: int | None = None
    theirs: int | None = None
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Guess:
    """Orders of ours without an answer and the untagged orders of the broker that they may be."""

    found: dict[str, str]
    several: dict[str, list[str]]

    @property
    def pending(self) -> set[str]:
        """Numbers that may be ours: not foreign until a person has said so."""
        return {number for numbers in self.several.values() for number in numbers}


def after_foreign(held: Holding, signed: int) -> Holding:
    """The holding after a trade made beside us."""
    disputed = _bounded(held.disputed, held.ours)
    if held.ours * signed < 0:
        more = min(abs(signed), abs(held.ours) - abs(disputed))
        disputed += _sign(signed) * more
    elif disputed * signed < 0:
        disputed += _sign(signed) * min(abs(signed), abs(disputed))
    return replace(held, external=held.external + signed, disputed=disputed)


def judged(held: Holding) -> Holding:
    """The holding with what is not ours by definition: all of a contract that no pair holds."""
    if not held.ours and not held.in_flight:
        return replace(held, external=held.theirs, disputed=0)
    return replace(held, disputed=_bounded(held.disputed, held.ours))


def of_holding(held: Holding, symbol: str, product: str) -> Difference | None:
    """What does not agree about a judged holding; None while it agrees, or may yet."""
    if held.waits or not (held.gap or held.disputed):
        return None
    if held.gap == 0:
        kind = Kind.SQUARED_OFF
    else:
        kind = Kind.UNITS_MISSING if held.gap * held.ours < 0 else Kind.UNITS_EXTRA
    return Difference(
        kind, f"{symbol} {product}", FIXES[kind][0], symbol=symbol, product=product,
        ours=held.ours, theirs=held.theirs - held.external + held.disputed, missing=held.missing,
    )  # fmt: skip


def guess(ours: Iterable[OurOrder], untagged: Sequence[BrokerOrder], window: timedelta) -> Guess:
    """Match orders without answer and number by contract, side, quantity and time.

    Only one that fits one, and no other, is believed.
    """
    fits = {
        order.ref: [row.broker_order_id for row in untagged if _fits(order, row, window)]
        for order in ours
        if order.state in UNANSWERED and not order.number
    }
    wanted = [number for numbers in fits.values() for number in numbers]
    found = {
        ref: numbers[0] for ref, numbers in fits.items()
        if len(numbers) == 1 and wanted.count(numbers[0]) == 1
    }  # fmt: skip
    several = {ref: numbers for ref, numbers in fits.items() if numbers and ref not in found}
    return Guess(found, several)


def of_orders(
    ours: Sequence[OurOrder], theirs: Sequence[BrokerOrder], several: dict[str, list[str]]
) -> list[Difference]:
    """Orders that only one side has, or that have ended on one side only."""
    pairs = _paired(ours, theirs)
    mine = [_of_ours(order, pairs.get(order.ref), several) for order in ours]
    first = {number for row in pairs.values() for number in [row.broker_order_id]}
    rest = [_of_theirs(row) for row in theirs if row.broker_order_id not in first]
    return [difference for difference in [*mine, *rest] if difference is not None]


def of_fills(ours: Iterable[str], theirs: Iterable[str]) -> list[Difference]:
    """Trades that we booked and the broker does not have."""
    gone = sorted(set(ours) - set(theirs))
    fix = FIXES[Kind.FILL_MISSING][0]
    return [Difference(Kind.FILL_MISSING, trade, fix, number=trade) for trade in gone]


def open_parts(trades: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """(id, signed units) of trades, oldest first, as later ones the other way have closed them."""
    parts: list[tuple[int, int]] = []
    for key, signed in trades:
        left = signed
        while left and parts and parts[0][1] * left < 0:
            first, units = parts.pop(0)
            closed = min(abs(units), abs(left))
            left -= _sign(left) * closed
            rest = units - _sign(units) * closed
            if rest:
                parts.insert(0, (first, rest))
        if left:
            parts.append((key, left))
    return parts


def is_ours(row: BrokerOrder) -> bool:
    """Whether the tag is of the kind that we give."""
    return OUR_KIND_OF_TAG.fullmatch(row.client_ref) is not None


def _paired(ours: Sequence[OurOrder], theirs: Sequence[BrokerOrder]) -> dict[str, BrokerOrder]:
    """By ref, the broker's order: by tag, the earliest of several, else by its number."""
    refs = {order.ref for order in ours}
    numbers = {order.number: order.ref for order in ours if order.number}
    pairs: dict[str, BrokerOrder] = {}
    for row in theirs:
        ref = row.client_ref if row.client_ref else numbers.get(row.broker_order_id, "")
        if ref in refs:
            pairs.setdefault(ref, row)
    return pairs


def _of_ours(
    order: OurOrder, row: BrokerOrder | None, several: dict[str, list[str]]
) -> Difference | None:
    kind, number = _kind_of_ours(order, row, several)
    if kind is None:
        return None
    return Difference(
        kind, order.ref, FIXES[kind][0], ref=order.ref, number=number, symbol=order.symbol,
        product=order.product,
    )  # fmt: skip


def _kind_of_ours(
    order: OurOrder, row: BrokerOrder | None, several: dict[str, list[str]]
) -> tuple[Kind | None, str]:
    if row is not None:
        ended = order.state in TERMINAL and not order.was_live
        return (Kind.STILL_ALIVE if ended and row.status in ALIVE else None), row.broker_order_id
    if order.state not in AT_BROKER:
        return None, ""
    if order.ref in several:
        return Kind.AMBIGUOUS, several[order.ref][0]
    if order.age < PATIENCE or not order.was_live:
        return None, ""
    return (Kind.NOT_IN_BOOK if order.state in UNANSWERED else Kind.ORDER_ABSENT), order.number


def _of_theirs(row: BrokerOrder) -> Difference | None:
    """An order with a tag as we give them that is not the one we know by it; others are foreign."""
    if not is_ours(row) or (row.status not in ALIVE and not row.filled_quantity):
        return None
    fix = Fix.CANCEL if row.status in ALIVE else Fix.EXTERNAL
    return Difference(
        Kind.ORPHAN, row.broker_order_id, fix, ref=row.client_ref, number=row.broker_order_id,
        symbol=row.symbol, product=row.product, theirs=row.quantity,
    )  # fmt: skip


def _fits(order: OurOrder, row: BrokerOrder, window: timedelta) -> bool:
    same = (order.symbol, order.product, order.side, order.quantity) == (
        row.symbol, row.product, row.side, row.quantity
    )  # fmt: skip
    return same and -CLOCKS_APART <= row.at - order.created_at <= window


def _bounded(disputed: int, ours: int) -> int:
    """What of it still goes against ours."""
    if disputed * ours >= 0:
        return 0
    return _sign(disputed) * min(abs(disputed), abs(ours))


def _sign(units: int) -> int:
    return (units > 0) - (units < 0)
