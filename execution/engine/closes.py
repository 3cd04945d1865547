"""Closing: shorts first, a hedge only when no short that it covers is open; never more than held."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from execution import gates, moves
from execution.engine import orders as book
from execution.engine.desk import Desk
from execution.engine.orders import Ticket
from execution.models import Order, Position, StrategyExecution
from execution.states import OPEN_STATES, OrderState
from market.kernel.clock import ist_day
from users.prepared import Param, Prepared


def _held(rows: QuerySet[Position]) -> QuerySet[Position]:
    rows = rows.filter(allocation=Param("pair"), timeline=Param("timeline")).exclude(quantity=0)
    return rows.select_related("contract").order_by("leg_number", "contract__symbol")


HELD = Prepared(lambda: _held(Position.objects.all()))
HELD_LOCKED = Prepared(lambda: _held(Position.objects.select_for_update(of=("self",), no_key=True)))
LIVE = Prepared(
    lambda: Order.objects.filter(
        allocation=Param("pair"), timeline=Param("timeline"), status__in=OPEN_STATES
    ).select_related("contract")
)
OF_RUN = Prepared(lambda: Order.objects.filter(execution=Param("run")))


def positions_of_pair(execution: StrategyExecution, *, lock: bool = False) -> list[Position]:
    """The pair's open positions in this world, by leg."""
    rows = HELD_LOCKED if lock else HELD
    return rows.rows(pair=execution.allocation_id, timeline=execution.timeline_id)


def leaving(held: list[Position], only_legs: list[int] | None) -> list[Position]:
    """What an exit closes of what is held: all, or the named legs with the shorts that lean on them."""
    if only_legs is None:
        return held
    named = [position for position in held if position.leg_number in only_legs]
    leaning = [short for short in held if any(gates.leans(short, hedge) for hedge in named)]
    return named + [short for short in leaning if short not in named]


def release(
    execution: StrategyExecution, closing: Iterable[Position], held: list[Position], desk: Desk
) -> list[Order]:
    """Write the closing orders that may go now for `closing`; `held` is all that the pair holds."""
    mine = OF_RUN.rows(run=execution.pk)
    wanted = [position for position in closing if not is_worthless(position, desk)]
    contracts = {position.contract_id for position in wanted}
    released = gates.closings(
        wanted,
        held,
        live=_live_orders(execution),
        waiting={contract for contract in contracts if must_wait(mine, contract, desk)},
    )
    tickets = [
        Ticket(
            contract=position.contract,
            leg_number=position.leg_number,
            action=Order.Action.CLOSE,
            wave=1 if position.quantity < 0 else 2,
            side="BUY" if position.quantity < 0 else "SELL",
            lots=units // position.contract.lot_size,
        )
        for position, units in released
    ]
    return book.write(execution, tickets, mine, desk)


def withdraw_opens(execution: StrategyExecution, desk: Desk) -> list[Order]:
    """Stop every opening order of the pair, and the stops at the broker of the legs that leave.

    Unsent ones end, the others are to be cancelled. A close waits until a stop's end is known: while it
    may fill, its units are on their way.
    """
    stops = Q(order_type=moves.STOP)
    if execution.only_legs is not None:
        named = leaving(positions_of_pair(execution), execution.only_legs)
        stops &= Q(leg_number__in={*execution.only_legs, *(p.leg_number for p in named)})
    return withdraw(_open(execution, Q(action=Order.Action.OPEN) | stops), desk)


def withdraw_stops(execution: StrategyExecution, symbols: Iterable[str], desk: Desk) -> list[Order]:
    """Stop the stops at the broker of contracts that a run is about to close. Before any other lock."""
    wanted = Q(order_type=moves.STOP, contract__symbol__in=list(symbols))
    return withdraw(_open(execution, wanted), desk)


def lock_stops(execution: StrategyExecution) -> None:
    """Lock the pair's stops at the broker, by a run that will withdraw some once it has the positions."""
    list(_open(execution, Q(order_type=moves.STOP)).values_list("pk", flat=True))


def _open(execution: StrategyExecution, wanted: Q) -> QuerySet[Order]:
    """The pair's open orders of a kind, locked in their order."""
    rows = Order.objects.select_for_update(of=("self",), no_key=True).filter(
        wanted, allocation=execution.allocation, timeline=execution.timeline_id, status__in=OPEN_STATES
    )
    return rows.order_by("pk")


def withdraw(rows: Iterable[Order], desk: Desk, *, code: str = moves.WITHDRAWN) -> list[Order]:
    """End unsent orders and ask to cancel the rest; the orders that still wait for the broker.

    A stop keeps the code: why it was withdrawn.
    """
    waiting = []
    for order in rows:
        if order.order_type == moves.STOP and not order.pending_op:
            order.code = code
        end = moves.withdrawn(order.status)
        if end is not None:
            order.status, order.finished_at = end, desk.now
            order.save(update_fields=["status", "finished_at", "code"])
            continue
        if order.pending_op != Order.PendingOp.CANCEL:
            order.pending_op, order.asked_at = Order.PendingOp.CANCEL, None
            order.save(update_fields=["pending_op", "asked_at", "code"])
        waiting.append(order)
    return waiting


def is_worthless(position: Position, desk: Desk) -> bool:
    """A long option that nobody bids for and whose last price is next to nothing: it may expire."""
    quote = desk.frame.quote(position.contract.symbol)
    if quote is None or quote.bid is not None or position.contract.strike is None:
        return False
    return position.quantity > 0 and quote.ltp <= 2 * position.contract.tick_size


def _live_orders(execution: StrategyExecution) -> list[Order]:
    """The pair's orders that may still fill, whichever run sent them."""
    return LIVE.rows(pair=execution.allocation_id, timeline=execution.timeline_id)


def must_wait(mine: Iterable[Order], contract_id: int, desk: Desk) -> bool:
    """Whether the last close of this contract ended unfilled too short a while ago to try again."""
    ended = [
        order.finished_at
        for order in mine
        if order.contract_id == contract_id
        and order.action == Order.Action.CLOSE
        and order.status not in OPEN_STATES | {OrderState.FILLED}
        and order.finished_at is not None
        and ist_day(order.finished_at) == desk.day
    ]
    return gates.refused_too_recently(ended, desk.now)
