"""The words of the results: the names of the Greeks, and what a volatility is worth."""

from enum import IntEnum

NAMES = (
    "price", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "charm", "speed",
    "zomma", "color", "veta", "dual_delta",
)  # fmt: skip

TICK = 0.05
ILL_FROM = 0.25
"""ILL_CONDITIONED when one tick of price would move the vol by more than this fraction of itself."""
WEAKEST = TICK / ILL_FROM
"""vol x vega below this, in rupees, is ill-conditioned."""


class Flag(IntEnum):
    """What the volatility beside it is worth: only OK and ILL_CONDITIONED carry a positive vol."""

    OK = 0
    EXPIRED = 1
    BELOW_INTRINSIC = 2
    ABOVE_MAX = 3
    AT_INTRINSIC = 4
    ILL_CONDITIONED = 5
    INVALID = 6
