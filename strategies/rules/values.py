"""What a leg says, what it resolved to, and why it could not be resolved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from market.kernel.contracts import Contract
from strategies.rules.stops import Trail

Side = Literal["BUY", "SELL"]
AtmBase = Literal["synthetic", "spot", "future"]
LegUnit = Literal["points", "percent", "underlying"]
StopUnit = Literal["rupees", "percent", "underlying"]
TargetUnit = Literal["rupees", "percent"]


class Code(StrEnum):
    """Why a leg has no contract now."""

    NO_SUCH_EXPIRY = "NO_SUCH_EXPIRY"
    NO_WEEKLY_EXPIRY = "NO_WEEKLY_EXPIRY"
    NO_LISTED_STRIKE = "NO_LISTED_STRIKE"
    NO_QUOTE = "NO_QUOTE"
    STALE_QUOTE = "STALE_QUOTE"
    NO_FORWARD = "NO_FORWARD"
    NO_SPOT = "NO_SPOT"
    NO_DELTA = "NO_DELTA"
    LEGS_MEET = "LEGS_MEET"


class Unresolvable(ValueError):
    """A leg rule has no contract in this frame. Nothing may be sent for it."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRule:
    """One leg as written: strike and expiry are rules. `strike_value` means what the rule says.

    `stop` and `target` are distances in their units; a trail is in the unit of the stop.
    """

    number: int
    side: Side
    ratio: int
    option_type: Literal["CE", "PE", "FUT"]
    strike_rule: str
    strike_value: Decimal | None
    expiry_rule: str
    expiry_date: date | None
    atm_base: AtmBase = "synthetic"
    stop: Decimal | None = None
    stop_unit: LegUnit = "points"
    target: Decimal | None = None
    target_unit: LegUnit = "points"
    trail: Trail = "none"
    trail_every: Decimal | None = None
    trail_by: Decimal | None = None

    @property
    def is_option(self) -> bool:
        return self.option_type != "FUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedLeg:
    """A leg with the contract it means now; `reference` is the mid price it was chosen at."""

    number: int
    side: Side
    ratio: int
    contract: Contract
    reference: Decimal

    @property
    def quantity_per_lot(self) -> int:
        """Units of the contract in one lot of the strategy."""
        return self.ratio * self.contract.lot_size

    def signed(self, lots: int) -> int:
        """Units that so many lots of the strategy buy; negative when the leg sells."""
        units = self.quantity_per_lot * lots
        return units if self.side == "BUY" else -units
