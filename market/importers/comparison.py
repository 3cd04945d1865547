"""Our implied volatility beside the exchange's own, of the same last prices."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from market.importers.rows import Snapshot
from market.kernel import calendar, pricing
from market.kernel.contracts import Contract, exchange_of
from market.kernel.frame import Frame
from market.kernel.pricing import Flag

EXCHANGE_RATES = {"NSE": 0.10, "BSE": 0.055}
"""The exchanges' sites price by Black-Scholes on the spot at a fixed rate, whatever forward the
options themselves imply; so the call and the put of a strike get two volatilities there. The NSE's
rate is as published, the BSE's as measured on its chain of 10 July 2026 (median 0.0003 points)."""

POINTS = 100
NOT_GIVEN = "the exchange gives none"
NO_FORWARD = "no forward of the series"
WHY_NOT = {
    Flag.EXPIRED: "expired",
    Flag.BELOW_INTRINSIC: "last price below the intrinsic value on our forward",
    Flag.AT_INTRINSIC: "last price at the intrinsic value",
    Flag.ABOVE_MAX: "last price above any value",
    Flag.INVALID: "not a price",
}


@dataclass(frozen=True, slots=True)
class Gap:
    """How far apart two volatilities are, in points of volatility, over `count` options."""

    count: int
    median: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One series. `out` is out-of-the-money options alone: in the money a tick is many points.

    `own` is our solver with the exchange's convention, which shows what of the gap is convention.
    `without` counts by reason the options that could not be compared.
    """

    underlying: str
    expiry: date
    all: Gap | None
    out: Gap | None
    own: Gap | None
    without: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Series:
    theirs: np.ndarray
    prices: np.ndarray
    strikes: np.ndarray
    calls: np.ndarray
    t: float


def compare(snapshot: Snapshot, frame: Frame) -> list[Comparison]:
    """One comparison for each series of options in the snapshot, on the frame's forwards."""
    series: dict[tuple[str, date], list[Contract]] = {}
    for contract in snapshot.contracts.values():
        if contract.is_option:
            series.setdefault((contract.underlying, contract.expiry), []).append(contract)
    return [_compared(key, listed, snapshot, frame) for key, listed in sorted(series.items())]


def gap(differences: np.ndarray) -> Gap | None:
    """Median and 95th percentile of absolute differences given as fractions; None of nothing."""
    if not len(differences):
        return None
    points = np.abs(differences) * POINTS
    return Gap(len(points), float(np.median(points)), float(np.percentile(points, 95)))


def _compared(
    key: tuple[str, date], listed: list[Contract], snapshot: Snapshot, frame: Frame
) -> Comparison:
    given = [each for each in listed if each.symbol in snapshot.iv]
    without = Counter({NOT_GIVEN: len(listed) - len(given)})
    held = _arrays(key, given, snapshot, frame.now)
    forward, spot = frame.forwards.get(key), snapshot.spots.get(key[0])
    ours, own = np.array([]), np.array([])
    out = np.array([], dtype=bool)
    if forward is None:
        without[NO_FORWARD] += len(given)
    elif given:
        ours, flags = _differences(held, forward, pricing.RATE)
        without.update(WHY_NOT[Flag(flag)] for flag in flags[np.isnan(ours)].tolist())
        out = held.calls == (held.strikes >= float(forward))
    if spot is not None and given:
        rate = EXCHANGE_RATES[exchange_of(key[0])]
        carried = Decimal(str(float(spot) * float(np.exp(rate * held.t))))
        own, _ = _differences(held, carried, rate)
    return Comparison(
        underlying=key[0],
        expiry=key[1],
        all=gap(ours[~np.isnan(ours)]),
        out=gap(ours[out & ~np.isnan(ours)] if len(ours) else ours),
        own=gap(own[~np.isnan(own)]),
        without={reason: count for reason, count in without.items() if count},
    )


def _arrays(
    key: tuple[str, date], given: list[Contract], snapshot: Snapshot, now: datetime
) -> _Series:
    return _Series(
        theirs=np.array([snapshot.iv[each.symbol] for each in given]),
        prices=np.array([float(snapshot.quotes[each.symbol].ltp) for each in given]),
        strikes=np.array([float(each.strike or 0) for each in given]),
        calls=np.array([each.is_call for each in given], dtype=bool),
        t=pricing.year_fraction(now, calendar.settlement_time(exchange_of(key[0]), key[1])),
    )


def _differences(held: _Series, forward: Decimal, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """(our vol minus theirs, flags); NaN where the price implies none."""
    df = float(np.exp(-rate * held.t))
    vols, flags = pricing.implied_vol(
        held.prices, float(forward), held.strikes, held.t, df, held.calls
    )
    usable = np.isin(flags, (Flag.OK, Flag.ILL_CONDITIONED))
    return np.where(usable, vols - held.theirs, np.nan), flags
