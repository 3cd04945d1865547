"""Every open position revalued at once: P&L in whole paise, Greeks in rupees. Pure numpy.

Conventions: longs are marked at the bid and shorts at the ask (the last price when that side is
empty, which is flagged). Greeks are those of the whole position with respect to the forward:
`delta` rupees a point, `gamma` change of delta a point, `theta` rupees a calendar day, `vega` rupees
a vol point. Implied vol comes from the mid of the out-of-the-money side of the strike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from execution.live.lines import Book
from market.kernel import pricing
from market.kernel.daycount import SECONDS_A_YEAR
from market.kernel.frame import Frame, Quote
from market.kernel.implied import Flag

DAYS_A_YEAR = 365
VOL_POINTS = 100
CARRIES_VOL = (Flag.OK, Flag.ILL_CONDITIONED)
NO_FORWARD = -1
NOT_QUOTED = -2
NAN = float("nan")
NO_QUOTE = (None, None, None)
GREEKS = ("delta", "gamma", "theta", "vega")


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """One revaluation, an entry a line. NaN and `priced` False mean not known, never a guess."""

    mark: np.ndarray
    ltp: np.ndarray
    from_ltp: np.ndarray
    priced: np.ndarray
    stale: np.ndarray
    asof: tuple[datetime | None, ...]
    gross: np.ndarray
    day: np.ndarray
    day_known: np.ndarray
    iv: np.ndarray
    flag: np.ndarray
    greeks: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """An entry a group of the book: paise, Greeks, and how many lines could not be counted."""

    gross: np.ndarray
    day: np.ndarray
    charges: np.ndarray
    unpriced: np.ndarray
    day_unknown: np.ndarray
    without_greeks: np.ndarray
    greeks: Mapping[str, np.ndarray]


def revalue(book: Book, frame: Frame, last: Mapping[str, Quote] | None = None) -> Values:
    """The book at this frame; a contract missing from it keeps its `last` quote, and is stale."""
    now, kept = frame.quotes, last or {}
    quotes = [now.get(symbol) or kept.get(symbol) for symbol in book.symbols]
    bid, ask, ltp = _prices(quotes)
    side = np.where(book.quantity > 0, bid[book.symbol], ask[book.symbol])
    from_ltp = np.isnan(side)
    mark = np.where(from_ltp, ltp[book.symbol], side)
    closed = book.quantity == 0
    priced = ~np.isnan(mark) | closed
    unrealised = book.quantity * _to_paise(mark) - book.cost
    gross = book.realised + np.where(priced & ~closed, unrealised, 0)
    vol, flag, unit = _per_contract(book, frame, _mids(bid, ask, ltp))
    oldest = frame.now - timedelta(seconds=max(10.0, 2 * frame.cadence))
    stale = np.array([q is None or q.at < oldest for q in quotes], dtype=bool)
    return Values(
        mark=np.where(closed, np.nan, mark),
        ltp=ltp[book.symbol],
        from_ltp=from_ltp & ~closed,
        priced=priced,
        stale=stale[book.symbol] & ~closed,
        asof=tuple(None if q is None else q.at for q in quotes),
        gross=gross,
        day=gross - book.opening - (book.charges - book.charges_before),
        day_known=book.opening_known,
        iv=vol[book.symbol],
        flag=flag[book.symbol],
        greeks={name: np.where(closed, 0.0, value[book.symbol] * book.quantity) for name, value in unit.items()},
    )


def totals(book: Book, values: Values) -> Totals:
    """Sums by group. A line without a price counts at its cost, and is counted as unpriced."""
    missing = np.isnan(values.greeks["delta"])
    return Totals(
        gross=_sum(book, values.gross) + book.past_realised,
        day=_sum(book, values.day),
        charges=_sum(book, book.charges) + book.past_charges,
        unpriced=_sum(book, (~values.priced).astype(np.int64)),
        day_unknown=_sum(book, (~values.day_known).astype(np.int64)),
        without_greeks=_sum(book, missing.astype(np.int64)),
        greeks={name: _sum(book, np.where(missing, 0.0, v)) for name, v in values.greeks.items()},
    )


def _per_contract(
    book: Book, frame: Frame, own_mid: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Vol, its flag and the Greeks of one unit of every contract."""
    forward = np.array([float(frame.forwards.get(key, np.nan)) for key in book.series_keys])[book.series]
    now = frame.now.timestamp()
    t = np.maximum((book.expires[book.series] - now) / SECONDS_A_YEAR, 0.0)
    df = np.exp(-pricing.RATE * t)
    mid, call = _out_of_the_money(book, frame, forward, own_mid)
    vol, flag, raw = pricing.implied_greeks(
        mid, forward, book.strike, t, df, call, wanted=book.is_call
    )
    flag = np.where(np.isnan(forward), NO_FORWARD, np.where(np.isnan(own_mid), NOT_QUOTED, flag))
    usable = np.isin(flag, CARRIES_VOL) & ~book.is_future
    unit = {
        "delta": np.where(usable, raw["delta"], np.nan),
        "gamma": np.where(usable, raw["gamma"], np.nan),
        "theta": np.where(usable, raw["theta"] / DAYS_A_YEAR, np.nan),
        "vega": np.where(usable, raw["vega"] / VOL_POINTS, np.nan),
    }
    for name, value in unit.items():
        value[book.is_future] = 1.0 if name == "delta" else 0.0
    return np.where(usable, vol, np.nan), np.where(book.is_future, Flag.OK, flag), unit


def _out_of_the_money(
    book: Book, frame: Frame, forward: np.ndarray, own_mid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The mid that prices each strike's vol: the OTM twin's where it is quoted on both sides."""
    inside = np.where(book.is_call, forward > book.strike, forward < book.strike) & ~book.is_future
    places = np.flatnonzero(inside)
    twins = [frame.quotes.get(book.siblings[n]) for n in places.tolist()]
    bid, ask, _ = _prices(twins)
    both = (bid + ask) / 2
    mid, call = own_mid.copy(), book.is_call.copy()
    quoted = places[~np.isnan(both)]
    mid[quoted] = both[~np.isnan(both)]
    call[quoted] = ~call[quoted]
    return mid, call


def _prices(quotes: Sequence[Quote | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    columns = zip(*(NO_QUOTE if q is None else q[:3] for q in quotes), strict=True)
    found = [np.array([NAN if v is None else float(v) for v in column]) for column in columns]
    bid, ask, ltp = found or (np.zeros(0), np.zeros(0), np.zeros(0))
    return bid, ask, ltp


def _mids(bid: np.ndarray, ask: np.ndarray, ltp: np.ndarray) -> np.ndarray:
    both = (bid + ask) / 2
    return np.where(np.isnan(both), ltp, both)


def _sum(book: Book, values: np.ndarray) -> np.ndarray:
    out = np.zeros(len(book.groups), dtype=values.dtype)
    for groups in book.membership:
        np.add.at(out, groups, values)
    return out


def _to_paise(price: np.ndarray) -> np.ndarray:
    return np.rint(np.nan_to_num(price) * 100).astype(np.int64)
