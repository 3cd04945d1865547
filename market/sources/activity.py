"""How busy each simulated contract is: displayed depth, open interest and the day's volume, in lots.

All of it follows from the seed and the contract by a hash, so that a contract has the same figures
whichever others are played beside it. The nearest expiry and the strikes near the money are busiest,
round strikes hold more, and volume grows through the day as the index moves: most at both ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEWEST_LOTS, MOST_LOTS = 10, 60  # displayed on a side
NEAR = 8.0  # strikes from the money at which interest has fallen to 0.6 of the most
IN_THE_MONEY = 0.35  # of the interest out of the money
ROUND, ROUND_EVERY = 1.8, 10  # strikes
BUILT_UP = 0.08  # growth of open interest in a day
UNWOUND = 0.5  # of it, on the last day
TURNOVER, LAST_TURNOVER = 3.0, 12.0  # times the open interest in a day; on the last day
BITS = 53


@dataclass(frozen=True, slots=True)
class Activity:
    """A day's contracts in order: their hash keys, open interest at the open, volume of the day."""

    keys: np.ndarray
    near: np.ndarray
    interest: np.ndarray
    turnover: np.ndarray
    last_day: np.ndarray

    def depth(self, moment: int) -> tuple[np.ndarray, np.ndarray]:
        """Lots displayed on the bid and on the ask in that second of the timeline."""
        spread = (MOST_LOTS - FEWEST_LOTS) * (0.3 + 0.7 * self.near)
        bid, ask = (uniform(self.keys, 2 * moment + side) for side in (0, 1))
        return FEWEST_LOTS + (spread * bid).astype(int), FEWEST_LOTS + (spread * ask).astype(int)

    def open_interest(self, share: float) -> np.ndarray:
        """Lots open once that share of the day's activity is done."""
        return (self.interest * (1 + np.where(self.last_day, -UNWOUND, BUILT_UP) * share)).astype(
            int
        )

    def volume(self, share: float) -> np.ndarray:
        """Lots dealt until then; it never falls within the day."""
        return (self.turnover * share).astype(int)


def activity(
    keys: np.ndarray,
    numbers: np.ndarray,
    from_money: np.ndarray,
    is_call: np.ndarray,
    busiest: np.ndarray,
    days_left: np.ndarray,
) -> Activity:
    """By contract: `numbers` strike / step, `from_money` strikes above the money, `busiest` lots
    open at the busiest strike of the nearest expiry, `days_left` calendar days to expiry."""
    near = np.exp(-0.5 * (from_money / NEAR) ** 2)
    out = np.where(is_call, from_money >= 0, from_money <= 0)
    interest = busiest * near / (1 + days_left / 14) * (0.6 + 0.8 * uniform(keys, 1))
    interest = interest * np.where(out, 1.0, IN_THE_MONEY)
    interest = interest * np.where(numbers % ROUND_EVERY == 0, ROUND, 1.0)
    last_day = days_left == 0
    turnover = np.where(last_day, LAST_TURNOVER, TURNOVER / (1 + days_left / 7))
    return Activity(keys, near, interest, interest * turnover, last_day)


def keys(*columns: int | np.ndarray) -> np.ndarray:
    """One 64-bit hash a row of the columns."""
    key = np.zeros(1, dtype=np.uint64)
    for column in columns:
        key = _mixed(key ^ np.atleast_1d(np.asarray(column)).astype(np.uint64))
    return key


def uniform(key: np.ndarray, turn: int) -> np.ndarray:
    """In [0, 1): the same for the same key and turn."""
    step = np.uint64((0x9E3779B97F4A7C15 * (turn + 1)) % 2**64)
    bits = _mixed(key + step) >> np.uint64(64 - BITS)
    return bits.astype(float) / 2.0**BITS


def _mixed(value: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64 (Steele, Lea and Flood, 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
