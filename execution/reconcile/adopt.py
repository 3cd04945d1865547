"""Making what was traded beside us a pair's own: orders and fills as rows, through the one applier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Max, Q

from allocations.models import StrategyBrokerAllocation
from brokers.types import BrokerTrade, Product, Side
from execution.differences import open_parts
from execution.engine.apply import apply_trade
from execution.engine.desk import Desk
from execution.engine.refs import client_ref
from execution.models import (
    AccountPosition,
    Fill,
    ForeignTrade,
    Order,
    OrderEvent,
    Position,
    StrategyExecution,
)
from execution.reconcile.ours import ADOPTED
from execution.states import OrderState
from market.kernel.clock import ist_day

Status = StrategyExecution.Status


@dataclass(frozen=True, slots=True)
class Part:
    """Units of one trade that become a pair's."""

    trade_id: str
    units: int
    price: Decimal
    at: datetime
    upstream: str = ""


def book(
    pair: StrategyBrokerAllocation, row: AccountPosition, side: str, parts: Sequence[Part], desk: Desk
) -> Order:
    """An order of the pair, filled by these parts, in a run of its own. Needs a transaction.

    It bears no number of the broker: what else that order did at the broker stays foreign.
    """
    units = sum(part.units for part in parts)
    order = _order(_run(pair, units // row.contract.lot_size, desk), row, side, units, parts, desk)
    for part in parts:
        trade = BrokerTrade(
            trade_id=_free_id(part.trade_id, row, desk, ist_day(part.at)),
            broker_order_id="",
            client_ref=order.client_ref,
            symbol=row.contract.symbol,
            side=Side(side),
            quantity=part.units,
            product=Product(row.product),
            price=part.price,
            at=part.at,
        )
        apply_trade(order.pk, trade, desk, source="adopt")
    row.ours += units if side == "BUY" else -units
    return order


def take(row: AccountPosition, units: int, *, newest: bool, side: str) -> list[Part]:
    """Up to that many units of the external trades that still stand on that side; marks them adopted."""
    trades = {
        trade.pk: trade
        for trade in ForeignTrade.objects.select_for_update(of=("self",), no_key=True)
        .filter(
            broker_account=row.broker_account_id, timeline=row.timeline_id,
            contract=row.contract_id, product=row.product,
        )
        .order_by("at", "trade_id")
    }  # fmt: skip
    standing = open_parts(
        (pk, _signed(trade)) for pk, trade in trades.items() if trade.adopted < trade.quantity
    )
    mine = [(pk, abs(signed)) for pk, signed in standing if (signed > 0) == (side == "BUY")]
    parts, left = [], units
    for pk, there in reversed(mine) if newest else mine:
        used = min(there, left)
        if used:
            parts.append(_used(trades[pk], used))
            left -= used
    return parts


def _used(trade: ForeignTrade, units: int) -> Part:
    trade.adopted += units
    trade.save(update_fields=["adopted"])
    return Part(trade.trade_id, units, trade.price, trade.at, f"broker's order {trade.broker_order_id}")


def _run(pair: StrategyBrokerAllocation, lots: int, desk: Desk) -> StrategyExecution:
    """A finished run that says what was adopted. The pair's row must be locked."""
    same_day = StrategyExecution.objects.filter(
        allocation=pair, timeline=desk.timeline, trading_day=desk.day, phase="adjust"
    )
    last = same_day.aggregate(last=Max("cycle"))["last"] or 0
    return StrategyExecution.objects.create(
        allocation=pair,
        timeline=desk.timeline,
        trading_day=desk.day,
        phase=StrategyExecution.Phase.ADJUST,
        cycle=last + 1,
        strategy_version_id=pair.strategy_version_id,
        lots=lots,
        status=Status.DONE,
        cause=ADOPTED,
        detail="Traded beside the platform and adopted by its owner; no order was sent.",
        due_at=desk.now,
        started_at=desk.now,
        finished_at=desk.now,
    )


def _order(
    run: StrategyExecution, row: AccountPosition, side: str, units: int, parts: Sequence[Part], desk: Desk
) -> Order:
    pair = run.allocation
    number, closes = _leg(pair, row, side, desk)
    action = Order.Action.CLOSE if closes else Order.Action.OPEN
    turnover = sum((part.price * part.units for part in parts), Decimal(0))
    order = Order.objects.create(
        execution=run,
        allocation=pair,
        broker_account=pair.broker_account,
        timeline=desk.timeline,
        contract=row.contract,
        leg_number=number,
        action=action,
        slice=1,
        wave=1,
        side=side,
        product=row.product,
        quantity=units,
        order_type="LIMIT",
        price=max(part.price for part in parts),
        status=OrderState.ACKED,
        client_ref=client_ref(desk.tag_key, desk.timeline.nonce, ADOPTED, run.pk, number, action),
        upstream="; ".join(sorted({part.upstream for part in parts if part.upstream})),
        arrival_mid=turnover / units,
        created_at=min(part.at for part in parts),
    )
    OrderEvent.objects.create(
        order=order, kind="adopted", source="adopt", dedupe_key="adopted", at=desk.now,
        payload={"reason": order.upstream},
    )  # fmt: skip
    return order


def _leg(
    pair: StrategyBrokerAllocation, row: AccountPosition, side: str, desk: Desk
) -> tuple[int, bool]:
    """(leg number, whether the trade closes it): the leg that holds the contract, else the next free."""
    held = {
        position.contract_id: position
        for position in Position.objects.filter(allocation=pair, timeline=desk.timeline)
        if position.quantity or position.contract_id == row.contract_id
    }
    mine = held.get(row.contract_id)
    if mine is not None and mine.quantity:
        return mine.leg_number, (mine.quantity > 0) == (side == "SELL")
    taken = [position.leg_number for position in held.values() if position.quantity]
    return max(taken, default=0) + 1, False


def _free_id(trade_id: str, row: AccountPosition, desk: Desk, day: date) -> str:
    """The trade's own id; a second part of the same trade gets a number behind it."""
    same = Fill.objects.filter(
        broker_account=row.broker_account_id, timeline=desk.timeline,
        exchange=row.contract.exchange, trading_day=day,
    ).filter(Q(trade_id=trade_id) | Q(trade_id__startswith=f"{trade_id}/")).count()  # fmt: skip
    return f"{trade_id}/{same + 1}" if same else trade_id


def _signed(trade: ForeignTrade) -> int:
    left = trade.quantity - trade.adopted
    return left if trade.side == "BUY" else -left
