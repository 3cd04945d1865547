"""From leg rules to contracts, at the quotes of one frame."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from market.kernel.contracts import Contract
from market.kernel.frame import Frame
from strategies.rules.chain import Chain
from strategies.rules.dates import expiry_of, next_expiry
from strategies.rules.strikes import strike_of
from strategies.rules.values import Code, LegRule, ResolvedLeg, Unresolvable


def resolve(
    legs: Sequence[LegRule], *, underlying: str, frame: Frame, day: date
) -> list[ResolvedLeg]:
    """Every leg with its contract now, in leg order; Unresolvable when one of them has none."""
    resolved = [
        resolve_leg_at(leg, expiry_of(leg, underlying=underlying, day=day), underlying, frame)
        for leg in sorted(legs, key=lambda leg: leg.number)
    ]
    _refuse_meeting_legs(resolved)
    return resolved


def resolve_leg_at(leg: LegRule, expiry: date, underlying: str, frame: Frame) -> ResolvedLeg:
    """The leg's strike rule in one expiry."""
    chain = Chain.of(frame, underlying, expiry)
    contract = chain.contract(leg.option_type, strike_of(leg, chain))
    return ResolvedLeg(
        number=leg.number,
        side=leg.side,
        ratio=leg.ratio,
        contract=contract,
        reference=chain.mid(contract),
    )


def roll_target(leg: LegRule, current: Contract, frame: Frame, day: date) -> ResolvedLeg:
    """The same rule in the next expiry of the leg's cycle after the contract it holds."""
    expiry = next_expiry(leg, underlying=current.underlying, after=current.expiry, day=day)
    return resolve_leg_at(leg, expiry, current.underlying, frame)


def unit(legs: Sequence[ResolvedLeg]) -> dict[int, int]:
    """Quantity of each leg, by leg number, in one lot of the strategy."""
    return {leg.number: leg.quantity_per_lot for leg in legs}


def _refuse_meeting_legs(legs: Sequence[ResolvedLeg]) -> None:
    taken: dict[Contract, int] = {}
    for leg in legs:
        if leg.contract in taken:
            raise Unresolvable(
                Code.LEGS_MEET,
                f"Legs {taken[leg.contract]} and {leg.number} both mean {leg.contract.symbol} now; "
                "move one of their strikes.",
            )
        taken[leg.contract] = leg.number
