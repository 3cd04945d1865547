"""Contracts and the dated facts about them: lots, ticks, freeze limits, listed expiries."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Literal

from market.facts import tables
from market.facts.values import Facts, UnderlyingRow
from market.kernel.calendar import OutsideCoverage
from market.kernel.expiries import (
    Expiry,
    expiries,
    has_weeklies,
    kind_of,
    known_to,
    monthly_expiries,
    weekly_expiries,
)
from market.kernel.profile import facts_from_config

__all__ = [
    "UNDERLYINGS", "Contract", "Expiry", "exchange_of", "expiries", "facts_from_config",
    "freeze_quantity", "has_weeklies", "kind_of", "known_to", "lot_size", "max_order_quantity", "monthly_expiries",
    "parse",
    "slices", "strike_step", "tick_size", "weekly_expiries",
]  # fmt: skip

OptionType = Literal["CE", "PE", "FUT"]
UNDERLYINGS = tuple(tables.packaged().underlyings)


@dataclass(frozen=True, slots=True, order=True)
class Contract:
    """One listed option or future; a future has no strike."""

    underlying: str
    expiry: date
    option_type: OptionType
    strike: Decimal | None = None

    def __post_init__(self) -> None:
        if self.option_type not in ("CE", "PE", "FUT"):
            raise ValueError(f"option_type must be CE, PE or FUT, not {self.option_type!r}.")
        if self.option_type == "FUT" and self.strike is not None:
            raise ValueError("strike must be None for a future.")
        if self.option_type != "FUT" and not _is_price(self.strike):
            raise ValueError(f"strike must be above 0 for an option, not {self.strike!r}.")

    @property
    def symbol(self) -> str:
        """Our own unique name, such as NIFTY-20260804-24500-CE or NIFTY-20260825-FUT."""
        parts = [self.underlying, f"{self.expiry:%Y%m%d}"]
        if self.strike is not None:
            parts.append(_plain(self.strike))
        return "-".join([*parts, self.option_type])

    @property
    def exchange(self) -> str:
        return exchange_of(self.underlying)

    @property
    def lot_size(self) -> int:
        return lot_size(self.underlying, self.expiry)

    @property
    def tick_size(self) -> Decimal:
        return tick_size(self.underlying, self.option_type)

    @property
    def is_call(self) -> bool:
        return self.option_type == "CE"

    @property
    def is_option(self) -> bool:
        return self.option_type != "FUT"

    def freeze_quantity(self, on: date) -> int:
        """The largest quantity the exchange takes in one order on that day."""
        return freeze_quantity(self.underlying, on)


def parse(symbol: str, *, facts: Facts | None = None) -> Contract:
    """The contract of our own symbol, of an index that is packaged or in the facts; else ValueError."""
    return _parse(symbol, facts or tables.in_force())


@lru_cache(maxsize=65_536)
def _parse(symbol: str, facts: Facts) -> Contract:
    parts = symbol.split("-")
    try:
        underlying, day, *strike, option_type = parts
        known = underlying in UNDERLYINGS or underlying in facts.underlyings
        if not known or len(strike) != (option_type != "FUT"):
            raise ValueError(symbol)
        expiry = date.fromisoformat(f"{day[:4]}-{day[4:6]}-{day[6:]}")
        contract = Contract(
            underlying,
            expiry,
            option_type,  # type: ignore[arg-type]  # Contract checks it
            Decimal(strike[0]) if strike else None,
        )
    except (ValueError, InvalidOperation) as error:
        raise ValueError(
            f"{symbol!r} is not a contract symbol such as NIFTY-20260804-24500-CE."
        ) from error
    if contract.symbol != symbol:
        raise ValueError(f"{symbol!r} is not written as {contract.symbol!r}.")
    return contract


def exchange_of(underlying: str, *, facts: Facts | None = None) -> str:
    """NSE or BSE."""
    return _underlying(underlying, facts).exchange


def tick_size(underlying: str, option_type: str, *, facts: Facts | None = None) -> Decimal:
    """The price step of the index's options or futures."""
    row = _underlying(underlying, facts)
    return row.future_tick if option_type == "FUT" else row.option_tick


def strike_step(underlying: str, *, facts: Facts | None = None) -> Decimal:
    """The usual distance of strikes near the money; the listed strikes decide, gaps exist."""
    return _underlying(underlying, facts).strike_step


def lot_size(underlying: str, expiry: date, *, facts: Facts | None = None) -> int:
    """Units in a lot of contracts with that expiry: a lot belongs to the contract."""
    return _lot_size(underlying, expiry, facts or tables.in_force())


def freeze_quantity(underlying: str, on: date, *, facts: Facts | None = None) -> int:
    """The largest quantity of one order on that day."""
    known = facts or tables.in_force()
    for row in known.freezes.get(underlying, ()):
        if row.first <= on <= row.last:
            return row.quantity
    raise OutsideCoverage(f"No freeze quantity of {underlying!r} on {on}.")


def max_order_quantity(underlying: str, on: date, lot: int, *, facts: Facts | None = None) -> int:
    """The largest whole number of lots, in units, that one order may carry on that day."""
    freeze = freeze_quantity(underlying, on, facts=facts)
    if not 0 < lot <= freeze:
        raise ValueError(f"lot must be between 1 and the freeze quantity {freeze}, not {lot}.")
    return freeze // lot * lot


def slices(contract: Contract, lots: int, on: date, *, facts: Facts | None = None) -> list[int]:
    """Quantities of the orders that carry these lots, each within the freeze quantity."""
    if lots < 0:
        raise ValueError(f"lots must be 0 or more, not {lots}.")
    lot = lot_size(contract.underlying, contract.expiry, facts=facts)
    largest = max_order_quantity(contract.underlying, on, lot, facts=facts)
    full, rest = divmod(lots * lot, largest)
    return [largest] * full + ([rest] if rest else [])


@lru_cache(maxsize=4096)
def _lot_size(underlying: str, expiry: date, facts: Facts) -> int:
    for row in facts.lots.get(underlying, ()):
        if row.first <= expiry <= row.last and row.kind == kind_of(underlying, expiry, facts=facts):
            return row.lot
    raise OutsideCoverage(f"No lot size of {underlying!r} contracts that expire on {expiry}.")


def _underlying(underlying: str, facts: Facts | None) -> UnderlyingRow:
    known = facts or tables.in_force()
    try:
        return known.underlyings[underlying]
    except KeyError:
        raise OutsideCoverage(
            f"Unknown underlying {underlying!r}; known: {', '.join(known.underlyings)}."
        ) from None


def _is_price(strike: Decimal | None) -> bool:
    return strike is not None and strike.is_finite() and strike > 0


def _plain(strike: Decimal) -> str:
    text = f"{strike:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
