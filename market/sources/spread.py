"""How bid, ask and displayed quantity are made up where a recording has last prices only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from market.kernel.contracts import Contract
from market.kernel.frame import Quote

Sides = tuple[Decimal | None, Decimal, int, int]
Facts = tuple[Decimal, int, bool]


def facts_of(contract: Contract) -> Facts:
    """Tick, lot and whether it is an option: what a quote depends on beside the price."""
    return contract.tick_size, contract.lot_size, contract.is_option


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadModel:
    """Half-spread as a fraction of the last price, at least so many ticks, rounded outward."""

    option_fraction: Decimal = Decimal("0.0015")
    future_fraction: Decimal = Decimal("0.00005")
    least_ticks: int = 1
    displayed_lots: int = 20
    _made: dict[tuple[Facts, Decimal], Sides] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.option_fraction < 0 or self.future_fraction < 0:
            raise ValueError("option_fraction and future_fraction must be 0 or more.")
        if self.least_ticks < 0 or self.displayed_lots < 1:
            raise ValueError("least_ticks must be 0 or more and displayed_lots 1 or more.")

    def quote(self, contract: Contract, ltp: Decimal, at: datetime) -> Quote:
        """Both sides around the last price; no bid where it would be below one tick."""
        return self.quote_of(facts_of(contract), ltp, at)

    def quote_of(self, facts: Facts, ltp: Decimal, at: datetime) -> Quote:
        """As `quote`, by the contract's tick, lot and whether it is an option."""
        sides = self._made.get((facts, ltp))
        if sides is None:
            sides = self._made[facts, ltp] = self._sides(facts, ltp)
        bid, ask, bid_quantity, ask_quantity = sides
        return Quote(bid, ask, ltp, bid_quantity, ask_quantity, at)

    def describe(self) -> str:
        """In words, for the report."""
        return (
            f"bid and ask are modelled: half-spread {self.option_fraction:%} of the last price for "
            f"options, {self.future_fraction:%} for futures, at least {self.least_ticks} tick(s), "
            f"rounded outward to ticks; {self.displayed_lots} lots displayed on each side; "
            "no bid where it would be below one tick"
        )

    def _sides(self, facts: Facts, ltp: Decimal) -> Sides:
        tick, lot, is_option = facts
        fraction = self.option_fraction if is_option else self.future_fraction
        half = max(ltp * fraction, tick * self.least_ticks)
        bid = ((ltp - half) / tick).to_integral_value(ROUND_FLOOR) * tick
        ask = ((ltp + half) / tick).to_integral_value(ROUND_CEILING) * tick
        shown = self.displayed_lots * lot
        if bid < tick:
            return None, ask, 0, shown
        return bid, ask, shown, shown


DEFAULT_SPREAD = SpreadModel()
