"""Rupees and ticks, in Decimal."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

PAISA = Decimal("0.01")
ZERO = Decimal("0.00")


def rupees(value: Decimal | int | float | str) -> Decimal:
    """The amount to the paisa, half a paisa away from zero. A float is read by its shortest form."""
    exact = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite():
        raise ValueError(f"{value} is not an amount of money.")
    return exact.quantize(PAISA, rounding=ROUND_HALF_UP)


def to_tick(price: Decimal, tick: Decimal, side: str | None = None) -> Decimal:
    """The price on its tick grid: BUY never pays more, SELL never takes less, None the nearest.

    The nearest tick of a price half way between two is the higher one.
    """
    if tick <= 0:
        raise ValueError(f"tick must be above 0, not {tick}.")
    rounding = {"BUY": ROUND_FLOOR, "SELL": ROUND_CEILING, None: ROUND_HALF_UP}[side]
    return (price / tick).quantize(Decimal(1), rounding=rounding) * tick


def on_tick(price: Decimal, tick: Decimal) -> bool:
    """Whether the price is a whole number of ticks."""
    return price % tick == 0
