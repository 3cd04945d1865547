"""Stops that rest at the broker (SL-L): what should rest for what is held, and what is to be done about
what does. Pure.

Never more than the short's open units, and never beside another close of them that may still fill.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Generic, NamedTuple, Protocol, TypeVar

from execution import gates
from execution.moves import CLOSES, STOP, STOP_REPLACED, WITHDRAWN
from execution.states import RESTING, OrderState

PROTECTION = Decimal("0.05")  # from the trigger to the limit, as an exit goes through the touch
MOST_REFUSALS = 3  # a day and leg; after them only the frames judge it
OUR_ENDS = (WITHDRAWN, STOP_REPLACED)


class Close(gates.Live, Protocol):
    """An order of the pair that may still fill."""

    @property
    def order_type(self) -> str: ...
    @property
    def pending_op(self) -> str: ...
    @property
    def trigger_price(self) -> Decimal | None: ...


Order = TypeVar("Order", bound=Close)


class Prices(NamedTuple):
    trigger: Decimal
    limit: Decimal


class Step(NamedTuple, Generic[Order]):
    """Stops that are to be cancelled, units for which one is to be placed, stops that are to be moved."""

    withdraw: list[Order]
    add: int
    move: list[Order]


def is_naked(short: gates.HeldRow, held: Iterable[gates.HeldRow]) -> bool:
    """Whether it is a short option that leans on nothing of what is held."""
    alone = not any(gates.leans(short, other) for other in held)
    return short.quantity < 0 and short.contract.strike is not None and alone


def prices(level: Decimal, tick: Decimal) -> Prices:
    """Trigger and limit of a stop that buys back from this price on; both on the tick."""
    trigger = (level / tick).to_integral_value(ROUND_CEILING) * tick
    room = max(trigger * PROTECTION, 2 * tick)
    return Prices(trigger, ((trigger + room) / tick).to_integral_value(ROUND_FLOOR) * tick)


def wanted_units(short: gates.HeldRow, live: Iterable[Close], *, missing: int = 0) -> int:
    """Units whose stop may rest; `missing` are those that the broker's net does not have."""
    closing = any(
        o.action == CLOSES and o.contract_id == short.contract_id and o.order_type != STOP for o in live
    )
    return 0 if closing else max(0, -short.quantity - missing)


def stops_of(contract_id: object, live: Iterable[Order]) -> list[Order]:
    """The stops of one contract that rest, or may."""
    return [o for o in live if o.order_type == STOP and o.contract_id == contract_id]


def step(
    stops: Sequence[Order], *, units: int, wanted: Prices | None, may_place: bool
) -> Step[Order]:
    """What brings the stops of one short to `units` at the wanted prices; None: none is wanted.

    `may_place`: the market has not come to the trigger. Too many are all cancelled, and what is then
    missing is placed once their end is known.
    """
    rest = sum(stop.quantity - stop.filled_quantity for stop in stops)
    if wanted is None or rest > units:
        return Step([stop for stop in stops if not stop.pending_op], 0, [])
    if not may_place:
        return Step([], 0, [])
    moved = [stop for stop in stops if _may_move(stop) and stop.trigger_price != wanted.trigger]
    return Step([], units - rest, moved)


def is_refused_for_good(ended: Collection[gates.Slice]) -> bool:
    """Whether these stops of a day ended without our asking so often that no other is placed."""
    lost = (OrderState.REJECTED, OrderState.CANCELLED)
    return sum(o.status in lost and o.code not in OUR_ENDS for o in ended) >= MOST_REFUSALS


def _may_move(stop: Close) -> bool:
    return stop.status in RESTING and not stop.pending_op
