"""The option chain and the listed contracts, as one frame has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import isnan
from typing import Any

import numpy as np

from market.catalogue.interest import Interest, interest_of
from market.kernel import calendar, pricing
from market.kernel.contracts import Contract, exchange_of, parse
from market.kernel.frame import Frame, Quote
from market.kernel.pricing import Flag

DAYS_A_YEAR = 365
VOL_POINTS = 100
VALUED = (Flag.OK, Flag.ILL_CONDITIONED)
SCALES = {"delta": 1, "gamma": 1, "theta": DAYS_A_YEAR, "vega": VOL_POINTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One option. Greeks are per unit: theta a calendar day, vega a point of volatility; None where
    the price implies no volatility, and `iv_flag` says why. `iv` is that of the strike: it comes
    from the out-of-the-money side where that is quoted both ways, so a call and a put share it."""

    symbol: str
    quote: Quote
    stale: bool
    in_the_money: bool | None
    iv: float | None
    iv_flag: str
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None


@dataclass(frozen=True, slots=True)
class Strike:
    """`moneyness` is strike / forward: above 1 the call is out of the money; None without a forward."""

    strike: Decimal
    moneyness: float | None
    at_the_money: bool
    call: Side | None
    put: Side | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """`spot` is None while the index is not continuous (after 15:15 since 2026-08-03)."""

    underlying: str
    expiry: date
    forward: Decimal | None
    spot: Decimal | None
    lot_size: int
    interest: Interest
    strikes: tuple[Strike, ...]

    @property
    def at_the_money(self) -> Strike | None:
        """The strike nearest the forward, the lower of two; None without a forward."""
        return next((row for row in self.strikes if row.at_the_money), None)

    def window(self, each_side: int | None) -> tuple[Strike, ...]:
        """So many strikes on each side of the money; all of them for None or without a forward."""
        rows, middle = self.strikes, self.at_the_money
        if each_side is None or middle is None:
            return rows
        place = rows.index(middle)
        return rows[max(0, place - each_side) : place + each_side + 1]


def listed(frame: Frame, underlying: str, expiry: date | None = None) -> list[Contract]:
    """The contracts that the frame quotes, in order; futures last within an expiry."""
    start = f"{underlying}-" if expiry is None else f"{underlying}-{expiry:%Y%m%d}-"
    found = [parse(symbol) for symbol in frame.quotes if symbol.startswith(start)]
    return sorted(found, key=lambda c: (c.expiry, c.strike or Decimal("Infinity"), c.option_type))


def expiries_in(frame: Frame, underlying: str) -> list[date]:
    """The expiries of the options that the frame quotes."""
    return sorted({each.expiry for each in listed(frame, underlying) if each.is_option})


def underlyings_in(frame: Frame) -> list[str]:
    """The underlyings that the frame quotes, in alphabetical order."""
    return sorted({symbol.partition("-")[0] for symbol in frame.quotes})


def nearest_strike(strikes: Sequence[Decimal], forward: Decimal) -> Decimal:
    """The strike at the money: nearest the forward, the lower of two."""
    return min(strikes, key=lambda k: (abs(k - forward), k))


def chain(frame: Frame, underlying: str, expiry: date) -> Chain:
    """Every listed strike of the expiry with both sides, implied volatility and Greeks."""
    options = [each for each in listed(frame, underlying, expiry) if each.is_option]
    forward = frame.forwards.get((underlying, expiry))
    sides = {
        (each.strike, each.is_call): side
        for each, side in zip(options, _sides(frame, options, forward), strict=True)
    }
    strikes = sorted({each.strike for each in options if each.strike is not None})
    money = nearest_strike(strikes, forward) if strikes and forward is not None else None
    rows = tuple(
        Strike(
            strike,
            None if forward is None else float(strike / forward),
            strike == money,
            sides.get((strike, True)),
            sides.get((strike, False)),
        )
        for strike in strikes
    )
    return Chain(
        underlying=underlying,
        expiry=expiry,
        forward=forward,
        spot=frame.spot(underlying),
        lot_size=options[0].lot_size,
        interest=interest_of((each, frame.quotes[each.symbol]) for each in options),
        strikes=rows,
    )


def implied(
    frame: Frame, options: Sequence[Contract], prices: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(vols, flags, years to settlement) of options at these prices on the frame's forwards.

    A series without a forward is flagged INVALID.
    """
    columns = _columns(frame, options, prices)
    vols, flags = pricing.implied_vol(*columns)
    return vols, flags, columns[3]


def _columns(
    frame: Frame, options: Sequence[Contract], prices: Sequence[float]
) -> tuple[np.ndarray, ...]:
    """What `pricing` asks of options: price, forward, strike, years, discount factor, side."""
    forward = np.array(
        [float(frame.forwards.get((o.underlying, o.expiry), "nan")) for o in options], dtype=float
    )
    strike = np.array([float(o.strike or 0) for o in options])
    settles = {key: years(frame.now, *key) for key in {(o.underlying, o.expiry) for o in options}}
    t = np.array([settles[o.underlying, o.expiry] for o in options])
    calls = np.array([o.is_call for o in options], dtype=bool)
    return np.array(prices, dtype=float), forward, strike, t, np.exp(-pricing.RATE * t), calls


def implied_of_strikes(
    frame: Frame, options: Sequence[Contract]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(vols, flags, years), the vol of each option's strike: from the middle of the option out of
    the money where that is quoted both ways, else from the option's own middle or last price."""
    priced, prices = _strike_prices(frame, options)
    return implied(frame, priced, prices)


def _strike_prices(
    frame: Frame, options: Sequence[Contract]
) -> tuple[list[Contract], list[float]]:
    priced = [_priced_by(frame, option) for option in options]
    return priced, [float(frame.quotes[each.symbol].mid) for each in priced]


def years(now: datetime, underlying: str, expiry: date) -> float:
    """Years to the settlement of contracts of that expiry."""
    return pricing.year_fraction(now, calendar.settlement_time(exchange_of(underlying), expiry))


def _priced_by(frame: Frame, option: Contract) -> Contract:
    forward = frame.forwards.get((option.underlying, option.expiry))
    if forward is None or not _in_the_money(option, forward):
        return option
    twin = f"{option.symbol[:-2]}{'PE' if option.is_call else 'CE'}"
    quote = frame.quotes.get(twin)
    quoted = quote is not None and quote.bid is not None and quote.ask is not None
    return parse(twin) if quoted else option


def _in_the_money(option: Contract, forward: Decimal) -> bool:
    strike = option.strike or Decimal(0)
    return strike < forward if option.is_call else strike > forward


def _sides(frame: Frame, options: Sequence[Contract], forward: Decimal | None) -> list[Side]:
    if not options:
        return []
    flags, columns = _greeks(frame, options)
    return [
        Side(
            symbol=(symbol := option.symbol),
            quote=(quote := frame.quotes[symbol]),
            stale=quote.stale(frame.now, frame.cadence),
            in_the_money=None if forward is None else _in_the_money(option, forward),
            iv_flag=Flag(flag).name.lower(),
            **{name: column[row] for name, column in columns.items()},
        )
        for row, (option, flag) in enumerate(zip(options, flags.tolist(), strict=True))
    ]


def _greeks(
    frame: Frame, options: Sequence[Contract]
) -> tuple[np.ndarray, Mapping[str, list[float | None]]]:
    """The flags of options, and their vols and Greeks as columns in the units of `Side`."""
    calls = np.array([each.is_call for each in options])
    vols, flags, found = pricing.implied_greeks(
        *_columns(frame, *_strike_prices(frame, options)), wanted=calls
    )
    usable = np.isin(flags, VALUED)
    columns = {
        name: _numbers(np.where(usable, found[name] / by, np.nan)) for name, by in SCALES.items()
    }
    return flags, {"iv": _numbers(np.where(usable, vols, np.nan)), **columns}


def _numbers(values: Any) -> list[float | None]:
    return [None if isnan(value) else value for value in values.tolist()]
