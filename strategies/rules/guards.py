"""Entry guards: what the market of this frame must look like for an entry to go.

Prices of a lot are at the touch: what is sold gets the bid, what is bought pays the ask. Futures
are no premium and do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256

from market.kernel.frame import Frame, Quote
from market.kernel.money import ZERO
from strategies.rules.conditions import Conditions
from strategies.rules.values import ResolvedLeg


class Guard(StrEnum):
    """Why an entry, or a roll, is not taken at these prices."""

    EVENT_DAY = "EVENT_DAY"
    VIX_UNKNOWN = "VIX_UNKNOWN"
    VIX_OUT_OF_BOUNDS = "VIX_OUT_OF_BOUNDS"
    GAP_UNKNOWN = "GAP_UNKNOWN"
    GAP_OUT_OF_BOUNDS = "GAP_OUT_OF_BOUNDS"
    ONE_SIDED_QUOTE = "ONE_SIDED_QUOTE"
    SPREAD_TOO_WIDE = "SPREAD_TOO_WIDE"
    SLIPPAGE_TOO_HIGH = "SLIPPAGE_TOO_HIGH"
    CREDIT_TOO_SMALL = "CREDIT_TOO_SMALL"
    DEBIT_TOO_LARGE = "DEBIT_TOO_LARGE"


#: Another frame of the same day may answer otherwise.
CLEARING = frozenset({
    Guard.VIX_OUT_OF_BOUNDS, Guard.ONE_SIDED_QUOTE, Guard.SPREAD_TOO_WIDE, Guard.SLIPPAGE_TOO_HIGH,
    Guard.CREDIT_TOO_SMALL, Guard.DEBIT_TOO_LARGE,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Blocked:
    """The guard that stands in the way, with its figures."""

    guard: Guard
    detail: str

    @property
    def may_clear(self) -> bool:
        return self.guard in CLEARING


def blocked(
    terms: Conditions, legs: Sequence[ResolvedLeg], *, underlying: str, frame: Frame, day: date
) -> Blocked | None:
    """The first guard that this frame does not satisfy, or None: the entry may go."""
    return next(_reasons(terms, legs, underlying, frame, day), None)


def _reasons(
    terms: Conditions, legs: Sequence[ResolvedLeg], underlying: str, frame: Frame, day: date
) -> Iterator[Blocked]:
    if day in terms.skip_days:
        yield Blocked(Guard.EVENT_DAY, f"{day:%d %b %Y} is one of the days to skip.")
    yield from _outside("VIX", frame.vix, terms.vix_min, terms.vix_max,
                        Guard.VIX_UNKNOWN, Guard.VIX_OUT_OF_BOUNDS)  # fmt: skip
    yield from _outside("opening gap in %", frame.gaps.get(underlying), terms.gap_min,
                        terms.gap_max, Guard.GAP_UNKNOWN, Guard.GAP_OUT_OF_BOUNDS)  # fmt: skip
    quotes = [(leg, frame.quotes[leg.contract.symbol]) for leg in legs]
    for leg, quote in quotes:
        yield from _wide(terms, leg, quote)
    yield from price_reasons(at_touch(quotes), terms.min_credit, terms.max_debit)


def _outside(
    name: str, value: Decimal | None, low: Decimal | None, high: Decimal | None,
    unknown: Guard, out: Guard,
) -> Iterator[Blocked]:  # fmt: skip
    if low is None and high is None:
        return
    if value is None:
        yield Blocked(unknown, f"The {name} is not known in this market; the strategy asks for it.")
    elif low is not None and value < low:
        yield Blocked(out, f"The {name} is {value:f}, below {low:f}.")
    elif high is not None and value > high:
        yield Blocked(out, f"The {name} is {value:f}, above {high:f}.")


def _wide(terms: Conditions, leg: ResolvedLeg, quote: Quote) -> Iterator[Blocked]:
    """Bid to ask, in points and in per cent of the mid; and half of it as the least slippage."""
    if all(
        bound is None
        for bound in (terms.max_spread_points, terms.max_spread_percent, terms.max_slippage_percent)
    ):
        return
    name = f"Leg {leg.number}"
    if quote.bid is None or quote.ask is None:
        yield Blocked(Guard.ONE_SIDED_QUOTE, f"{name} has no {'bid' if quote.bid is None else 'ask'}.")
        return
    width = quote.ask - quote.bid
    percent = width / quote.mid * 100
    if terms.max_spread_points is not None and width > terms.max_spread_points:
        yield Blocked(Guard.SPREAD_TOO_WIDE, f"{name}: bid to ask is {width:.2f} points, "
                      f"at most {terms.max_spread_points:f}.")  # fmt: skip
    if terms.max_spread_percent is not None and percent > terms.max_spread_percent:
        yield Blocked(Guard.SPREAD_TOO_WIDE, f"{name}: bid to ask is {percent:.2f}% of the mid, "
                      f"at most {terms.max_spread_percent:f}%.")  # fmt: skip
    if terms.max_slippage_percent is not None and percent / 2 > terms.max_slippage_percent:
        yield Blocked(Guard.SLIPPAGE_TOO_HIGH, f"{name}: the touch is {percent / 2:.2f}% from the "
                      f"mid, at most {terms.max_slippage_percent:f}%.")  # fmt: skip


def at_touch(quotes: Sequence[tuple[ResolvedLeg, Quote]]) -> Decimal | None:
    """Rupees that one lot takes in at the touch, negative when it pays; None where a side is empty."""
    total = ZERO
    for leg, quote in quotes:
        if not leg.contract.is_option:
            continue
        side = quote.bid if leg.side == "SELL" else quote.ask
        if side is None:
            return None
        total += side * leg.quantity_per_lot * (1 if leg.side == "SELL" else -1)
    return total


def price_reasons(
    credit: Decimal | None, min_credit: Decimal | None, max_debit: Decimal | None
) -> Iterator[Blocked]:
    """Why this credit (a debit is negative) of a lot is not enough."""
    if min_credit is None and max_debit is None:
        return
    if credit is None:
        yield Blocked(Guard.ONE_SIDED_QUOTE, "A leg has nobody on the side it would trade with.")
    elif min_credit is not None and credit < min_credit:
        yield Blocked(Guard.CREDIT_TOO_SMALL, f"A lot takes in {credit:.2f} rupees at the touch, "
                      f"at least {min_credit:.2f} are asked.")  # fmt: skip
    elif max_debit is not None and -credit > max_debit:
        yield Blocked(Guard.DEBIT_TOO_LARGE, f"A lot pays {-credit:.2f} rupees at the touch, "
                      f"at most {max_debit:.2f} are allowed.")  # fmt: skip


def worst_price(mid: Decimal, side: str, percent: Decimal) -> Decimal:
    """The worst price that an opening order may have: the mid and that many per cent of it."""
    away = mid * percent / 100
    return mid + away if side == "BUY" else mid - away


def jitter(pair: str, day: date, most: int) -> int:
    """Seconds from 0 to `most` by which the pair's entry of that day comes later: always the same."""
    if not most:
        return 0
    seed = sha256(f"{pair}:{day.isoformat()}".encode()).digest()
    return int.from_bytes(seed[:8]) % (most + 1)
