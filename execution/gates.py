"""A run's legs: what may be opened and what may be closed now, from its orders and positions. Pure.

Hedges go before shorts on the way in, shorts before hedges on the way out, and nothing twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, Protocol, TypeVar

from execution.moves import CLOSES, OPENS
from execution.states import OPEN_STATES, OrderState
from strategies.rules import ResolvedLeg, released_lots, waves

REPRICED = "REPRICED"  # cancelled to be ordered anew at the market: its rest was not given up
RETRIES = 3  # of slices that ended unfilled, when the policy retries
LONGEST_WAIT = timedelta(seconds=30)  # between closes that the broker refuses, in market time


class Slice(Protocol):
    """The columns of an order by which a run decides."""

    @property
    def leg_number(self) -> int: ...
    @property
    def action(self) -> str: ...
    @property
    def slice(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def quantity(self) -> int: ...
    @property
    def filled_quantity(self) -> int: ...


class Listed(Protocol):
    """What a contract must say of itself."""

    @property
    def option_type(self) -> str: ...
    @property
    def strike(self) -> Decimal | None: ...
    @property
    def expiry(self) -> date: ...


class HeldRow(Protocol):
    """A position: signed units of a contract."""

    @property
    def quantity(self) -> int: ...
    @property
    def contract_id(self) -> object: ...
    @property
    def contract(self) -> Listed: ...


class Live(Slice, Protocol):
    """An order of the pair that may still fill."""

    @property
    def side(self) -> str: ...
    @property
    def contract_id(self) -> object: ...
    @property
    def contract(self) -> Listed: ...


Row = TypeVar("Row", bound=HeldRow)


class MayOpen(NamedTuple):
    """Units that an opening order may still add to what is held: negative, it is a short's."""

    quantity: int
    contract_id: object
    contract: Listed


class Goal(NamedTuple):
    """Lots of a leg that are to be ordered now; wave 2 is gated on the fills of wave 1."""

    leg: ResolvedLeg
    wave: int
    lots: int


def filled_units(orders: Iterable[Slice]) -> dict[int, int]:
    """Units filled by leg number of a run's opening orders."""
    units: dict[int, int] = {}
    for order in orders:
        if order.action == OPENS:
            units[order.leg_number] = units.get(order.leg_number, 0) + order.filled_quantity
    return units


def openings(
    legs: Sequence[ResolvedLeg],
    lots: int,
    orders: Sequence[Slice],
    *,
    kept: Mapping[ResolvedLeg, int],
    naked: tuple[int, int],
    completion: str,
) -> list[Goal]:
    """What may be ordered now: all of wave 1, wave 2 in proportion to its fills.

    `kept` holds the units of legs that a roll leaves as they are, `naked` the declared calls and puts.
    """
    book = [*legs, *kept]
    filled = filled_units(orders) | {leg.number: units for leg, units in kept.items()}
    gate = released_lots(book, lots, filled, *naked)
    first, _ = waves(book)
    goals = []
    for leg in legs:
        goal = lots * leg.ratio if leg in first else gate[leg.number]
        ordered = ordered_lots(leg, orders, completion=completion)
        goals.append(Goal(leg, 1 if leg in first else 2, goal - ordered))
    return goals


def ordered_lots(leg: ResolvedLeg, orders: Iterable[Slice], *, completion: str) -> int:
    """Lots of the leg already ordered. What ended unfilled counts too, unless the policy retries."""
    slices: dict[int, Slice] = {}  # by slice, its last attempt: an earlier one was never sent
    for order in sorted(orders, key=lambda order: order.attempt):
        if order.leg_number == leg.number and order.action == OPENS:
            slices[order.slice] = order
    unfilled = [o for o in slices.values() if o.status not in OPEN_STATES | {OrderState.FILLED}]
    refused = [o for o in unfilled if o.code != REPRICED]
    may_retry = completion == "retry" and len(refused) <= RETRIES
    again = unfilled if may_retry else [o for o in unfilled if o.code == REPRICED]
    given_up = sum(o.quantity - o.filled_quantity for o in again)
    return (sum(o.quantity for o in slices.values()) - given_up) // leg.contract.lot_size


def is_complete(legs: Iterable[ResolvedLeg], lots: int, orders: Iterable[Slice]) -> bool:
    filled = filled_units(orders)
    return all(filled.get(leg.number, 0) >= lots * leg.quantity_per_lot for leg in legs)


def excess_units(legs: Sequence[ResolvedLeg], orders: Sequence[Slice]) -> tuple[int, dict[int, int]]:
    """How many whole lots of the strategy the run holds, and by leg the units held beyond them."""
    held = filled_units(orders)
    for order in orders:
        if order.action == CLOSES:
            held[order.leg_number] = held.get(order.leg_number, 0) - order.filled_quantity
    whole = max(0, min(held.get(leg.number, 0) // leg.quantity_per_lot for leg in legs))
    return whole, {leg.number: held.get(leg.number, 0) - whole * leg.quantity_per_lot for leg in legs}


def closings(
    wanted: Iterable[Row],
    held: Iterable[Row],
    *,
    live: Collection[Live],
    waiting: Collection[object],
) -> list[tuple[Row, int]]:
    """The positions that may be closed now, each with its units, of all that the pair holds.

    No hedge while a short leans on it, or may still come that would; never more than is held and
    not on its way already. `live` are the pair's open orders, `waiting` contracts that must wait.
    """
    on_the_way = units_on_the_way(live)
    shorts: list[HeldRow] = [*held, *may_still_open(live)]
    found = []
    for position in wanted:
        units = abs(position.quantity) - on_the_way.get(position.contract_id, 0)
        if units <= 0 or position.contract_id in waiting:
            continue
        if not any(leans(short, position) for short in shorts):
            found.append((position, units))
    return found


def units_on_the_way(live: Iterable[Live]) -> dict[object, int]:
    """By contract, the units that closing orders may still fill, whichever run sent them."""
    units: dict[object, int] = {}
    for order in live:
        if order.action == CLOSES:
            rest = order.quantity - order.filled_quantity
            units[order.contract_id] = units.get(order.contract_id, 0) + rest
    return units


def may_still_open(live: Iterable[Live]) -> list[MayOpen]:
    """Shorts that the broker may still fill: not yet cancelled, or without an answer."""
    return [
        MayOpen(order.filled_quantity - order.quantity, order.contract_id, order.contract)
        for order in live
        if order.action == OPENS and order.side == "SELL"
    ]


def leans(short: HeldRow, hedge: HeldRow) -> bool:
    """Whether the open short option still needs the hedge."""
    if short.quantity >= 0 or short.contract.strike is None or short is hedge:
        return False
    kind = short.contract.option_type
    if hedge.contract.option_type == "FUT":
        return (hedge.quantity > 0) == (kind == "CE")
    if hedge.quantity < 0:
        return False
    return hedge.contract.option_type == kind and hedge.contract.expiry >= short.contract.expiry


def refused_too_recently(ended: Collection[datetime], now: datetime) -> bool:
    """Whether the last close, of these that ended unfilled, did so too short a while ago.

    It never goes again in the same frame; the wait doubles with each refusal, up to LONGEST_WAIT.
    """
    if not ended:
        return False
    wait = min(timedelta(seconds=2 ** min(len(ended) - 1, 10)), LONGEST_WAIT)
    return now - max(ended) < wait
