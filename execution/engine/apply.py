"""The applier: what a broker says of an order becomes events, fills and positions. Nothing else
moves an order past SENDING. Push and poll come through here alike; saying a thing twice, or late,
or out of order, gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q, Sum

from allocations.models import TradingState
from allocations.services import set_trading_state
from brokers.models import BrokerAccount
from brokers.types import BrokerOrder, BrokerTrade
from execution import moves
from execution.engine import tell
from execution.engine.desk import Desk
from execution.models import Fill, Order, OrderEvent, Position, Settlement
from execution.positions import Holding, Trade, project, settled
from execution.states import TERMINAL, OrderState
from market.kernel import charges
from market.kernel.clock import ist_day
from market.kernel.money import ZERO, rupees


def apply_books(
    account: BrokerAccount,
    orders: Iterable[BrokerOrder],
    trades: Iterable[BrokerTrade],
    desk: Desk,
    *,
    source: str,
) -> set[int]:
    """Apply a broker's books; the ids of executions that moved. Foreign rows are left alone."""
    reports, deals = list(orders), list(trades)
    ours = _Ours(account, [*reports, *deals], desk)
    known = set(
        Fill.objects.filter(
            timeline=desk.timeline, broker_account=account, order__in=ours.ids
        ).values_list("order_id", "trade_id")
    )
    moved = set()
    for deal in deals:
        order = ours.find(deal)
        if order is not None and (order.pk, deal.trade_id) not in known:
            moved |= apply_trade(order.pk, deal, desk, source=source)
    for report in reports:
        order = ours.find(report)
        if order is not None and moves.says_more(order, report):
            moved |= apply_order(order.pk, report, desk, source=source)
    return moved


class _Ours:
    """Which of our orders a broker's row is: by its tag, else by the broker's number of the order."""

    def __init__(
        self, account: BrokerAccount, rows: list[BrokerOrder | BrokerTrade], desk: Desk
    ) -> None:
        mine = Order.objects.filter(timeline=desk.timeline, broker_account=account)
        untagged = {row.broker_order_id for row in rows if not row.client_ref}
        found = mine.filter(
            Q(client_ref__in={row.client_ref for row in rows if row.client_ref})
            | Q(broker_order_id__in=untagged)
        )
        self._by_tag = {order.client_ref: order for order in found}
        self._by_number = {
            (order.broker_order_id, ist_day(order.created_at)): order
            for order in found
            if order.broker_order_id
        }
        self.ids = {order.pk for order in found}

    def find(self, row: BrokerOrder | BrokerTrade) -> Order | None:
        if row.client_ref:
            return self._by_tag.get(row.client_ref)
        return self._by_number.get((row.broker_order_id, ist_day(row.at)))


@transaction.atomic
def apply_trade(order_id: int, trade: BrokerTrade, desk: Desk, *, source: str) -> set[int]:
    """Record a fill once, and move its order and position in the same transaction."""
    order = _locked(order_id)
    _, fresh = Fill.objects.get_or_create(
        timeline=desk.timeline,
        broker_account=order.broker_account,
        exchange=order.contract.exchange,
        trading_day=ist_day(trade.at),
        trade_id=trade.trade_id,
        defaults={
            "order": order,
            "side": order.side,
            "quantity": trade.quantity,
            "price": trade.price,
            "at": trade.at,
        },
    )
    if not fresh:
        return set()
    _event(order, desk, kind="fill", source=source, key=f"fill:{trade.trade_id}", payload={
        "quantity": trade.quantity, "price": str(trade.price)
    })  # fmt: skip
    order.broker_order_id = order.broker_order_id or trade.broker_order_id
    _sum_fills(order)
    _move(order, OrderState.PARTIAL, desk)
    if order.filled_quantity > order.quantity:
        _overfilled(order, desk)
    rebuild_position(order, desk)
    return {order.execution_id}


@transaction.atomic
def apply_order(order_id: int, report: BrokerOrder, desk: Desk, *, source: str) -> set[int]:
    """Record what the book says of the order; fills still to come keep it from ending."""
    order = _locked(order_id)
    key = f"book:{report.status}:{report.filled_quantity}:{order.pending_op}"
    _event(order, desk, kind=report.status, source=source, key=key, payload={"reason": report.reason})
    order.broker_order_id = report.broker_order_id
    reported = moves.reported(report, filled=order.filled_quantity)
    if reported is OrderState.REJECTED:
        order.code, order.upstream = order.code or "REJECTED_BY_BROKER", report.reason
    if reported in TERMINAL:
        order.pending_op = Order.PendingOp.NONE
    _move(order, reported, desk)
    return {order.execution_id}


def rebuild_position(order: Order, desk: Desk) -> Position:
    """Project the pair's fills of the order's contract, in exchange order, onto its position."""
    key = {
        "allocation_id": order.allocation_id,
        "contract_id": order.contract_id,
        "product": order.product,
        "timeline": desk.timeline,
    }
    Position.objects.get_or_create(**key, defaults={"leg_number": order.leg_number, "day": desk.day})
    position = Position.objects.select_for_update(no_key=True).get(**key)
    if position.quantity == 0:  # a leg of another run may have held this contract before
        position.leg_number = order.leg_number
    return project_position(position, desk)


def project_position(position: Position, desk: Desk) -> Position:
    """Write the locked position anew from its fills and settlements."""
    orders = Order.objects.filter(
        allocation_id=position.allocation_id,
        contract_id=position.contract_id,
        product=position.product,
        timeline_id=position.timeline_id,
    )
    rows = Fill.objects.filter(order__in=orders).order_by("at", "trade_id")
    holding = project(Trade(*row) for row in rows.values_list("side", "quantity", "price"))
    order_charges = orders.aggregate(total=Sum("charges"))["total"] or ZERO
    settlement = Settlement.objects.filter(position=position).order_by("provisional").first()
    if settlement is not None:
        holding = settled(holding, settlement.price)
        order_charges += settlement.charges
    was_flat = position.quantity == 0
    _write(position, holding)
    position.charges = order_charges
    if was_flat and holding.quantity:
        position.opened_at = desk.now
    position.updated_at = desk.now
    position.save()
    tell.book_changed(desk)
    return position


def _write(position: Position, holding: Holding) -> None:
    position.quantity = holding.quantity
    position.cost = rupees(holding.cost)
    position.average_price = holding.average_price
    position.realised = rupees(holding.realised)


def _locked(order_id: int) -> Order:
    return (
        Order.objects.select_for_update(of=("self",), no_key=True)
        .select_related("contract", "broker_account__user", "allocation__broker_account__user")
        .get(pk=order_id)
    )


def _sum_fills(order: Order) -> None:
    fills = Fill.objects.filter(order=order).values_list("quantity", "price")
    order.filled_quantity, turnover = moves.sum_fills(fills)
    order.average_price = turnover / order.filled_quantity
    order.charges = charges.for_order(
        order.broker_account.broker,
        order.contract.spec,
        order.side,  # type: ignore[arg-type]  # BUY or SELL by the model's writer
        order.filled_quantity,
        on=ist_day(order.created_at),
        turnover=turnover,
    ).total


def _move(order: Order, reported: OrderState, desk: Desk) -> None:
    order.status, ended = moves.moved(order, reported)
    if ended:
        order.finished_at = desk.now
        order.pending_op = Order.PendingOp.NONE
    if order.status not in moves.NO_ANSWER:
        order.next_lookup_at = None
    order.save()
    tell.order_changed(desk, order)


def _event(
    order: Order, desk: Desk, *, kind: str, source: str, key: str, payload: dict[str, object]
) -> None:
    OrderEvent.objects.bulk_create(
        [OrderEvent(order=order, kind=kind, source=source, dedupe_key=key, payload=payload, at=desk.now)],
        ignore_conflicts=True,
    )


def _overfilled(order: Order, desk: Desk) -> None:
    """More than we asked for is held: it is recorded, and the pair enters no more until a person looks."""
    set_trading_state(
        user=order.broker_account.user,
        scope=TradingState.Scope.PAIR,
        target=order.allocation,
        state=TradingState.State.FROZEN,
        reason=f"overfill of order {order.client_ref}",
        by=None,
        source="engine",
        now=desk.wall,
    )
    tell.tell(
        desk,
        order.allocation,
        kind="overfill",
        severity=tell.Severity.CRITICAL,
        title="The broker filled more than was ordered",
        body=f"Order {order.client_ref} was for {order.quantity}, filled {order.filled_quantity}. "
        "Entries of this pair are frozen: check the broker's own screen, then resume the pair.",
        dedupe_key=f"overfill:{order.client_ref}",
    )
