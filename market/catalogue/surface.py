"""Implied volatility across strikes and expiries, and the expiring series against the next one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from math import expm1

from market.catalogue.chain import (
    VALUED,
    Chain,
    Strike,
    expiries_in,
    implied_of_strikes,
    listed,
    nearest_strike,
    years,
)
from market.kernel import calendar, pricing
from market.kernel.clock import ist_day
from market.kernel.contracts import Contract, exchange_of
from market.kernel.frame import Frame
from market.kernel.spot import spot_lives


@dataclass(frozen=True, slots=True)
class SmilePoint:
    """One strike's volatility. `weak`: a tick of the price moves it by more than a quarter, or the
    side out of the money is not quoted both ways, as in the last hours of an expiring series."""

    strike: Decimal
    moneyness: float
    iv: float
    weak: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TermPoint:
    """One expiry at the money; `days` are calendar days to its settlement, iv None where none is implied."""

    expiry: date
    days: float
    forward: Decimal
    synthetic: bool
    strike: Decimal
    iv: float | None
    iv_flag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The expiring series against the next one, in index points.

    `difference` is next forward - expiring forward; `carry` is what interest alone would make it;
    `excess` is what is left. `spot` is None once the index is not continuous.
    """

    underlying: str
    expiring: date
    expiring_forward: Decimal
    following: date | None
    following_forward: Decimal | None
    difference: Decimal | None
    carry: Decimal | None
    excess: Decimal | None
    spot: Decimal | None
    spot_is_live: bool


def smile(chain: Chain) -> tuple[SmilePoint, ...]:
    """The strikes of a chain that imply a volatility, in order."""
    points = []
    for row in chain.strikes:
        side = row.call or row.put
        if side is not None and side.iv is not None and row.moneyness is not None:
            weak = side.iv_flag == "ill_conditioned" or not _is_quoted(row)
            points.append(SmilePoint(row.strike, row.moneyness, side.iv, weak))
    return tuple(points)


def _is_quoted(row: Strike) -> bool:
    """Whether the side out of the money has a bid and an ask."""
    sides = [each for each in (row.call, row.put) if each is not None and not each.in_the_money]
    return any(each.quote.bid is not None and each.quote.ask is not None for each in sides)


def term_structure(frame: Frame, underlying: str) -> tuple[TermPoint, ...]:
    """The at-the-money volatility of every expiry that has a forward, in order."""
    money = [
        option
        for expiry in expiries_in(frame, underlying)
        if (option := _at_the_money(frame, underlying, expiry)) is not None
    ]
    if not money:
        return ()
    vols, flags, _ = implied_of_strikes(frame, money)
    rows = zip(money, vols.tolist(), flags.tolist(), strict=True)
    return tuple(_point(frame, option, vol, flag) for option, vol, flag in rows)


def divergence(frame: Frame, underlying: str) -> Divergence | None:
    """The series that expires today against the next; None where none expires or it has no forward."""
    today = ist_day(frame.now)
    series = sorted(expiry for name, expiry in frame.forwards if name == underlying)
    if today not in series:
        return None
    forward = frame.forwards[underlying, today]
    following = next((expiry for expiry in series if expiry > today), None)
    after = None if following is None else frame.forwards[underlying, following]
    difference = None if after is None else after - forward
    carry = None if following is None else _carry(frame, underlying, forward, following)
    return Divergence(
        underlying=underlying,
        expiring=today,
        expiring_forward=forward,
        following=following,
        following_forward=after,
        difference=difference,
        carry=carry,
        excess=None if difference is None or carry is None else difference - carry,
        spot=frame.spot(underlying),
        spot_is_live=spot_lives(exchange_of(underlying), frame.now),
    )


def _carry(frame: Frame, underlying: str, forward: Decimal, following: date) -> Decimal:
    between = years(frame.now, underlying, following) - years(
        frame.now, underlying, ist_day(frame.now)
    )
    return round(forward * Decimal(expm1(pricing.RATE * between)), 2)


def _at_the_money(frame: Frame, underlying: str, expiry: date) -> Contract | None:
    """The out-of-the-money option of the strike at the money, or the other one if alone."""
    forward = frame.forwards.get((underlying, expiry))
    if forward is None:
        return None
    options = [each for each in listed(frame, underlying, expiry) if each.strike is not None]
    strike = nearest_strike([each.strike for each in options if each.strike is not None], forward)
    both = [each for each in options if each.strike == strike]
    return next((each for each in both if each.is_call == (strike >= forward)), both[0])


def _point(frame: Frame, option: Contract, vol: float, flag: int) -> TermPoint:
    key = (option.underlying, option.expiry)
    left = calendar.settlement_time(option.exchange, option.expiry) - frame.now
    assert option.strike is not None  # an option
    return TermPoint(
        expiry=option.expiry,
        days=max(left, timedelta()) / timedelta(days=1),
        forward=frame.forwards[key],
        synthetic=key in frame.synthetic,
        strike=option.strike,
        iv=vol if flag in VALUED else None,
        iv_flag=pricing.Flag(flag).name.lower(),
    )
