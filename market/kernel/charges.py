"""Statutory charges and brokerage of index derivatives, from the dated rate tables.

Each component is rounded to the paisa on its own, half a paisa upwards, per executed order; the
total is the sum of the rounded components. `docs/algorithms/charges.md` has the formulas, so that
any statement can be recomputed from fills alone.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from market.facts import tables
from market.facts.values import Facts
from market.kernel.calendar import OutsideCoverage
from market.kernel.contracts import Contract
from market.kernel.money import ZERO, rupees

Side = Literal["BUY", "SELL"]


@dataclass(frozen=True, slots=True)
class Charges:
    """What one executed order, or one settlement, costs; every part in whole paise."""

    brokerage: Decimal = ZERO
    stt: Decimal = ZERO
    exchange: Decimal = ZERO
    sebi: Decimal = ZERO
    stamp: Decimal = ZERO
    gst: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.brokerage + self.stt + self.exchange + self.sebi + self.stamp + self.gst

    def __add__(self, other: "Charges") -> "Charges":
        return Charges(
            self.brokerage + other.brokerage,
            self.stt + other.stt,
            self.exchange + other.exchange,
            self.sebi + other.sebi,
            self.stamp + other.stamp,
            self.gst + other.gst,
        )


def for_order(  # noqa: PLR0913 - the seventh is the alternative to the fifth
    broker: str,
    contract: Contract,
    side: Side,
    quantity: int,
    average_price: Decimal | None = None,
    on: date | None = None,
    *,
    turnover: Decimal | None = None,
) -> Charges:
    """Charges of one executed order (a slice is an order), by its average price or its turnover.

    Turnover is the sum of fill quantity x fill price: exact where an average would not be.
    """
    if on is None:
        raise ValueError("on must be the trading day.")
    if quantity <= 0:
        raise ValueError(f"quantity must be above 0, not {quantity}; the side says the direction.")
    if (average_price is None) == (turnover is None):
        raise ValueError("Give either average_price or turnover.")
    traded = turnover if average_price is None else average_price * quantity
    return _on_turnover(broker, contract, side, Decimal(traded or 0), on)


def for_settlement(
    contract: Contract, quantity: int, settlement_price: Decimal, on: date
) -> Charges:
    """Charges of cash settlement at expiry: only a long option in the money pays STT.

    `settlement_price` is the official value of the underlying; the tax is on the intrinsic value.
    """
    intrinsic = intrinsic_value(contract, settlement_price)
    if quantity <= 0 or intrinsic == 0:
        return Charges()
    rate = _rate("exercise_stt", contract.exchange, "OPT", "SELL", on)
    return Charges(stt=rupees(rate * intrinsic * quantity))


def intrinsic_value(contract: Contract, settlement_price: Decimal) -> Decimal:
    """What one unit of an option is worth at expiry; 0 for a future, which has no exercise."""
    if contract.strike is None:
        return Decimal(0)
    sign = 1 if contract.is_call else -1
    return max(sign * (settlement_price - contract.strike), Decimal(0))


def _on_turnover(
    broker: str, contract: Contract, side: Side, turnover: Decimal, on: date
) -> Charges:
    if side not in ("BUY", "SELL"):
        raise ValueError(f"side must be BUY or SELL, not {side!r}.")
    kind = (contract.exchange, "OPT" if contract.is_option else "FUT", side, on)
    brokerage = _brokerage(broker, kind[1], turnover, on)
    exchange = rupees(turnover * (_rate("transaction", *kind) + _rate("ipft", *kind)))
    sebi = rupees(turnover * _rate("sebi", *kind))
    return Charges(
        brokerage=brokerage,
        stt=rupees(turnover * _rate("stt", *kind)) if side == "SELL" else ZERO,
        exchange=exchange,
        sebi=sebi,
        stamp=rupees(turnover * _rate("stamp", *kind)) if side == "BUY" else ZERO,
        gst=rupees((brokerage + exchange + sebi) * _rate("gst", *kind)),
    )


def _brokerage(broker: str, instrument: str, turnover: Decimal, on: date) -> Decimal:
    for row in tables.brokerage_rates():
        if (row.broker, row.instrument) == (broker, instrument) and row.first <= on <= row.last:
            if row.fraction is None:
                return rupees(row.per_order)
            return rupees(min(row.per_order, turnover * row.fraction))
    raise OutsideCoverage(f"No brokerage of {broker!r} for {instrument} on {on}.")


def _rate(component: str, exchange: str, instrument: str, side: str, on: date) -> Decimal:
    return _dated_rate(component, exchange, instrument, side, on, tables.in_force())


@lru_cache(maxsize=4096)
def _dated_rate(
    component: str, exchange: str, instrument: str, side: str, on: date, facts: Facts
) -> Decimal:
    for row in facts.charge_rates:
        if row.component == component and row.applies(exchange, instrument, side, on):
            return row.rate
    raise OutsideCoverage(f"No {component} rate for {instrument} on {exchange} on {on}.")
