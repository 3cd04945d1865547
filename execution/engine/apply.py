"""The applier: what a broker says of an order becomes events, fills and positions. Nothing else
moves an order past SENDING. Push and poll come through here alike; saying a thing twice, or late,
or out of order, gives the same rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import pgbulk
from django.db import transaction
from django.db.models import Q

from allocations.models import TradingState
from allocations.services import set_trading_state
from brokers.models import BrokerAccount
from brokers.types import BrokerOrder, BrokerStatus, BrokerTrade
from execution import moves
from execution.engine import projecting, tell
from execution.engine.desk import Desk
from execution.models import Fill, Order, OrderEvent, Position, StrategyExecution
from execution.states import TERMINAL, OrderState
from market.kernel import charges
from market.kernel.clock import ist_day
from users.prepared import Param, Prepared, insert

#: What the applier writes of an order.
MOVED = [
    "status", "pending_op", "broker_order_id", "filled_quantity", "average_price", "charges", "code",
    "upstream", "next_lookup_at", "finished_at",
]  # fmt: skip

#: No book has said anything of an order in these states.
UNREPORTED = (*moves.NO_ANSWER, OrderState.ACKED)

#: What a book may say of an order that ended before it was filled.
ENDS = (BrokerStatus.CANCELLED, BrokerStatus.REJECTED, BrokerStatus.EXPIRED)


NAMED = Prepared(
    lambda: Order.objects.filter(
        Q(client_ref__among=Param("tags")) | Q(broker_order_id__among=Param("numbers")),
        timeline=Param("timeline"), broker_account=Param("account"),
    )
)  # fmt: skip
FILLED = Prepared(
    lambda: Fill.objects.filter(
        timeline=Param("timeline"), broker_account=Param("account"), order__among=Param("ids")
    ).values_list("order_id", "trade_id")
)
LOCKED = Prepared(
    lambda: Order.objects.select_for_update(of=("self",), no_key=True)
    .filter(pk__among=Param("ids"))
    .select_related("contract", "broker_account", "allocation")
    .order_by("pk")
)
DEALT = Prepared(
    lambda: Fill.objects.filter(
        timeline=Param("timeline"), broker_account__among=Param("accounts"), trade_id__among=Param("trades")
    ).values_list("broker_account_id", "exchange", "trading_day", "trade_id")
)
ENDED = Prepared(
    lambda: OrderEvent.objects.filter(
        order__among=Param("ids"), kind__in=ENDS, payload__has_key="filled"
    ).order_by("pk").values_list("order_id", "kind", "payload")
)  # fmt: skip


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
    # a push is said once, a poll says it all again: what is known already should lock nothing
    known = set[tuple[int, str]]()
    if source == "poll":
        known |= set(FILLED.rows(timeline=desk.timeline.pk, account=account.pk, ids=list(ours.ids)))
    said: dict[int, Said] = defaultdict(Said)
    for deal in deals:
        order = ours.find(deal)
        if order is not None and (order.pk, deal.trade_id) not in known:
            said[order.pk].deals.append(deal)
    for report in reports:
        order = ours.find(report)
        if order is not None and moves.says_more(order, report):
            said[order.pk].reports.append(report)
    return apply_said(said, desk, source=source) if said else set()


@dataclass(slots=True)
class Said:
    """What a broker said of one order, in the order in which it was said."""

    deals: list[BrokerTrade] = field(default_factory=list)
    reports: list[BrokerOrder] = field(default_factory=list)


class _Ours:
    """Which of our orders a broker's row is: by its tag, else by the broker's number of the order."""

    def __init__(
        self, account: BrokerAccount, rows: list[BrokerOrder | BrokerTrade], desk: Desk
    ) -> None:
        tags = {row.client_ref for row in rows if row.client_ref}
        untagged = {row.broker_order_id for row in rows if not row.client_ref}
        found = NAMED.rows(
            timeline=desk.timeline.pk, account=account.pk, tags=list(tags), numbers=list(untagged)
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


def apply_trade(order_id: int, trade: BrokerTrade, desk: Desk, *, source: str) -> set[int]:
    """Record a fill once, and move its order and position in the same transaction."""
    return apply_said({order_id: Said(deals=[trade])}, desk, source=source)


def apply_order(order_id: int, report: BrokerOrder, desk: Desk, *, source: str) -> set[int]:
    """Record what the book says of the order; fills still to come keep it from ending."""
    return apply_said({order_id: Said(reports=[report])}, desk, source=source)


@transaction.atomic
def apply_said(said: Mapping[int, Said], desk: Desk, *, source: str) -> set[int]:
    """Apply what was said of these orders, fills first; the executions that moved.

    Orders are locked in their order, positions after them, so that no two workers wait both ways.
    """
    orders = LOCKED.rows(ids=list(said))
    events: list[OrderEvent] = []
    filled = _write_fills(orders, said, desk, source, events)
    ends = _ends(order.pk for order in orders if order.pk in filled and order.status not in UNREPORTED)
    for order in orders:
        if order.pk in filled:
            _fill(order, filled[order.pk], ends.get(order.pk, []), desk)
        for report in said[order.pk].reports:
            _report(order, report, desk, source, events)
    insert(events, ignore_conflicts=True)
    moved = [order for order in orders if order.pk in filled or said[order.pk].reports]
    pgbulk.update(Order, moved, MOVED)
    for order in moved:
        tell.order_changed(desk, order)
    projecting.rebuild([order for order in orders if order.pk in filled], desk)
    return {order.execution_id for order in moved} | _waiting_for(moved)


def _waiting_for(moved: list[Order]) -> set[int]:
    """Running runs of the pairs whose stop at the broker has ended: it held their closes back."""
    pairs = {o.allocation_id for o in moved if o.order_type == moves.STOP and o.status in TERMINAL}
    if not pairs:
        return set()
    runs = StrategyExecution.objects.filter(
        allocation__in=pairs, timeline=moved[0].timeline_id, status=StrategyExecution.Status.RUNNING
    )
    return set(runs.values_list("pk", flat=True))


def rebuild_position(order: Order, desk: Desk) -> Position:
    """Project the pair's fills of the order's contract, in exchange order, onto its position."""
    (position,) = projecting.rebuild([order], desk)
    return position


def _write_fills(
    orders: list[Order], said: Mapping[int, Said], desk: Desk, source: str, events: list[OrderEvent]
) -> dict[int, moves.Filled]:
    """Write the fills that are new; by order that got one, the sum of all of its fills."""
    fresh = _fresh_fills(orders, said, desk)
    if not fresh:
        return {}
    insert(fresh, ignore_conflicts=True)
    for fill in fresh:
        payload = {"quantity": fill.quantity, "price": str(fill.price)}
        events.append(_event(fill.order, desk, "fill", source, f"fill:{fill.trade_id}", payload))
    all_fills: dict[int, list[tuple[int, Decimal]]] = defaultdict(list)
    for fill in fresh:
        all_fills[fill.order_id].append((fill.quantity, fill.price))
    before = [order.pk for order in orders if order.pk in all_fills and order.filled_quantity]
    if before:
        earlier = Fill.objects.filter(order__in=before).exclude(trade_id__in=[fill.trade_id for fill in fresh])
        for order_id, quantity, price in earlier.values_list("order_id", "quantity", "price"):
            all_fills[order_id].append((quantity, price))
    return {order_id: moves.sum_fills(fills) for order_id, fills in all_fills.items()}


def _fresh_fills(orders: list[Order], said: Mapping[int, Said], desk: Desk) -> list[Fill]:
    deals = {deal.trade_id for each in said.values() for deal in each.deals}
    if not deals:
        return []
    accounts = {order.broker_account_id for order in orders}
    known = set(DEALT.rows(timeline=desk.timeline.pk, accounts=list(accounts), trades=list(deals)))
    fresh = []
    for order in orders:
        for deal in said[order.pk].deals:
            key = (order.broker_account_id, order.contract.exchange, ist_day(deal.at), deal.trade_id)
            if key not in known:
                known.add(key)
                order.broker_order_id = order.broker_order_id or deal.broker_order_id
                fresh.append(_new_fill(order, deal, desk))
    return fresh


def _new_fill(order: Order, deal: BrokerTrade, desk: Desk) -> Fill:
    return Fill(
        order=order, timeline=desk.timeline, broker_account=order.broker_account,
        exchange=order.contract.exchange, trading_day=ist_day(deal.at), trade_id=deal.trade_id,
        side=order.side, quantity=deal.quantity, price=deal.price, at=deal.at,
    )  # fmt: skip


def _ends(ids: Iterable[int]) -> dict[int, list[moves.End]]:
    """By order, the ends that the book has named, which may have come before the last fills."""
    found: dict[int, list[moves.End]] = defaultdict(list)
    reported = list(ids)
    if not reported:
        return found
    for order_id, kind, payload in ENDED.rows(ids=reported):
        found[order_id].append(moves.End(moves.REPORTED[BrokerStatus(kind)], payload["filled"]))
    return found


def _fill(order: Order, filled: moves.Filled, ends: Iterable[moves.End], desk: Desk) -> None:
    """The order with all of its fills, and more than was ordered is dealt with."""
    order.filled_quantity, turnover = filled
    order.average_price = turnover / order.filled_quantity
    order.charges = charges.for_order(
        order.broker_account.broker,
        order.contract.spec,
        order.side,  # type: ignore[arg-type]  # BUY or SELL by the model's writer
        order.filled_quantity,
        on=ist_day(order.created_at),
        turnover=turnover,
    ).total
    _move(order, moves.after_fill(order.filled_quantity, ends), desk)
    if order.filled_quantity > order.quantity:
        _overfilled(order, desk)


def _report(
    order: Order, report: BrokerOrder, desk: Desk, source: str, events: list[OrderEvent]
) -> None:
    key = f"book:{report.status}:{report.filled_quantity}:{order.pending_op}"
    payload: dict[str, object] = {"reason": report.reason, "filled": report.filled_quantity}
    events.append(_event(order, desk, report.status, source, key, payload))
    order.broker_order_id = report.broker_order_id
    reported = moves.reported(report, filled=order.filled_quantity)
    if reported is OrderState.REJECTED:
        order.code, order.upstream = order.code or "REJECTED_BY_BROKER", report.reason
        if order.order_type == moves.STOP and order.status not in TERMINAL:
            tell.stop_lost(desk, order)
    if reported in TERMINAL:
        order.pending_op = Order.PendingOp.NONE
    _move(order, reported, desk)


def _move(order: Order, reported: OrderState, desk: Desk) -> None:
    order.status, ended = moves.moved(order, reported)
    if ended:
        order.finished_at = desk.now
        order.pending_op = Order.PendingOp.NONE
    if order.status not in moves.NO_ANSWER:
        order.next_lookup_at = None


def _event(
    order: Order, desk: Desk, kind: str, source: str, key: str, payload: dict[str, object]
) -> OrderEvent:
    return OrderEvent(
        order=order, kind=kind, source=source, dedupe_key=key, payload=payload, at=desk.now
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
