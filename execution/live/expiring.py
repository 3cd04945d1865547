"""What one point of the settlement value is worth to an owner on the day their options expire. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from math import isnan

from execution.live.lines import Book
from execution.live.valuation import revalue
from market.kernel.contracts import Contract
from market.kernel.frame import Frame


@dataclass(frozen=True, slots=True)
class Expiring:
    """One contract over all pairs: units held, rupees a point now (None where no volatility is
    implied), and rupees a point if it settled at the forward: all of it in the money, else 0."""

    contract: Contract
    quantity: int
    per_point: float | None
    per_point_settled: int | None


@dataclass(frozen=True, slots=True)
class AtSettlement:
    """Rupees that one point up of the settlement value brings. `per_point` is the net delta of the
    contracts that imply one, None where none does; `unknown` counts those that do not."""

    rows: tuple[Expiring, ...]
    per_point: float | None
    per_point_settled: int | None
    unknown: int


def at_settlement(book: Book, frame: Frame, underlying: str, day: date) -> AtSettlement:
    """The open positions of the underlying that expire on that day, valued at the frame."""
    deltas = revalue(book, frame).greeks["delta"].tolist()
    held: dict[Contract, list[tuple[int, float]]] = defaultdict(list)
    for line, delta in zip(book.lines, deltas, strict=True):
        contract = line.contract
        if line.quantity and (contract.underlying, contract.expiry) == (underlying, day):
            held[contract].append((line.quantity, delta))
    forward = frame.forwards.get((underlying, day))
    level = None if forward is None else float(forward)
    rows = tuple(_row(contract, held[contract], level) for contract in sorted(held, key=_order))
    now = [row.per_point for row in rows if row.per_point is not None]
    settled = [row.per_point_settled for row in rows]
    known = [each for each in settled if each is not None]
    return AtSettlement(
        rows=rows,
        per_point=sum(now) if now or not rows else None,
        per_point_settled=sum(known) if len(known) == len(settled) else None,
        unknown=len(rows) - len(now),
    )


def slope(contract: Contract, level: float) -> int:
    """What one point up of the settlement value adds to one unit that settles there: 1, 0 or -1."""
    if contract.strike is None:
        return 1
    if contract.is_call:
        return int(level > contract.strike)
    return -int(level < contract.strike)


def _row(contract: Contract, lines: Iterable[tuple[int, float]], level: float | None) -> Expiring:
    quantities, deltas = zip(*lines, strict=True)
    delta, quantity = sum(deltas), sum(quantities)
    return Expiring(
        contract,
        quantity,
        None if isnan(delta) else delta,
        None if level is None else quantity * slope(contract, level),
    )


def _order(contract: Contract) -> tuple[float, str]:
    return (float(contract.strike or 0), contract.option_type)
