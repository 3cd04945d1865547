"""What the dated facts are once they are read: frozen rows, and all of them together as `Facts`."""

from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal

from market.facts.schema import ANY


@dataclass(frozen=True, slots=True)
class Hours:
    """Normal session of a range of days; `spot_until` is when the index stops being continuous."""

    exchange: str
    first: date
    last: date
    open: time
    close: time
    settlement: time
    spot_until: time


@dataclass(frozen=True, slots=True)
class SpecialSession:
    """A muhurat, full or short session on a day that would be closed; no parts: hours unknown."""

    kind: str
    parts: tuple[tuple[time, time], ...]


@dataclass(frozen=True, slots=True)
class UnderlyingRow:
    underlying: str
    exchange: str
    option_tick: Decimal
    future_tick: Decimal
    strike_step: Decimal
    listed_weeklies: int


@dataclass(frozen=True, slots=True)
class LotRow:
    kind: str
    first: date
    last: date
    lot: int


@dataclass(frozen=True, slots=True)
class ExpiryRule:
    """The scheduled weekday (Monday 0) of expiries whose scheduled date is in first..last."""

    kind: str
    first: date
    last: date
    weekday: int


@dataclass(frozen=True, slots=True)
class FreezeRow:
    first: date
    last: date
    quantity: int


@dataclass(frozen=True, slots=True)
class ChargeRate:
    component: str
    exchange: str
    instrument: str
    side: str
    first: date
    last: date
    rate: Decimal

    def applies(self, exchange: str, instrument: str, side: str, on: date) -> bool:
        """Whether this row charges that kind of trade on that day."""
        return (
            self.exchange in (ANY, exchange)
            and self.instrument in (ANY, instrument)
            and self.side in (ANY, side)
            and self.first <= on <= self.last
        )


@dataclass(frozen=True, slots=True)
class MarginRate:
    """One parameter of the margin; a share of 1, except moves and switches."""

    component: str
    first: date
    last: date
    rate: Decimal


@dataclass(frozen=True, slots=True)
class BrokerageRate:
    """Rupees per executed order, or the lower of that and a fraction of turnover."""

    broker: str
    instrument: str
    first: date
    last: date
    per_order: Decimal
    fraction: Decimal | None


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """One consistent set of facts; compared and hashed by identity.

    `first` to `last` is the calendar's whole coverage and `reach` that of each exchange;
    `revision` counts the changes of the operator's tables, 0 for what ships with the product.
    """

    name: str
    revision: int
    first: date
    last: date
    reach: dict[str, tuple[date, date]]
    hours: tuple[Hours, ...]
    holidays: dict[str, frozenset[date]]
    specials: dict[tuple[str, date], SpecialSession]
    underlyings: dict[str, UnderlyingRow]
    lots: dict[str, tuple[LotRow, ...]]
    expiry_rules: dict[str, tuple[ExpiryRule, ...]]
    freezes: dict[str, tuple[FreezeRow, ...]]
    charge_rates: tuple[ChargeRate, ...]
    margin_rates: tuple[MarginRate, ...]
    brokerage_rates: tuple[BrokerageRate, ...]
