"""Writing orders: a leg's quantity as slices within the freeze quantity, priced through the touch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from execution.engine import holds
from execution.engine.desk import Desk
from execution.engine.marks import ENTRY_CROSS, EXIT_CROSS, limit_price
from execution.engine.refs import ref_of
from execution.models import Order, StrategyExecution
from execution.moves import STOP
from execution.states import OPEN_STATES, OrderState
from market.kernel import contracts
from market.kernel.frame import Quote
from market.kernel.money import to_tick
from market.models import Contract
from strategies.rules import worst_price
from users.prepared import insert


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What is to be ordered: `lots` of one contract for one leg of a run."""

    contract: Contract
    leg_number: int
    action: Order.Action
    wave: int
    side: str
    lots: int


def write(
    execution: StrategyExecution, tickets: Iterable[Ticket], existing: list[Order], desk: Desk
) -> list[Order]:
    """READY orders for the tickets, one a slice; a ticket without a quote gets none."""
    return insert(made(execution, tickets, existing, desk))


def made(
    execution: StrategyExecution, tickets: Iterable[Ticket], existing: list[Order], desk: Desk
) -> list[Order]:
    """As `write`, for who writes the orders of several runs together."""
    fresh: list[Order] = []
    for ticket in holds.capped(execution, tickets, desk):
        quote = desk.frame.quote(ticket.contract.symbol)
        if quote is not None and ticket.lots > 0:
            fresh.extend(_slices(execution, ticket, quote, [*existing, *fresh], desk))
    return fresh


def write_stop(
    execution: StrategyExecution, ticket: Ticket, trigger: Decimal, limit: Decimal, desk: Desk
) -> list[Order]:
    """READY stops that rest at the broker until the trigger, one a slice; no more than it has to close."""
    prices = {"order_type": STOP, "price": limit, "trigger_price": trigger}
    existing = list(execution.orders.all())
    fresh = [
        order
        for capped in holds.capped(execution, [ticket], desk)
        for order in _sliced(execution, capped, prices, existing, desk)
    ]
    return insert(fresh)


def open_orders(orders: Iterable[Order]) -> list[Order]:
    return [order for order in orders if order.status in OPEN_STATES]


def _slices(
    execution: StrategyExecution, ticket: Ticket, quote: Quote, existing: list[Order], desk: Desk
) -> list[Order]:
    closing = ticket.action == Order.Action.CLOSE
    most = None if closing else execution.strategy_version.max_slippage_percent
    worst = None if most is None else to_tick(
        worst_price(quote.mid, ticket.side, most), ticket.contract.tick_size, ticket.side
    )  # fmt: skip
    price = limit_price(
        quote,
        side=ticket.side,
        tick=ticket.contract.tick_size,
        cross=EXIT_CROSS if closing else ENTRY_CROSS,
        is_option=ticket.contract.strike is not None,
        worst=worst,
    )
    expires_at = None if closing else execution.deadline
    prices = {
        "order_type": "LIMIT", "price": price, "worst_price": worst, "arrival_mid": quote.mid,
        "expires_at": expires_at,
    }  # fmt: skip
    return _sliced(execution, ticket, prices, existing, desk)


def _sliced(
    execution: StrategyExecution, ticket: Ticket, prices: dict[str, Any], existing: list[Order], desk: Desk
) -> list[Order]:
    taken = [
        order.slice
        for order in existing
        if order.leg_number == ticket.leg_number and order.action == ticket.action
    ]
    first = max(taken, default=0) + 1
    return [
        _order(execution, ticket, first + n, quantity, prices, desk)
        for n, quantity in enumerate(contracts.slices(ticket.contract.spec, ticket.lots, desk.day))
    ]


def _order(
    execution: StrategyExecution,
    ticket: Ticket,
    number: int,
    quantity: int,
    prices: dict[str, Any],
    desk: Desk,
) -> Order:
    allocation = execution.allocation
    order = Order(
        execution=execution,
        allocation=allocation,
        broker_account=allocation.broker_account,
        timeline=desk.timeline,
        contract=ticket.contract,
        leg_number=ticket.leg_number,
        action=ticket.action,
        slice=number,
        wave=ticket.wave,
        side=ticket.side,
        product=allocation.product,
        quantity=quantity,
        status=OrderState.READY,
        created_at=desk.now,
        written_at=desk.later().wall,
        **prices,
    )
    order.client_ref = ref_of(order, desk, attempt=1)
    return order
