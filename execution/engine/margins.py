"""The margin of contracts at the current frame: for limits, for a planned sequence of orders, and
shared out to the pairs of an account.

What is held in one contract is netted first, whatever pairs hold it: the broker sees one position.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeVar

import numpy as np

from market.kernel import calendar, margin, pricing
from market.kernel.clock import ist_day
from market.kernel.contracts import Contract
from market.kernel.frame import Frame
from market.kernel.money import ZERO

Holdings = Iterable[tuple[Contract, int]]
Pair = TypeVar("Pair", bound=Hashable)


class NoMargin(LookupError):
    """The frame lacks the price or forward of a contract, so its margin cannot be said."""


@dataclass(slots=True)
class Sheet:
    """One frame's contracts as margin legs, each priced once however often it is asked for."""

    frame: Frame
    priced: dict[Contract, margin.MarginLeg] = field(default_factory=dict)
    asked: dict[tuple[tuple[Contract, int], ...], Decimal] = field(default_factory=dict)

    def requirement(self, holdings: Holdings) -> Decimal:
        """Rupees blocked for these signed units held together; underlyings do not offset each other."""
        by_underlying: dict[str, list[tuple[Contract, int]]] = {}
        for contract, quantity in _netted(holdings).items():
            if quantity:
                by_underlying.setdefault(contract.underlying, []).append((contract, quantity))
        return sum((self._of_one(name, held) for name, held in by_underlying.items()), ZERO)

    def after_each(self, before: Holdings, orders: Sequence[tuple[Contract, int]]) -> list[Decimal]:
        """What is blocked after each order of this sequence has filled, on top of what is held.

        The largest is what has to be there for the whole sequence to go through.
        """
        held, found = list(before), []
        for order in orders:
            held.append(order)
            found.append(self.requirement(held))
        return found

    def _of_one(self, underlying: str, held: list[tuple[Contract, int]]) -> Decimal:
        key = tuple(held)  # a plan, its last step and its limits ask for the same holdings
        if key not in self.asked:
            self.asked[key] = self._computed(underlying, held)
        return self.asked[key]

    def _computed(self, underlying: str, held: list[tuple[Contract, int]]) -> Decimal:
        legs = [replace(self._leg(contract), quantity=quantity) for contract, quantity in held]
        nearest = min(legs, key=lambda leg: leg.contract.expiry)
        spot = self.frame.spot(underlying)
        level = nearest.forward if spot is None else float(spot)
        return margin.requirement(legs, level, self.frame.now).total

    def _leg(self, contract: Contract) -> margin.MarginLeg:
        if contract not in self.priced:
            self.priced[contract] = _leg(contract, self.frame)
        return self.priced[contract]


def requirement(holdings: Holdings, frame: Frame) -> Decimal:
    """Rupees blocked for these signed units held together."""
    return Sheet(frame).requirement(holdings)


def after_each(before: Holdings, orders: Sequence[tuple[Contract, int]], frame: Frame) -> list[Decimal]:
    """As `Sheet.after_each`, for one question of a frame."""
    return Sheet(frame).after_each(before, orders)


def shares(
    held: Mapping[Pair, Sequence[tuple[Contract, int]]],
    account_of: Mapping[Pair, Hashable],
    frame: Frame,
) -> dict[Pair, Decimal | None]:
    """Each pair's share of its account's margin: its stand-alone margin scaled to the portfolio's.

    The shares of an account add up to its margin exactly. None for the pairs of an account that
    holds something without a price or forward.
    """
    by_account: dict[Hashable, list[Pair]] = {}
    for pair in held:
        by_account.setdefault(account_of[pair], []).append(pair)
    sheet = Sheet(frame)
    found: dict[Pair, Decimal | None] = {}
    for pairs in by_account.values():
        try:
            alone = {pair: sheet.requirement(held[pair]) for pair in pairs}
            total = sheet.requirement([each for pair in pairs for each in held[pair]])
        except NoMargin:
            found |= dict.fromkeys(pairs)
        else:
            found |= margin.attributed(total, alone)
    return found


def _netted(holdings: Holdings) -> dict[Contract, int]:
    net: dict[Contract, int] = {}
    for contract, quantity in holdings:
        net[contract] = net.get(contract, 0) + quantity
    return net


def _leg(contract: Contract, frame: Frame) -> margin.MarginLeg:
    """One unit of it, priced."""
    quote = frame.quote(contract.symbol)
    forward = frame.forwards.get((contract.underlying, contract.expiry))
    if quote is None or forward is None:
        raise NoMargin(f"{contract.symbol} has no quote or its expiry no forward in this frame.")
    price = float(quote.mid)
    expires_today = contract.expiry == ist_day(frame.now)
    if not contract.is_option:
        return margin.MarginLeg(contract, 1, price, 0.0, float(forward), expires_today)
    vol = _vol(contract, price, float(forward), frame)
    return margin.MarginLeg(contract, 1, price, vol, float(forward), expires_today)


def _vol(contract: Contract, price: float, forward: float, frame: Frame) -> float:
    """Implied from the mid; one without a solution is priced by its intrinsic value (vol 0)."""
    t = pricing.year_fraction(
        frame.now, calendar.settlement_time(contract.exchange, contract.expiry)
    )
    df = float(np.exp(-pricing.RATE * t))
    vol, _ = pricing.implied_vol(price, forward, float(contract.strike or 0), t, df, contract.is_call)
    return 0.0 if np.isnan(vol) else vol
