"""Every open position revalued at once: P&L in whole paise, Greeks in rupees. Pure numpy.

Conventions: longs are marked at the bid and shorts at the ask (the last price when that side is
empty, which is flagged). Greeks are those of the whole position with respect to the forward:
`delta` rupees a point, `gamma` change of delta a point, `theta` rupees a calendar day, `vega` rupees
a vol point. Implied vol comes from the mid of the out-of-the-money side of the strike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from market.kernel import calendar, pricing
from market.kernel.contracts import Contract
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


class Scope(NamedTuple):
    """Whose a line is, and every row of the summary that it counts in."""

    owner: int
    basket: int
    strategy: int
    allocation: int
    account: int

    @property
    def keys(self) -> tuple[str, ...]:
        return (
            "all",
            f"basket:{self.basket}",
            f"strategy:{self.strategy}",
            f"pair:{self.allocation}",
            f"account:{self.account}",
        )


class Line(NamedTuple):
    """One position; `day_opening` None: what it was worth at the last close is not known yet."""

    id: int
    scope: Scope
    contract: Contract
    lot_size: int
    quantity: int
    average_price: Decimal
    cost: Decimal
    realised: Decimal
    charges: Decimal
    day_opening: Decimal | None
    day_charges_before: Decimal


class Past(NamedTuple):
    """What a pair's positions closed before today earned; it counts in totals, not in the day."""

    scope: Scope
    realised: Decimal
    charges: Decimal


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """The lines as arrays. Money is int64 paise; `symbol` and `series` index the tuples."""

    lines: tuple[Line, ...]
    contracts: tuple[Contract, ...]
    symbols: tuple[str, ...]
    siblings: tuple[str, ...]
    series_keys: tuple[tuple[str, date], ...]
    symbol: np.ndarray
    quantity: np.ndarray
    cost: np.ndarray
    realised: np.ndarray
    charges: np.ndarray
    opening: np.ndarray
    opening_known: np.ndarray
    charges_before: np.ndarray
    strike: np.ndarray
    is_call: np.ndarray
    is_future: np.ndarray
    series: np.ndarray
    expires: np.ndarray
    groups: tuple[tuple[int, str], ...]
    membership: np.ndarray
    past_realised: np.ndarray
    past_charges: np.ndarray


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


def build(lines: Iterable[Line], past: Iterable[Past] = ()) -> Book:
    """The book of these lines; the same contract held twice is priced once."""
    rows, closed = tuple(lines), tuple(past)
    contracts = tuple(dict.fromkeys(line.contract for line in rows))
    place = {contract: n for n, contract in enumerate(contracts)}
    series_keys = tuple(dict.fromkeys((c.underlying, c.expiry) for c in contracts))
    series_place = {key: n for n, key in enumerate(series_keys)}
    scopes = [line.scope for line in rows] + [item.scope for item in closed]
    groups = tuple(dict.fromkeys((scope.owner, key) for scope in scopes for key in scope.keys))
    group_place = {group: n for n, group in enumerate(groups)}
    past_realised, past_charges = _past(closed, group_place)
    return Book(
        lines=rows,
        contracts=contracts,
        symbols=tuple(contract.symbol for contract in contracts),
        siblings=tuple(_sibling(contract) for contract in contracts),
        series_keys=series_keys,
        symbol=_ints(place[line.contract] for line in rows),
        quantity=_ints(line.quantity for line in rows),
        cost=_paise(line.cost for line in rows),
        realised=_paise(line.realised for line in rows),
        charges=_paise(line.charges for line in rows),
        opening=_paise(line.day_opening or Decimal(0) for line in rows),
        opening_known=np.array([line.day_opening is not None for line in rows], dtype=bool),
        charges_before=_paise(line.day_charges_before for line in rows),
        strike=np.array([float(c.strike or 1) for c in contracts]),
        is_call=np.array([c.is_call for c in contracts], dtype=bool),
        is_future=np.array([not c.is_option for c in contracts], dtype=bool),
        series=_ints(series_place[c.underlying, c.expiry] for c in contracts),
        expires=np.array([_expires(*key) for key in series_keys]),
        groups=groups,
        membership=_membership(rows, group_place),
        past_realised=past_realised,
        past_charges=past_charges,
    )


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
    vol, flag = pricing.implied_vol(mid, forward, book.strike, t, df, call)
    flag = np.where(np.isnan(forward), NO_FORWARD, np.where(np.isnan(own_mid), NOT_QUOTED, flag))
    usable = np.isin(flag, CARRIES_VOL) & ~book.is_future
    with np.errstate(all="ignore"):
        raw = pricing.greeks(forward, book.strike, t, df, np.where(usable, vol, np.nan), book.is_call)
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


def _membership(rows: Sequence[Line], place: Mapping[tuple[int, str], int]) -> np.ndarray:
    table = [[place[line.scope.owner, key] for key in line.scope.keys] for line in rows]
    return np.array(table, dtype=np.int64).reshape(len(rows), 5).T


def _past(
    closed: Sequence[Past], place: Mapping[tuple[int, str], int]
) -> tuple[np.ndarray, np.ndarray]:
    realised, charges = np.zeros(len(place), dtype=np.int64), np.zeros(len(place), dtype=np.int64)
    for item in closed:
        for key in item.scope.keys:
            realised[place[item.scope.owner, key]] += int(item.realised * 100)
            charges[place[item.scope.owner, key]] += int(item.charges * 100)
    return realised, charges


def _sibling(contract: Contract) -> str:
    if not contract.is_option:
        return ""
    twin = replace(contract, option_type="PE" if contract.is_call else "CE")
    return twin.symbol


def _expires(underlying: str, expiry: date) -> float:
    """Seconds since 1970 of the settlement; NaN, so no Greeks, where the facts do not reach."""
    try:
        exchange = Contract(underlying, expiry, "FUT").exchange
        return calendar.settlement_time(exchange, expiry).timestamp()
    except calendar.OutsideCoverage:
        return float("nan")


def _ints(values: Iterable[int]) -> np.ndarray:
    return np.fromiter(values, dtype=np.int64)


def _paise(values: Iterable[Decimal]) -> np.ndarray:
    return np.fromiter((int(value * 100) for value in values), dtype=np.int64)


def _to_paise(price: np.ndarray) -> np.ndarray:
    return np.rint(np.nan_to_num(price) * 100).astype(np.int64)
