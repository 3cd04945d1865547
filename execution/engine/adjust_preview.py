"""What a change of one leg would order, pay and block, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from allocations.models import StrategyBrokerAllocation
from execution.engine import margins
from execution.engine.account_view import AccountView
from execution.engine.adjusting import Change, why_not
from execution.engine.desk import Desk
from execution.engine.judging import Stop
from execution.engine.marks import ENTRY_CROSS, EXIT_CROSS, limit_price
from execution.engine.preview import PlannedOrder
from market.kernel import charges, contracts
from market.kernel.contracts import Contract
from market.kernel.money import ZERO, rupees


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustPlan:
    """The orders in their turn; `stop` says why it would not go, margins are None where unknown."""

    pair: StrategyBrokerAllocation
    orders: tuple[PlannedOrder, ...]
    margin_before: Decimal | None
    stop: Stop | None

    @property
    def margin_after(self) -> Decimal | None:
        return self.orders[-1].margin_after

    @property
    def premium(self) -> Decimal:
        return sum((order.premium for order in self.orders), ZERO)

    @property
    def charges(self) -> Decimal:
        return sum((order.charges for order in self.orders), ZERO)


def preview(
    pair: StrategyBrokerAllocation, change: Change, desk: Desk, *, funds: bool
) -> AdjustPlan:
    """The change at this frame's prices, judged as the engine will judge it."""
    now = [(p.contract.spec, p.quantity) for p in change.held]
    blocked: list[Decimal | None]
    try:
        before: Decimal | None = rupees(margins.requirement(now, desk.frame))
        blocked = [rupees(m) for m in margins.after_each(now, change.orders(), desk.frame)]
    except margins.NoMargin:
        before, blocked = None, [None] * len(change.orders())
    rows = zip(change.orders(), blocked, strict=True)
    return AdjustPlan(
        pair=pair,
        orders=tuple(
            _order(pair, change, wave, contract, units, margin, desk)
            for wave, ((contract, units), margin) in enumerate(rows, start=1)
        ),
        margin_before=before,
        stop=why_not(pair, change, AccountView([pair], desk), funds=funds),
    )


def _order(  # noqa: PLR0913 - one line of the plan
    pair: StrategyBrokerAllocation, change: Change, wave: int, contract: Contract, units: int,
    margin: Decimal | None, desk: Desk,
) -> PlannedOrder:  # fmt: skip
    opens = change.open is not None and contract == change.open.contract
    leg = change.open.number if opens and change.open else change.close.leg_number  # type: ignore[union-attr]  # one of the two is there
    quote = desk.frame.quotes[contract.symbol]
    side = "BUY" if units > 0 else "SELL"
    slices = contracts.slices(contract, abs(units) // contract.lot_size, desk.day)
    touch = (quote.ask if units > 0 else quote.bid) or quote.ltp
    broker = pair.broker_account.broker
    return PlannedOrder(
        leg_number=leg,
        wave=wave,
        side=side,
        contract=contract.symbol,
        quantity=sum(slices),
        slices=slices,
        limit_price=limit_price(
            quote, side=side, tick=contract.tick_size, cross=ENTRY_CROSS if opens else EXIT_CROSS,
            is_option=contract.is_option,
        ),
        mid=quote.mid,
        premium=rupees(quote.mid * units) if contract.is_option else ZERO,
        charges=sum(
            (charges.for_order(broker, contract, side, part, touch, desk.day).total for part in slices),  # type: ignore[arg-type]  # BUY or SELL
            ZERO,
        ),
        margin_after=margin,
    )  # fmt: skip
