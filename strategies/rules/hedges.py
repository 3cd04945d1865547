"""What covers what, which legs go first, and how many shorts the filled hedges release.

A long option covers a short of the same type and the same or an earlier expiry; a long future covers
a short call, a short future a short put. What nothing covers is naked and must be declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from strategies.rules.values import ResolvedLeg

FUTURE_SIDE = {"CE": "BUY", "PE": "SELL"}  # the future that covers a short of this type


@dataclass(frozen=True, slots=True)
class Held:
    """Units of a leg that are, or are to be, in the book."""

    leg: ResolvedLeg
    quantity: int


def covers(cover: ResolvedLeg, short: ResolvedLeg) -> bool:
    """Whether the first leg can cover the second, a short option."""
    if cover.contract.expiry < short.contract.expiry or not is_short_option(short):
        return False
    if cover.contract.option_type == "FUT":
        return cover.side == FUTURE_SIDE[short.contract.option_type]
    return cover.side == "BUY" and cover.contract.option_type == short.contract.option_type


def is_short_option(leg: ResolvedLeg) -> bool:
    return leg.side == "SELL" and leg.contract.is_option


def naked_units(legs: Sequence[ResolvedLeg]) -> tuple[int, int]:
    """Short calls and puts, in lots, that nothing covers in one lot of the strategy."""
    held = [Held(leg, leg.quantity_per_lot) for leg in legs]
    return uncovered_lots(held, "CE"), uncovered_lots(held, "PE")


def uncovered_lots(held: Iterable[Held], option_type: str) -> int:
    """Lots of short options of one type that the other holdings leave uncovered."""
    book = list(held)
    shorts = [h for h in book if is_short_option(h.leg) and h.leg.contract.option_type == option_type]
    shorts.sort(key=lambda h: h.leg.contract.expiry, reverse=True)  # the latest has fewest covers
    left = [0 if is_short_option(h.leg) else h.quantity for h in book]
    naked = 0
    for short in shorts:
        missing = short.quantity
        for place, cover in enumerate(book):
            if covers(cover.leg, short.leg):
                used = min(missing, left[place])
                left[place] -= used
                missing -= used
        naked += -(-missing // short.leg.contract.lot_size)
    return naked


def waves(legs: Sequence[ResolvedLeg]) -> tuple[list[ResolvedLeg], list[ResolvedLeg]]:
    """(first, second) wave of an entry: longs and covering futures, then the shorts."""
    first = [leg for leg in legs if goes_first(leg, legs)]
    return first, [leg for leg in legs if leg not in first]


def goes_first(leg: ResolvedLeg, legs: Sequence[ResolvedLeg]) -> bool:
    return leg.side == "BUY" or any(covers(leg, short) for short in legs)


def released_lots(
    legs: Sequence[ResolvedLeg],
    lots: int,
    filled: Mapping[int, int],
    naked_calls: int,
    naked_puts: int,
) -> dict[int, int]:
    """By leg number, how many lots in all of each second-wave leg may be at the broker now.

    `filled` holds the units filled of first-wave legs. Short options are released in whole lots of
    the strategy, as many as filled hedges and the declared naked units of all `lots` cover; other
    shorts at the pace of the slowest first-wave leg.
    """
    first, second = waves(legs)
    hedges = [Held(leg, filled.get(leg.number, 0)) for leg in first]
    pace = _slowest(hedges, lots)
    calls = _coverable(hedges, second, "CE", lots, naked_calls * lots)
    puts = _coverable(hedges, second, "PE", lots, naked_puts * lots)
    units = {"CE": calls, "PE": puts, "FUT": pace}
    return {leg.number: units[leg.contract.option_type] * leg.ratio for leg in second}


def coverable_lots(held: Sequence[Held], leg: ResolvedLeg, most: int, naked: int) -> int:
    """How many lots, up to `most`, of one more short option leave no more than `naked` uncovered."""
    kind = leg.contract.option_type
    fits = (
        lots
        for lots in range(most, 0, -1)
        if uncovered_lots([*held, Held(leg, lots * leg.contract.lot_size)], kind) <= naked
    )
    return next(fits, 0)


def _coverable(
    hedges: list[Held], second: list[ResolvedLeg], option_type: str, lots: int, naked: int
) -> int:
    """The most lots of the strategy whose shorts of this type are covered or declared naked."""
    low, high = 0, lots
    while low < high:
        middle = (low + high + 1) // 2
        shorts = [Held(leg, middle * leg.quantity_per_lot) for leg in second]
        if uncovered_lots([*hedges, *shorts], option_type) <= naked:
            low = middle
        else:
            high = middle - 1
    return low


def _slowest(hedges: list[Held], lots: int) -> int:
    done = [held.quantity // held.leg.quantity_per_lot for held in hedges]
    return min([*done, lots])
