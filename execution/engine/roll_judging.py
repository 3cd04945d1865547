"""Whether a due roll may go: contracts in the next expiry, covered as declared, at the price asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from execution.engine.account_view import AccountView
from execution.engine.desk import Desk
from execution.engine.judging import Stop, stopped
from execution.models import Position, StrategyExecution
from strategies.rules import (
    Held,
    LegRule,
    ResolvedLeg,
    Unresolvable,
    at_touch,
    price_reasons,
    roll_target,
    uncovered_lots,
)
from strategies.selectors import leg_rules

Status = StrategyExecution.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """What a roll does: `old` is closed for `targets`, `kept` stays; `lots` of the strategy."""

    old: list[Position]
    targets: list[ResolvedLeg]
    kept: list[ResolvedLeg]
    lots: int


def judged(execution: StrategyExecution, held: list[Position], desk: Desk) -> Rolling | Stop:
    """The roll at the prices of this frame, or why it is not taken."""
    stop = stopped(execution.allocation, AccountView([execution.allocation], desk))
    if stop is not None:  # nothing new may be opened, so the old is not given up either
        return stop
    rules = {rule.number: rule for rule in leg_rules(execution.strategy_version)}
    nearest = min((position.contract.expiry for position in held), default=None)
    old = [p for p in held if p.contract.expiry == nearest and p.leg_number in rules]
    lots = max((_lots(position, rules[position.leg_number]) for position in old), default=1)
    try:
        targets = [
            roll_target(rules[p.leg_number], p.contract.spec, desk.frame, desk.day) for p in old
        ]
    except Unresolvable as error:
        return Stop(Status.DENIED, error.code, error.message, may_clear=True)
    kept = [as_leg(position, lots) for position in held if position not in old]
    found = Rolling(old=old, targets=targets, kept=kept, lots=lots)
    return _meets(found) or _naked(execution, found, held) or _price(execution, found, desk) or found


def as_leg(position: Position, lots: int) -> ResolvedLeg:
    """What is held as a leg of so many lots: it covers new shorts, or needs cover, as it does now."""
    units = lots * position.contract.lot_size
    return ResolvedLeg(
        number=position.leg_number,
        side="BUY" if position.quantity > 0 else "SELL",
        ratio=max(1, -(-abs(position.quantity) // units)),
        contract=position.contract.spec,
        reference=position.average_price,
    )


def _meets(found: Rolling) -> Stop | None:
    """A new leg in a contract that is held would net with it: a calendar would cease to be one."""
    taken = {leg.contract for leg in found.kept}
    for leg in found.targets:
        if leg.contract in taken:
            return Stop(Status.DENIED, "LEGS_MEET",
                        f"Leg {leg.number} would roll into {leg.contract.symbol}, which another leg holds.",
                        may_clear=True)  # fmt: skip
        taken.add(leg.contract)
    return None


def _naked(execution: StrategyExecution, found: Rolling, held: list[Position]) -> Stop | None:
    """Shorts that neither the new hedges nor what stays would cover, beyond the declared ones."""
    stays = (position for position in held if position not in found.old)
    book = [Held(leg, found.lots * leg.quantity_per_lot) for leg in found.targets]
    book += [Held(leg, abs(p.quantity)) for leg, p in zip(found.kept, stays, strict=True)]
    version = execution.strategy_version
    for kind, declared in (("CE", version.naked_calls), ("PE", version.naked_puts)):
        naked = uncovered_lots(book, kind)
        if naked > declared * found.lots:
            return Stop(Status.DENIED, "UNDECLARED_NAKED",
                        f"After the roll {naked} lots of {kind} would be uncovered; "
                        f"{declared * found.lots} are declared.", may_clear=True)  # fmt: skip
    return None


def _price(execution: StrategyExecution, found: Rolling, desk: Desk) -> Stop | None:
    version = execution.strategy_version
    credit = credit_of(found.old, found.targets, found.lots, desk)
    reason = next(price_reasons(credit, version.roll_min_credit, version.roll_max_debit), None)
    return None if reason is None else Stop(
        Status.DENIED, reason.guard, reason.detail, reason.may_clear
    )  # fmt: skip


def credit_of(
    old: Sequence[Position], targets: Sequence[ResolvedLeg], lots: int, desk: Desk
) -> Decimal | None:
    """Rupees that the roll of a lot takes in at the touch: the old legs' exit and the new ones' entry."""
    legs = [_reversed(as_leg(position, lots)) for position in old] + list(targets)
    quotes = [(leg, desk.frame.quote(leg.contract.symbol)) for leg in legs]
    known = [(leg, quote) for leg, quote in quotes if quote is not None]
    return at_touch(known) if len(known) == len(legs) else None


def _reversed(leg: ResolvedLeg) -> ResolvedLeg:
    return replace(leg, side="SELL" if leg.side == "BUY" else "BUY")


def _lots(position: Position, rule: LegRule) -> int:
    return max(1, abs(position.quantity) // position.contract.lot_size // rule.ratio)
