"""The option chain and the listed contracts, as one frame has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import exp
from typing import Any

import numpy as np

from market.kernel import calendar, pricing
from market.kernel.contracts import Contract, exchange_of, parse
from market.kernel.frame import Frame, Quote
from market.kernel.pricing import Flag

DAYS_A_YEAR = 365
VOL_POINTS = 100
VALUED = (Flag.OK, Flag.ILL_CONDITIONED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One option. Greeks are per unit: theta a calendar day, vega a point of volatility; None where
    the price implies no volatility, and `iv_flag` says why."""

    symbol: str
    quote: Quote
    stale: bool
    iv: float | None
    iv_flag: str
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None


@dataclass(frozen=True, slots=True)
class Strike:
    strike: Decimal
    moneyness: float | None
    at_the_money: bool
    call: Side | None
    put: Side | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    underlying: str
    expiry: date
    forward: Decimal | None
    spot: Decimal | None
    lot_size: int
    strikes: tuple[Strike, ...]


def listed(frame: Frame, underlying: str, expiry: date | None = None) -> list[Contract]:
    """The contracts that the frame quotes, in order; futures last within an expiry."""
    found = [parse(symbol) for symbol in frame.quotes if symbol.startswith(f"{underlying}-")]
    mine = [each for each in found if expiry is None or each.expiry == expiry]
    return sorted(mine, key=lambda c: (c.expiry, c.strike or Decimal("Infinity"), c.option_type))


def expiries_in(frame: Frame, underlying: str) -> list[date]:
    """The expiries of the options that the frame quotes."""
    return sorted({each.expiry for each in listed(frame, underlying) if each.is_option})


def chain(frame: Frame, underlying: str, expiry: date) -> Chain:
    """Every listed strike of the expiry with both sides, implied volatility and Greeks."""
    options = [each for each in listed(frame, underlying, expiry) if each.is_option]
    forward = frame.forwards.get((underlying, expiry))
    sides = dict(zip(options, _sides(frame, options, forward), strict=True))
    strikes = sorted({each.strike for each in options if each.strike is not None})
    money = None if forward is None else min(strikes, key=lambda k: (abs(k - forward), k))
    rows = [
        Strike(
            strike,
            None if forward is None else float(strike / forward),
            strike == money,
            sides.get(Contract(underlying, expiry, "CE", strike)),
            sides.get(Contract(underlying, expiry, "PE", strike)),
        )
        for strike in strikes
    ]
    return Chain(
        underlying=underlying,
        expiry=expiry,
        forward=forward,
        spot=frame.spots.get(underlying),
        lot_size=options[0].lot_size,
        strikes=tuple(rows),
    )


def implied(
    frame: Frame, options: Sequence[Contract], prices: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(vols, flags, years to settlement) of options at these prices on the frame's forwards.

    A series without a forward is flagged INVALID.
    """
    forward = np.array(
        [float(frame.forwards.get((o.underlying, o.expiry), "nan")) for o in options], dtype=float
    )
    strike = np.array([float(o.strike or 0) for o in options])
    t = np.array([years(frame.now, o.underlying, o.expiry) for o in options])
    calls = np.array([o.is_call for o in options], dtype=bool)
    df = np.exp(-pricing.RATE * t)
    vols, flags = pricing.implied_vol(np.array(prices, dtype=float), forward, strike, t, df, calls)
    return vols, flags, t


def years(now: datetime, underlying: str, expiry: date) -> float:
    """Years to the settlement of contracts of that expiry."""
    return pricing.year_fraction(now, calendar.settlement_time(exchange_of(underlying), expiry))


def _sides(frame: Frame, options: Sequence[Contract], forward: Decimal | None) -> list[Side]:
    if not options:
        return []
    quotes = [frame.quotes[each.symbol] for each in options]
    vols, flags, t = implied(frame, options, [float(quote.mid) for quote in quotes])
    usable = np.isin(flags, VALUED)
    found = pricing.greeks(
        float(forward) if forward is not None else np.nan,
        np.array([float(each.strike or 0) for each in options]),
        t,
        exp(-pricing.RATE * t[0]),
        np.where(usable, vols, 1.0),
        np.array([each.is_call for each in options]),
    )
    scales = {"delta": 1, "gamma": 1, "theta": DAYS_A_YEAR, "vega": VOL_POINTS}
    columns = {
        name: _numbers(np.where(usable, found[name] / by, np.nan)) for name, by in scales.items()
    }
    ivs = _numbers(np.where(usable, vols, np.nan))
    return [
        Side(
            symbol=option.symbol,
            quote=quote,
            stale=quote.stale(frame.now, frame.cadence),
            iv=ivs[row],
            iv_flag=Flag(int(flags[row])).name.lower(),
            **{name: column[row] for name, column in columns.items()},
        )
        for row, (option, quote) in enumerate(zip(options, quotes, strict=True))
    ]


def _numbers(values: Any) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]
