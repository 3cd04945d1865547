"""What a chain's open interest and volume say: put-call ratios and max pain. Pure.

Where the source tells neither, every figure is None: nothing is estimated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from market.kernel.contracts import Contract
from market.kernel.frame import Quote

Open = list[tuple[Decimal, bool, int]]
# Paid amounts are whole paise in int64: room for 10 crore units on each of 1,000 options.


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """Sums are units over the strikes whose figure is known, None where none is; `oi_unknown`
    counts the options without open interest. Ratios are put over call, None without calls."""

    call_oi: int | None
    put_oi: int | None
    pcr_oi: float | None
    call_volume: int | None
    put_volume: int | None
    pcr_volume: float | None
    max_pain: Decimal | None
    oi_unknown: int


def interest_of(quoted: Iterable[tuple[Contract, Quote]]) -> Interest:
    """The figures of one expiry's options."""
    rows = list(quoted)
    call_oi, put_oi = (_sum(q.oi for o, q in rows if o.is_call is side) for side in (True, False))
    calls, puts = (_sum(q.volume for o, q in rows if o.is_call is side) for side in (True, False))
    known = [
        (o.strike, o.is_call, q.oi) for o, q in rows if q.oi is not None and o.strike is not None
    ]
    return Interest(
        call_oi=call_oi,
        put_oi=put_oi,
        pcr_oi=_ratio(put_oi, call_oi),
        call_volume=calls,
        put_volume=puts,
        pcr_volume=_ratio(puts, calls),
        max_pain=max_pain(known) if call_oi is not None and put_oi is not None else None,
        oi_unknown=sum(quote.oi is None for _, quote in rows),
    )


def max_pain(held: Open) -> Decimal | None:
    """The listed strike at which the options would pay their holders least if they settled there.

    `held` is (strike, is a call, open interest in units). Paid at S: sum over calls of
    oi x max(S - strike, 0) plus over puts of oi x max(strike - S, 0). The lowest strike of several
    that pay the same; None without any open interest.
    """
    if not any(oi for _, _, oi in held):
        return None
    strikes = sorted({strike for strike, _, _ in held})
    levels = np.array([_paise(strike) for strike in strikes])[:, None]
    at = np.array([_paise(strike) for strike, _, _ in held])
    sign = np.array([1 if is_call else -1 for _, is_call, _ in held])
    oi = np.array([units for _, _, units in held])
    paid = (np.maximum(sign * (levels - at), 0) * oi).sum(axis=1)
    return strikes[int(np.argmin(paid))]


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _ratio(puts: int | None, calls: int | None) -> float | None:
    return puts / calls if puts is not None and calls else None


def _paise(strike: Decimal) -> int:
    return int(strike * 100)
