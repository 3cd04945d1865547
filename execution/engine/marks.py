"""Prices of the current frame for positions and orders: the exit side, the touch, the limit."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from execution.models import Position
from market.kernel.frame import Frame, Quote
from market.kernel.money import ZERO, rupees

#: How far through the touch a limit may fill. Far enough for a moving market, near enough that a
#: jump between quote and exchange does not fill at any price.
ENTRY_CROSS = Decimal("0.02")
EXIT_CROSS = Decimal("0.05")
#: The exchange's limit price protection: ±20 rupees up to 50, ±40% above (options).
BAND_FLAT, BAND_UP_TO, BAND_SHARE = Decimal(20), Decimal(50), Decimal("0.40")


def exit_mark(quote: Quote, quantity: int) -> Decimal:
    """Where the units could be closed: longs at the bid, shorts at the ask, else the last price."""
    side = quote.bid if quantity > 0 else quote.ask
    return quote.ltp if side is None else side


def limit_price(
    quote: Quote,
    *,
    side: str,
    tick: Decimal,
    cross: Decimal,
    is_option: bool,
    worst: Decimal | None = None,
) -> Decimal:
    """A limit through the touch by `cross` of it (at least two ticks), inside the price band and
    no further than `worst`."""
    buying = side == "BUY"
    touch = (quote.ask if buying else quote.bid) or quote.ltp
    room = max(touch * cross, 2 * tick)
    low, high = _band(quote.ltp, is_option=is_option)
    if worst is not None:
        low, high = max(low, worst), min(high, worst)
    wanted = min(touch + room, high) if buying else max(touch - room, low)
    steps = (wanted / tick).to_integral_value(ROUND_FLOOR if buying else ROUND_CEILING)
    return max(steps * tick, tick)


def _band(reference: Decimal, *, is_option: bool) -> tuple[Decimal, Decimal]:
    if not is_option:
        return reference * Decimal("0.9"), reference * Decimal("1.1")
    width = BAND_FLAT if reference <= BAND_UP_TO else reference * BAND_SHARE
    return reference - width, reference + width


def gross_pnl(positions: Iterable[Position], frame: Frame) -> Decimal:
    """Realised and unrealised P&L of these positions; what has no quote counts at its cost."""
    total = ZERO
    for position in positions:
        total += position.realised
        quote = frame.quote(position.contract.symbol) if position.quantity else None
        if quote is not None:
            total += position.quantity * exit_mark(quote, position.quantity) - position.cost
    return rupees(total)


def day_pnl(positions: Iterable[Position], frame: Frame) -> Decimal:
    """P&L of the day after charges, against the last close for what was carried."""
    rows = list(positions)
    opening = sum((p.day_opening_pnl for p in rows), ZERO)
    charges = sum((p.charges - p.day_charges_before for p in rows), ZERO)
    return gross_pnl(rows, frame) - opening - charges
