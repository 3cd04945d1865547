"""One order: whether it may be sent, and what an answer, a look-up or a report makes of it. Pure.

The engine calls these with its rows, the proof's schedules with rows in memory: the same decisions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple, Protocol

from brokers.types import (
    Ack,
    BrokerOrder,
    BrokerStatus,
    NeverSent,
    OrderType,
    PlaceAnswer,
    Rejected,
)
from execution.states import AT_BROKER, BEFORE_WIRE, TERMINAL, OrderState, after_report
from market.kernel.money import ZERO

S = OrderState
ACTIVE = "active"  # the trading state in which a pair may enter
OPENS, CLOSES = "open", "close"  # Order.Action
NOT_TRIED = "NOT_TRIED"  # the code of an attempt that used none up
STOP = OrderType.SL_LIMIT.value  # a stop that rests at the broker; no exit's slice
WITHDRAWN = "WITHDRAWN"  # an exit, a roll or a change of the leg began
STOP_REPLACED = "STOP_REPLACED"  # it no longer fitted what is held
ATTEMPTS = 3  # of a slice whose connection was refused; after them its run decides anew
#: Waits between look-ups of an UNKNOWN order: an order has sat 90 s before showing in a book.
LOOKUP_WAITS = (1, 2, 4, 8, 15, 30, 60, 90)
NO_ANSWER = (S.SENDING, S.UNKNOWN)
REPORTED = {
    BrokerStatus.TRIGGER_PENDING: S.WORKING,
    BrokerStatus.OPEN: S.WORKING,
    BrokerStatus.PARTIAL: S.PARTIAL,
    BrokerStatus.FILLED: S.FILLED,
    BrokerStatus.CANCELLED: S.CANCELLED,
    BrokerStatus.REJECTED: S.REJECTED,
    BrokerStatus.EXPIRED: S.EXPIRED,
}


class OrderRow(Protocol):
    """The columns of an order by which it is decided."""

    @property
    def status(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def side(self) -> str: ...
    @property
    def order_type(self) -> str: ...
    @property
    def quantity(self) -> int: ...
    @property
    def filled_quantity(self) -> int: ...
    @property
    def broker_order_id(self) -> str: ...
    @property
    def contract_id(self) -> object: ...
    @property
    def allocation_id(self) -> object: ...


class Refusal(NamedTuple):
    status: OrderState
    code: str


class Answered(NamedTuple):
    """The state after an answer; `again`: a new attempt of the same slice may be written."""

    status: OrderState
    code: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class NotTried:
    """Instead of an answer: the order was committed to be sent, and then we did not try."""

    upstream: str


class Moved(NamedTuple):
    status: OrderState
    ended: bool  # it was open before


class End(NamedTuple):
    """An end that the book named, and the units that were filled by then."""

    status: OrderState
    filled: int


class Filled(NamedTuple):
    quantity: int
    turnover: Decimal


def refusal(
    action: str, *, in_session: bool, has_login: bool, late: bool, trading_state: str
) -> Refusal | None:
    """Why a READY order may not go out now: late, outside the session, or its pair is stopped."""
    if not in_session:
        return Refusal(S.EXPIRED, "OUTSIDE_SESSION")
    if not has_login:
        return Refusal(S.DENIED, "NO_LOGIN")
    if action == CLOSES:
        return None
    if late:
        return Refusal(S.EXPIRED, "TOO_LATE")
    return None if trading_state == ACTIVE else Refusal(S.DENIED, trading_state.upper())


def must_wait(order: OrderRow, others: Iterable[OrderRow]) -> bool:
    """Whether an opening order waits; a closing one never does. `others`: all of its account.

    While an order of the pair has no answer its wave stands still; while the account has an order
    the other way in the same contract at the broker it would trade with itself (a stop is outside the
    market); and a closing order of the account that is still to be sent goes first.
    """
    if order.action != OPENS:
        return False
    return any(
        _is_unknown_of(order, other) or _meets(order, other) or _closes_first(other)
        for other in others
    )


def answered(current: str, tries: int, answer: PlaceAnswer | NotTried) -> Answered | None:
    """What the answer to `place` makes of the order; None when a report came first and says more.

    `tries` of the slice reached for the broker, this one included: what was not tried uses none up.
    """
    if current not in NO_ANSWER:
        return None
    if isinstance(answer, Ack):
        return Answered(S.ACKED)
    if isinstance(answer, Rejected):
        return Answered(S.REJECTED, answer.code)
    if isinstance(answer, NeverSent):
        again = tries < ATTEMPTS
        return Answered(S.NEVER_SENT, "" if again else "BROKER_UNREACHABLE", again)
    if isinstance(answer, NotTried):
        return Answered(S.NEVER_SENT, NOT_TRIED, again=True)
    return Answered(S.UNKNOWN)


def lookup_wait(lookups: int) -> timedelta:
    """Wall time from the look-up before which there were so many to the next one."""
    return timedelta(seconds=LOOKUP_WAITS[min(lookups, len(LOOKUP_WAITS) - 1)])


def after_absence(lookups: int, *, absent: bool, day_is_over: bool) -> OrderState:
    """The state of an unanswered order after so many look-ups without it. A book that could not be
    read proves nothing, and absence proves nothing before the day is over."""
    proven = absent and day_is_over and lookups > len(LOOKUP_WAITS)
    return S.NEVER_SENT if proven else S.UNKNOWN


def says_more(order: OrderRow, report: BrokerOrder) -> bool:
    """Whether the book's row may change what is known of the order."""
    renumbered = order.broker_order_id != report.broker_order_id
    state = REPORTED[report.status]
    if state is S.FILLED:
        return order.status != S.FILLED and renumbered
    return order.status != state or renumbered


def reported(report: BrokerOrder, *, filled: int) -> OrderState:
    """What the book says of an order of which we hold so many fills: those to come keep it open."""
    return S.WORKING if report.filled_quantity > filled else REPORTED[report.status]


def after_fill(filled: int, ends: Iterable[End]) -> OrderState:
    """What a fill says of the order: the end that the book named once all its fills are here."""
    return next((end.status for end in ends if end.filled <= filled), S.PARTIAL)


def sum_fills(fills: Iterable[tuple[int, Decimal]]) -> Filled:
    """Units and rupees of (units, price)."""
    rows = list(fills)
    turnover = sum((quantity * price for quantity, price in rows), ZERO)
    return Filled(sum(quantity for quantity, _ in rows), turnover)


def moved(order: OrderRow, report: OrderState) -> Moved:
    """The state after a report, with the fills that the order holds now."""
    before = OrderState(order.status)
    after = after_report(before, report, filled=order.filled_quantity, quantity=order.quantity)
    return Moved(after, ended=after in TERMINAL and before not in TERMINAL)


def withdrawn(current: str) -> OrderState | None:
    """The end of an order that never left; None when the broker must be asked to cancel it."""
    return S.CANCELLED if current in BEFORE_WIRE else None


def _is_unknown_of(order: OrderRow, other: OrderRow) -> bool:
    return other.status == S.UNKNOWN and other.allocation_id == order.allocation_id


def _closes_first(other: OrderRow) -> bool:
    return other.status == S.READY and other.action == CLOSES


def _meets(order: OrderRow, other: OrderRow) -> bool:
    return (
        other.status in AT_BROKER
        and other.order_type != STOP
        and other.contract_id == order.contract_id
        and other.side != order.side
    )
