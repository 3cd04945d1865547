"""Legs as a user asks for them, priced on one frame: the spot, their vols, the at-the-money vol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import exp

import numpy as np

from market.catalogue import chain
from market.kernel import pricing
from market.kernel.contracts import Contract, OptionType
from market.kernel.frame import Frame
from market.kernel.payoff import PayoffLeg
from users.errors import Refused


@dataclass(frozen=True, slots=True)
class Wanted:
    """A leg as asked for: units above 0, side +1 or -1, its price or None for the market's middle."""

    contract: Contract
    side: int
    quantity: int
    price: float | None


@dataclass(frozen=True, slots=True)
class Priced:
    """A leg with what it was valued at; `carry` is its forward over the spot."""

    wanted: Wanted
    leg: PayoffLeg
    iv: float | None
    years: float
    carry: float


def spot_of(frame: Frame, wanted: Sequence[Wanted]) -> float:
    """The index while it lives, else the first expiry's forward discounted to now."""
    underlying = wanted[0].contract.underlying
    spot = frame.spot(underlying)
    if spot is not None:
        return float(spot)
    for name, expiry in sorted(frame.forwards):
        if name == underlying:
            t = chain.years(frame.now, underlying, expiry)
            return float(frame.forwards[name, expiry]) * exp(-pricing.RATE * t)
    raise Refused(
        "no_forward",
        f"The market has neither an index nor a forward of {underlying} now.",
        fix="Choose an underlying that the running timeline plays.",
        field="underlying",
    )


def atm_vol(frame: Frame, underlying: str, expiry: date) -> float | None:
    """The vol of the listed strike nearest the forward: the mean of its call's and its put's."""
    forward = frame.forwards.get((underlying, expiry))
    options = [each for each in chain.listed(frame, underlying, expiry) if each.is_option]
    strikes = {each.strike for each in options if each.strike is not None}
    if forward is None or not strikes:
        return None
    strike = min((abs(k - forward), k) for k in strikes)[1]
    pair = [each for each in options if each.strike == strike]
    found, flags, _ = chain.implied(
        frame, pair, [float(frame.quotes[each.symbol].mid) for each in pair]
    )
    usable = found[np.isin(flags, chain.VALUED)]
    return float(usable.mean()) if usable.size else None


def priced(frame: Frame, wanted: Sequence[Wanted], spot: float) -> list[Priced]:
    prices = [_price(frame, each, index) for index, each in enumerate(wanted)]
    vols = _vols(frame, wanted, prices)
    legs = []
    for index, (each, price) in enumerate(zip(wanted, prices, strict=True)):
        contract = each.contract
        t = chain.years(frame.now, contract.underlying, contract.expiry)
        forward = frame.forwards.get((contract.underlying, contract.expiry))
        carry = float(forward) / spot if forward is not None else exp(pricing.RATE * t)
        strike = None if contract.strike is None else float(contract.strike)
        leg = PayoffLeg(each.side, each.quantity, contract.option_type, strike, price)  # type: ignore[arg-type]  # 1 or -1: a leg of the kernel
        legs.append(Priced(each, leg, vols.get(index), t, carry))
    return legs


def _vols(frame: Frame, wanted: Sequence[Wanted], prices: Sequence[float]) -> dict[int, float]:
    """Implied vols by leg: of its own mark, else of the other side of its strike."""
    own = {
        n: (each.contract, _mark(frame, each, prices[n]))
        for n, each in enumerate(wanted)
        if each.contract.is_option
    }
    known = _implied(frame, own)
    others = {n: _other_side(own[n][0]) for n in own.keys() - known.keys()}
    quoted = {
        n: (other, float(frame.quotes[other.symbol].mid))
        for n, other in others.items()
        if other.symbol in frame.quotes
    }
    return known | _implied(frame, quoted)


def _implied(frame: Frame, marks: Mapping[int, tuple[Contract, float]]) -> dict[int, float]:
    if not marks:
        return {}
    contracts, prices = zip(*marks.values(), strict=True)
    found, flags, _ = chain.implied(frame, contracts, prices)
    usable = np.isin(flags, chain.VALUED)
    return {n: float(found[i]) for i, n in enumerate(marks) if usable[i]}


def _price(frame: Frame, wanted: Wanted, index: int) -> float:
    if wanted.price is not None:
        return wanted.price
    quote = frame.quotes.get(wanted.contract.symbol)
    if quote is None:
        raise Refused(
            "no_quote",
            f"{wanted.contract.symbol} has no quote now.",
            fix="Choose a listed strike and expiry, or give the leg's price.",
            field=f"legs/{index}/price",
        )
    return float(quote.mid)


def _mark(frame: Frame, wanted: Wanted, price: float) -> float:
    """What the market says it is worth; the given price where it is not quoted."""
    quote = frame.quotes.get(wanted.contract.symbol)
    return price if quote is None else float(quote.mid)


def _other_side(contract: Contract) -> Contract:
    side: OptionType = "PE" if contract.is_call else "CE"
    return Contract(contract.underlying, contract.expiry, side, contract.strike)
