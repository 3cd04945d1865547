"""A pair's limits and trading state: values in, a verdict out. No Django here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimit:
    """What a pair may at most hold, lose in a day, and block as margin."""

    max_lots: int
    max_day_loss: Decimal
    max_margin: Decimal
    max_open_positions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What a pair has now; `day_pnl` is of the trading day, after charges, at the exit side."""

    open_lots: int = 0
    day_pnl: Decimal = Decimal(0)
    margin: Decimal = Decimal(0)
    open_positions: int = 0


class Denial(StrEnum):
    """Why we do not send an entry. Exits are never denied by these."""

    LOTS_ABOVE_LIMIT = "LOTS_ABOVE_LIMIT"
    DAY_LOSS_REACHED = "DAY_LOSS_REACHED"
    MARGIN_ABOVE_LIMIT = "MARGIN_ABOVE_LIMIT"
    TOO_MANY_POSITIONS = "TOO_MANY_POSITIONS"
    REDUCING = "REDUCING"
    FROZEN = "FROZEN"
    HALTED = "HALTED"

    @property
    def text(self) -> str:
        return _WORDS[self][0]

    @property
    def fix(self) -> str:
        return _WORDS[self][1]


_WORDS: dict[Denial, tuple[str, str]] = {
    Denial.LOTS_ABOVE_LIMIT: (
        "This entry would take the pair above its maximum lots.",
        "Close open lots, enter fewer, or raise max_lots.",
    ),
    Denial.DAY_LOSS_REACHED: (
        "The pair has reached its maximum loss of the day.",
        "It may enter again on the next trading day, or raise max_day_loss.",
    ),
    Denial.MARGIN_ABOVE_LIMIT: (
        "This entry would block more margin than the pair's maximum.",
        "Enter fewer lots, narrow the wings, or raise max_margin.",
    ),
    Denial.TOO_MANY_POSITIONS: (
        "This entry would open more positions than the pair may hold.",
        "Close a position, or raise max_open_positions.",
    ),
    Denial.REDUCING: (
        "Trading is paused: exits and stops run, entries do not.",
        "Resume the scope that is paused.",
    ),
    Denial.FROZEN: (
        "The engine has frozen entries until a question about an order is settled.",
        "Settle the named order with the broker, then resume.",
    ),
    Denial.HALTED: (
        "Trading was killed: only cancels and closing orders pass.",
        "Resume the scope that was killed when you are ready to trade again.",
    ),
}

#: From loose to tight; the tightest state of all that apply wins.
TIGHTNESS = ("active", "reducing", "frozen", "halted")
_DENIED_BY_STATE = {
    "reducing": Denial.REDUCING,
    "frozen": Denial.FROZEN,
    "halted": Denial.HALTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """The state that applies and where it comes from; scope "" when nothing was ever set."""

    state: str = "active"
    scope: str = ""
    reason: str = ""

    @property
    def denial(self) -> Denial | None:
        """Why an entry must not be sent in this state."""
        return _DENIED_BY_STATE.get(self.state)


def tightest(states: Iterable[Effective]) -> Effective:
    """The tightest state, with its scope and reason; of equally tight ones the first given."""
    return max(states, key=lambda held: TIGHTNESS.index(held.state), default=Effective())


def denial(
    limit: RiskLimit,
    exposure: Exposure,
    *,
    entry_lots: int,
    entry_margin: Decimal,
    entry_positions: int,
) -> Denial | None:
    """Why this entry must not be sent, or None. Exits are never asked: they always may go."""
    if exposure.day_pnl <= -limit.max_day_loss:
        return Denial.DAY_LOSS_REACHED
    if exposure.open_lots + entry_lots > limit.max_lots:
        return Denial.LOTS_ABOVE_LIMIT
    if exposure.open_positions + entry_positions > limit.max_open_positions:
        return Denial.TOO_MANY_POSITIONS
    if exposure.margin + entry_margin > limit.max_margin:
        return Denial.MARGIN_ABOVE_LIMIT
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTerms:
    """What a user sets for one pair: lots, product, limits, and exits of its own."""

    lots: int
    max_lots: int
    max_day_loss: Decimal
    max_margin: Decimal
    max_open_positions: int
    product: str = "NRML"
    stop_loss: Decimal | None = None  # rupees a lot, as what follows; None or "": the strategy's
    take_profit: Decimal | None = None
    trail: str = ""
    trail_every: Decimal | None = None
    trail_by: Decimal | None = None

    @property
    def limit(self) -> RiskLimit:
        return RiskLimit(
            max_lots=self.max_lots,
            max_day_loss=self.max_day_loss,
            max_margin=self.max_margin,
            max_open_positions=self.max_open_positions,
        )
