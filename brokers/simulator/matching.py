"""How a limit meets a quote: pure, one order against one side of one quote."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Match:
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Offer:
    """The side of a quote that an order can hit: its price, and what is left of its quantity."""

    price: Decimal | None
    quantity: int


def match(side: str, limit: Decimal, remaining: int, offer: Offer, lot: int) -> Match | None:
    """What fills now: whole lots, at most what is displayed, at the offer's price or not at all."""
    if offer.price is None or not crosses(side, limit, offer.price):
        return None
    quantity = min(remaining, offer.quantity) // lot * lot
    return Match(quantity, offer.price) if quantity > 0 else None


def crosses(side: str, limit: Decimal, price: Decimal) -> bool:
    """Whether the limit accepts that price."""
    return price <= limit if side == "BUY" else price >= limit


def priority(side: str, limit: Decimal, arrival: int) -> tuple[Decimal, int]:
    """Sort key of the queue: the better price first, then the earlier order."""
    return (-limit if side == "BUY" else limit, arrival)
