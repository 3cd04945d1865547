"""What can be said of a strategy's legs as written, before any quote: naked units and plain faults."""

from __future__ import annotations

from collections.abc import Sequence

from strategies.rules.hedges import FUTURE_SIDE
from strategies.rules.values import LegRule


def naked_as_written(legs: Sequence[LegRule]) -> tuple[int, int]:
    """Short calls and puts in one lot that no leg covers on every day the strategy may enter."""
    return _naked(legs, "CE"), _naked(legs, "PE")


def is_naked_as_written(short: LegRule, legs: Sequence[LegRule]) -> bool:
    """Whether no leg covers any of the short on every day the strategy may enter."""
    return not any(_covers(leg, short) for leg in legs)


def surely_not_earlier(leg: LegRule, than: LegRule) -> bool:
    """Whether the leg's expiry is the same or later whatever the day; next week may be either side
    of this month's expiry, so it is not."""
    if "fixed" in (leg.expiry_rule, than.expiry_rule):
        both = leg.expiry_date is not None and than.expiry_date is not None
        return both and leg.expiry_date >= than.expiry_date  # type: ignore[operator]  # both are dates
    return (
        leg.expiry_rule == than.expiry_rule
        or than.expiry_rule == "this_week"
        or leg.expiry_rule == "next_month"
    )


def _naked(legs: Sequence[LegRule], option_type: str) -> int:
    shorts = [leg for leg in legs if leg.side == "SELL" and leg.option_type == option_type]
    left = {leg.number: leg.ratio for leg in legs if leg not in shorts}
    naked = 0
    for short in sorted(shorts, key=lambda leg: _rank(leg), reverse=True):
        missing = short.ratio
        for leg in legs:
            if leg.number in left and _covers(leg, short):
                used = min(missing, left[leg.number])
                left[leg.number] -= used
                missing -= used
        naked += missing
    return naked


def _covers(leg: LegRule, short: LegRule) -> bool:
    if not surely_not_earlier(leg, short):
        return False
    if leg.option_type == "FUT":
        return leg.side == FUTURE_SIDE[short.option_type]
    return leg.side == "BUY" and leg.option_type == short.option_type


def _rank(leg: LegRule) -> tuple[int, str]:
    order = {"this_week": 0, "this_month": 1, "next_week": 2, "next_month": 3, "fixed": 4}
    return order[leg.expiry_rule], str(leg.expiry_date or "")
