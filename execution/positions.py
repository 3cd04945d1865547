"""From fills to what is held and what was earned. Pure, Decimal, average cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from market.kernel.money import ZERO, rupees


class Trade(NamedTuple):
    """One fill: side BUY or SELL, units, rupees a unit."""

    side: str
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Holding:
    """Signed units, the rupees paid for them (received when short: negative), and realised P&L.

    `realised + quantity * mark - cost` is the cash that went in and out plus the value of what is
    held, so P&L from positions equals P&L from fills to the paisa.
    """

    quantity: int = 0
    cost: Decimal = ZERO
    realised: Decimal = ZERO

    @property
    def average_price(self) -> Decimal:
        return self.cost / self.quantity if self.quantity else ZERO

    def gross(self, mark: Decimal) -> Decimal:
        """Realised and unrealised P&L together, before charges."""
        return rupees(self.realised + self.quantity * mark - self.cost)


def after(holding: Holding, trade: Trade) -> Holding:
    """What is held after one more trade; what it closes is released at average cost."""
    signed = trade.quantity if trade.side == "BUY" else -trade.quantity
    if holding.quantity * signed >= 0:
        return Holding(
            holding.quantity + signed, holding.cost + signed * trade.price, holding.realised
        )
    closing = min(trade.quantity, abs(holding.quantity))
    sign = 1 if signed > 0 else -1
    released = _released(holding, closing)
    closed = Holding(
        holding.quantity + sign * closing,
        holding.cost - released,
        holding.realised - sign * closing * trade.price - released,
    )
    rest = trade.quantity - closing
    return after(closed, Trade(trade.side, rest, trade.price)) if rest else closed


def project(trades: Iterable[Trade]) -> Holding:
    """The holding that these trades, in their order, give."""
    holding = Holding()
    for trade in trades:
        holding = after(holding, trade)
    return holding


def settled(holding: Holding, price: Decimal) -> Holding:
    """Nothing held: the units were cash-settled at `price` a unit."""
    if not holding.quantity:
        return holding
    return Holding(0, ZERO, holding.realised + holding.quantity * price - holding.cost)


def _released(holding: Holding, closing: int) -> Decimal:
    units = abs(holding.quantity)
    return holding.cost if closing == units else rupees(holding.cost * closing / units)
