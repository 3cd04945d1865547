"""What an account's positions and open orders block: the exchange's estimate, by underlying."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from brokers.simulator.market import Market
from market.kernel import calendar, contracts, margin, pricing
from market.kernel.contracts import Contract
from market.kernel.margin import MarginLeg

UNQUOTED_VOL = 0.20  # a held contract without a usable price is scanned with this
LOWEST_VOL = 0.01


@dataclass(frozen=True, slots=True)
class Pending:
    """What is open of one order."""

    symbol: str
    side: str
    quantity: int
    limit: Decimal

    @property
    def signed(self) -> int:
        return self.quantity if self.side == "BUY" else -self.quantity


def blocked(held: Mapping[str, int], pending: Iterable[Pending], market: Market) -> Decimal:
    """The worst of: nothing more fills, all fills, only the sells, only the buys.

    Premium of open option buys is blocked beside it, at the limit.
    """
    orders = list(pending)
    sells = [order for order in orders if order.side == "SELL"]
    buys = [order for order in orders if order.side == "BUY"]
    wanted = [held, *(after(held, part) for part in (orders, sells, buys) if part)]
    different = {tuple(sorted(portfolio.items())) for portfolio in wanted}
    requirement = max(required(dict(portfolio), market) for portfolio in different)
    return requirement + sum((premium(order) for order in buys), Decimal(0))


def required(held: Mapping[str, int], market: Market) -> Decimal:
    """The margin of a portfolio: its underlyings add up."""
    by_underlying: dict[str, list[tuple[Contract, int]]] = defaultdict(list)
    for symbol, quantity in held.items():
        contract = contracts.parse(symbol)
        if quantity and contract.expiry >= market.day:
            by_underlying[contract.underlying].append((contract, quantity))
    return sum(
        (_of_underlying(name, legs, market) for name, legs in sorted(by_underlying.items())),
        Decimal(0),
    )


def after(held: Mapping[str, int], orders: list[Pending]) -> dict[str, int]:
    """The portfolio once these orders have filled."""
    portfolio = dict(held)
    for order in orders:
        portfolio[order.symbol] = portfolio.get(order.symbol, 0) + order.signed
    return {symbol: quantity for symbol, quantity in portfolio.items() if quantity}


def premium(order: Pending) -> Decimal:
    """What an option buy costs at its limit."""
    if order.side == "SELL" or order.symbol.endswith("-FUT"):
        return Decimal(0)
    return order.limit * order.quantity


def _of_underlying(name: str, held: list[tuple[Contract, int]], market: Market) -> Decimal:
    if all(quantity > 0 and contract.is_option for contract, quantity in held):
        return Decimal(0)  # paid for in full
    ordered = sorted(held, key=lambda leg: leg[0].symbol)
    index = market.index(name) or _from_contracts(ordered, market)
    forwards = [float(market.forward(name, leg.expiry) or index) for leg, _ in ordered]
    prices = [
        _price(leg, forward, market) for (leg, _), forward in zip(ordered, forwards, strict=True)
    ]
    vols = _vols([leg for leg, _ in ordered], prices, forwards, market)
    legs = [
        MarginLeg(leg, quantity, price, vol, forward, expires_today=leg.expiry == market.day)
        for (leg, quantity), price, vol, forward in zip(
            ordered, prices, vols, forwards, strict=True
        )
    ]
    return margin.requirement(legs, float(index), market.now).total


def _price(contract: Contract, forward: float, market: Market) -> float:
    mid = market.mid(contract.symbol)
    if mid is not None:
        return float(mid)
    if contract.strike is None:
        return forward
    away = forward - float(contract.strike)
    return max(away if contract.is_call else -away, 0.0)


def _from_contracts(held: list[tuple[Contract, int]], market: Market) -> Decimal:
    """An underlying without spot and forward is measured by its future, else by its highest strike."""
    future = next((market.last(leg.symbol) for leg, _ in held if not leg.is_option), None)
    return future or max(leg.strike or Decimal(1) for leg, _ in held)


def _vols(
    legs: list[Contract], prices: list[float], forwards: list[float], market: Market
) -> list[float]:
    """Implied in this frame, each contract once."""
    quoted = list(zip(legs, prices, forwards, strict=True))
    new = [row for row in quoted if row[0].symbol not in market.vols]
    if new:
        found = _implied(new, market)
        market.vols.update(zip((leg.symbol for leg, _, _ in new), found, strict=True))
    return [market.vols[leg.symbol] for leg in legs]


def _implied(quoted: list[tuple[Contract, float, float]], market: Market) -> list[float]:
    legs, prices, forwards = zip(*quoted, strict=True)
    years = np.array([_years(leg, market) for leg in legs])
    found, _flags = pricing.implied_vol(
        np.array(prices),
        np.array(forwards),
        np.array([float(leg.strike or 1) for leg in legs]),
        years,
        np.exp(-pricing.RATE * years),
        np.array([leg.is_call for leg in legs]),
    )
    usable = np.isfinite(found) & (found >= LOWEST_VOL)
    return [float(vol) if good else UNQUOTED_VOL for vol, good in zip(found, usable, strict=True)]


def _years(contract: Contract, market: Market) -> float:
    settled = calendar.settlement_time(contract.exchange, contract.expiry)
    return pricing.year_fraction(market.now, settled)
