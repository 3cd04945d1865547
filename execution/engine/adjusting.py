"""A change of one leg that a user asks for: what it would close and open, and whether it may.

Nothing is written. `funds` says whether the broker is asked for what is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from allocations.models import StrategyBrokerAllocation
from execution.engine import closes, limits, margins
from execution.engine.account_view import AccountView
from execution.engine.desk import Desk
from execution.engine.judging import (
    Stop,
    beyond_limits,
    funded,
    outside_session,
    reserve,
    stopped,
)
from execution.engine.roll_judging import as_leg
from execution.models import Position, StrategyExecution
from market.kernel import contracts
from market.kernel.contracts import Contract
from market.kernel.money import ZERO
from strategies.rules import (
    Held,
    ResolvedLeg,
    Unresolvable,
    mid_of,
    shifted,
    uncovered_lots,
)
from strategies.selectors import leg_rules
from users.errors import Refused

Status = StrategyExecution.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`act` is shift, exit or add; `contract` is held for the first two, new for the last."""

    act: str
    contract: str
    steps: int = 0
    next_expiry: bool = False
    side: str = ""
    lots: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`close` leaves, `open` comes in so many `lots` of its contract; `held` is all that there is now.

    `trade_lots` are the lots that the pair's trade was entered with: naked units count by them. A leg
    that `comes_back` is one of these lots; one that is added by hand has lots of its own.
    """

    held: list[Position]
    close: Position | None
    open: ResolvedLeg | None
    lots: int
    trade_lots: int
    comes_back: bool = False

    @property
    def closes_first(self) -> bool:
        """A short is bought back before its successor is sold; a hedge is replaced before it is sold."""
        return self.open is None or self.close is None or self.close.quantity < 0

    def book(self, *, closed: bool, opened: int) -> list[Held]:
        """What is held once it is closed or not, and so many lots are open."""
        stays = [p for p in self.held if not closed or self.close is None or p.pk != self.close.pk]
        book = [Held(as_leg(position, 1), abs(position.quantity)) for position in stays]
        if self.open is not None and opened:
            book.append(Held(self.open, opened * self.open.contract.lot_size))
        return book

    def orders(self) -> list[tuple[Contract, int]]:
        """(contract, signed units) in the order in which they are sent."""
        closing = [] if self.close is None else [(self.close.contract.spec, -self.close.quantity)]
        if self.open is None:
            return closing
        units = self.lots * self.open.contract.lot_size
        opening = [(self.open.contract, units if self.open.side == "BUY" else -units)]
        return closing + opening if self.closes_first else opening + closing


def change_of(pair: StrategyBrokerAllocation, asked: Asked, desk: Desk) -> Change:
    """What was asked for, at the contracts of this frame; Refused when it cannot be meant."""
    held = AccountView([pair], desk).held_by(pair)
    if not held:
        raise Refused("not_held", "The pair holds no trade to adjust.", fix="Enter it first.", field="contract")
    lots = trade_lots(pair, desk)
    if asked.act == "add":
        added = _added(pair, asked, held, desk)
        return Change(held=held, close=None, open=added, lots=asked.lots, trade_lots=lots)
    position = next((p for p in held if p.contract.symbol == asked.contract), None)
    if position is None:
        names = ", ".join(sorted(p.contract.symbol for p in held))
        raise Refused("not_held", f"The pair does not hold {asked.contract}.",
                      fix=f"Choose one of {names}.", field="contract")  # fmt: skip
    leg = _shifted(position, asked, desk) if asked.act == "shift" else None
    units = abs(position.quantity) // position.contract.lot_size
    return Change(held=held, close=position, open=leg, lots=units if leg else 0, trade_lots=lots)


def why_not(
    pair: StrategyBrokerAllocation, change: Change, view: AccountView, *, funds: bool
) -> Stop | None:
    """Why the change may not be made: as an entry where it opens, naked shorts in any case."""
    desk = view.desk
    if not desk.is_open(pair.strategy.underlying):
        return outside_session(pair, desk, Status.DENIED)
    if change.close is not None and change.open is None and closes.is_worthless(change.close, desk):
        return Stop(Status.DENIED, "NO_LIQUIDITY", "Nobody bids for it; it may expire.")
    stop = uncovered(pair, change)
    if stop is not None or change.open is None:
        return stop
    return stopped(pair, view) or _meets(change) or _beyond_limits(pair, change, view, funds=funds)


def uncovered(pair: StrategyBrokerAllocation, change: Change) -> Stop | None:
    """Whether more shorts than declared would be left without a hedge than are so now."""
    version = pair.strategy_version
    after, now = change.book(closed=True, opened=change.lots), change.book(closed=False, opened=0)
    for kind, declared in (("CE", version.naked_calls), ("PE", version.naked_puts)):
        naked, most = uncovered_lots(after, kind), declared * change.trade_lots
        if naked > max(most, uncovered_lots(now, kind)):
            return Stop(Status.DENIED, "UNDECLARED_NAKED",
                        f"{naked} lots of short {kind} would be left without a hedge; {most} are "
                        "declared. Exit the short first, or choose a hedge that covers it.")  # fmt: skip
    return None


def trade_lots(pair: StrategyBrokerAllocation, desk: Desk) -> int:
    """The lots that the pair's trade was entered with."""
    entries = StrategyExecution.objects.filter(
        allocation=pair, timeline=desk.timeline, phase="entry", started_at__isnull=False
    )
    last = entries.order_by("-started_at").first()
    return last.lots if last is not None else max(pair.lots, 1)


def _shifted(position: Position, asked: Asked, desk: Desk) -> ResolvedLeg:
    if not asked.steps and not asked.next_expiry:
        raise Refused("no_shift", "It does not say where to shift the leg.",
                      fix="Send steps (below 0: down), or next_expiry true.", field="steps")  # fmt: skip
    try:
        contract = shifted(position.contract.spec, desk.frame, desk.day, steps=asked.steps,
                           next_expiry=asked.next_expiry)  # fmt: skip
        return _leg(position.leg_number, "BUY" if position.quantity > 0 else "SELL", contract, desk)
    except Unresolvable as error:
        raise Refused(error.code, error.message, fix="Choose another strike or expiry.", field="steps") from error


def _added(
    pair: StrategyBrokerAllocation, asked: Asked, held: Sequence[Position], desk: Desk
) -> ResolvedLeg:
    taken = [rule.number for rule in leg_rules(pair.strategy_version)]
    number = max([*taken, *(position.leg_number for position in held)]) + 1
    try:
        contract = contracts.parse(asked.contract)
        if contract.underlying != pair.strategy.underlying:
            raise ValueError(f"{asked.contract} is not of {pair.strategy.underlying}.")
        return _leg(number, asked.side, contract, desk)
    except (Unresolvable, ValueError) as error:
        raise Refused("unknown_contract", str(error), field="contract",
                      fix=f"Send a listed contract of {pair.strategy.underlying}, such as "
                          "NIFTY-20260804-24500-CE.") from error  # fmt: skip


def _leg(number: int, side: str, contract: Contract, desk: Desk) -> ResolvedLeg:
    return ResolvedLeg(
        number=number,
        side=side,  # type: ignore[arg-type]  # BUY or SELL by its writers
        ratio=1,
        contract=contract,
        reference=mid_of(desk.frame, contract),
    )


def _meets(change: Change) -> Stop | None:
    assert change.open is not None
    if change.open.contract.symbol not in {position.contract.symbol for position in change.held}:
        return None
    return Stop(Status.DENIED, "LEGS_MEET", f"{change.open.contract.symbol} is held already: it would "
                "net with that leg.")  # fmt: skip


def _beyond_limits(
    pair: StrategyBrokerAllocation, change: Change, view: AccountView, *, funds: bool
) -> Stop | None:
    """Every limit over the pair, and the account's free funds at the worst step of the change."""
    try:
        needed = _needed(pair, change, view)
    except margins.NoMargin as error:
        return Stop(Status.DENIED, "NO_QUOTE", str(error))
    return too_much(pair, change, view) or (funded(needed, view) if funds else None)


def too_much(pair: StrategyBrokerAllocation, change: Change, view: AccountView) -> Stop | None:
    """The limit that the change would break, by its name."""
    lots = _lots_of_trade(change)
    return beyond_limits(pair, lambda book: book.changed(change.orders(), lots), view)


def crowded_out(pair: StrategyBrokerAllocation, change: Change, desk: Desk) -> Stop | None:
    """Shared limits asked once more, one at a time: what others have begun since counts. Needs a
    transaction, and no lock of a row yet."""
    view = AccountView([pair], desk)
    if change.open is None or not limits.lock_shared(view):
        return None
    return too_much(pair, change, view)


def _lots_of_trade(change: Change) -> int:
    """The lots of the strategy that the new leg belongs to: of a leg that was there the trade's own."""
    added = change.close is None and not change.comes_back
    return change.lots if added else min(change.lots, change.trade_lots)


def _needed(pair: StrategyBrokerAllocation, change: Change, view: AccountView) -> Decimal:
    """The most that the change takes from the account's free funds after any of its orders."""
    account = [(p.contract.spec, p.quantity) for p in view.held]
    base = view.sheet.requirement(account)
    worst = paid = ZERO
    blocked = view.sheet.after_each(account, change.orders())
    for (contract, units), margin in zip(change.orders(), blocked, strict=True):
        if contract.is_option:
            paid += mid_of(view.desk.frame, contract) * units
        worst = max(worst, margin - base + paid)
    if change.comes_back and change.open is not None and pair.strategy_version.cash_secured:
        return max(worst, reserve(change.open, change.lots))
    return worst
