"""The price that an armed entry waits for: a move from where it was, or the way back to a cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from market.kernel.contracts import Contract, parse
from market.kernel.frame import Frame
from market.kernel.money import ZERO
from strategies.rules.chain import Chain
from strategies.rules.conditions import Conditions
from strategies.rules.values import AtmBase, ResolvedLeg

PREMIUM = "premium"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """`of` is a contract's symbol, an underlying with the expiry that gives its level, or the premium
    of all legs in rupees a lot (what is sold counts up, what is bought down). Prices are mids."""

    of: str
    expiry: date | None = None
    reference: Decimal
    level: Decimal
    until: datetime

    def reached(self, value: Decimal) -> bool:
        """Whether the value has come from the reference to the level, or beyond it."""
        return value >= self.level if self.level >= self.reference else value <= self.level

    @property
    def words(self) -> str:
        way = "or above" if self.level >= self.reference else "or below"
        return f"{self.of} at {self.level:.2f} {way}; it was {self.reference:.2f} when the wait began"


def watch_of(
    terms: Conditions,
    legs: Sequence[ResolvedLeg],
    *,
    frame: Frame,
    base: AtmBase,
    until: datetime,
) -> Watch:
    """What a strategy that waits has to see, from the prices of this frame on."""
    assert terms.wait_move is not None
    if terms.wait_for == "leg":
        contract = next(leg.contract for leg in legs if leg.number == terms.wait_leg)
        of, expiry, reference = contract.symbol, None, mid_of(frame, contract)
    else:
        of, expiry = legs[0].contract.underlying, min(leg.contract.expiry for leg in legs)
        reference = _level_of(frame, of, expiry, base)
    move = terms.wait_move
    level = reference + (reference * move / 100 if terms.wait_unit == "percent" else move)
    return Watch(of=of, expiry=expiry, reference=reference, level=level, until=until)


def value_of(
    watch: Watch, legs: Sequence[ResolvedLeg], *, frame: Frame, base: AtmBase
) -> Decimal:
    """What is watched, in this frame; Unresolvable while it has no fresh price."""
    if watch.of == PREMIUM:
        return premium_of(legs, {leg.number: mid_of(frame, leg.contract) for leg in legs})
    if watch.expiry is not None:
        return _level_of(frame, watch.of, watch.expiry, base)
    return mid_of(frame, parse(watch.of))


def premium_of(legs: Sequence[ResolvedLeg], prices: dict[int, Decimal]) -> Decimal:
    """Rupees a lot at these prices by leg number: what is sold counts up, what is bought down."""
    return sum(
        (
            prices[leg.number] * leg.quantity_per_lot * (1 if leg.side == "SELL" else -1)
            for leg in legs
        ),
        ZERO,
    )


def mid_of(frame: Frame, contract: Contract) -> Decimal:
    """The contract's fresh mid; Unresolvable without one."""
    return Chain(frame, contract.underlying, contract.expiry, ()).mid(contract)


def stored(watch: Watch) -> dict[str, Any]:
    """The watch as JSON."""
    return {
        "of": watch.of,
        "expiry": None if watch.expiry is None else watch.expiry.isoformat(),
        "reference": str(watch.reference),
        "level": str(watch.level),
        "until": watch.until.isoformat(),
    }


def restored(row: dict[str, Any]) -> Watch:
    """The watch again."""
    return Watch(
        of=row["of"],
        expiry=None if row["expiry"] is None else date.fromisoformat(row["expiry"]),
        reference=Decimal(row["reference"]),
        level=Decimal(row["level"]),
        until=datetime.fromisoformat(row["until"]),
    )


def _level_of(frame: Frame, underlying: str, expiry: date, base: AtmBase) -> Decimal:
    return Chain(frame, underlying, expiry, ()).base(base)
