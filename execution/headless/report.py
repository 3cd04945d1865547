"""What a headless day did, as one document: every run, order, fill, settlement and rupee of it.

Nothing in it depends on a primary key, a port or the wall clock: the same input gives the same text.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from allocations.models import StrategyBrokerAllocation
from execution.engine import marks
from execution.headless.play import Player
from execution.headless.witness import compare
from execution.models import (
    Fill,
    Order,
    PerformanceMetric,
    Position,
    Settlement,
    StrategyExecution,
)
from market.kernel.clock import IST
from market.kernel.money import ZERO, rupees

Document = dict[str, Any]
PAIR = "allocation__strategy__basket", "allocation__broker_account"


def document(player: Player, *, days: list[date], inputs: Document, data: list[Document]) -> Document:
    """The whole report of a played world."""
    timeline = player.timeline
    metrics = _by_pair(timeline.pk)
    pairs = [_pair(pair, metrics.get(pair.pk, []), timeline.pk) for pair in _all_pairs()]
    return {
        "days": [day.isoformat() for day in days],
        "inputs": inputs,
        "data": data,
        "provisional": Settlement.objects.filter(position__timeline=timeline, provisional=True).exists(),
        "pairs": pairs,
        "daily": [_day(row) for rows in metrics.values() for row in rows],
        "strategies": _sums(pairs, "strategy"),
        "baskets": _sums(pairs, "basket"),
        "brokers": _sums(pairs, "broker"),
        "executions": [_execution(row) for row in _rows(StrategyExecution, timeline.pk)],
        "orders": [_order(row) for row in _rows(Order, timeline.pk, "contract", "execution")],
        "fills": [_fill(row) for row in _fills(timeline.pk)],
        "settlements": [_settlement(row) for row in _settlements(timeline.pk)],
        "positions": [_position(row, player) for row in _open(timeline.pk)],
        "ledger": compare(player),
    }


def _all_pairs() -> list[StrategyBrokerAllocation]:
    """Every pair of the story, those that never traded too."""
    rows = StrategyBrokerAllocation.objects.select_related("strategy__basket", "broker_account")
    return list(rows.order_by("pk"))


def _by_pair(timeline: int) -> dict[int, list[PerformanceMetric]]:
    rows = PerformanceMetric.objects.filter(timeline_id=timeline).select_related(*PAIR)
    grouped: dict[int, list[PerformanceMetric]] = {}
    for row in rows.order_by("allocation_id", "trading_day"):
        grouped.setdefault(row.allocation_id, []).append(row)
    return grouped


def _day(row: PerformanceMetric) -> Document:
    return {
        **_name(row.allocation),
        "day": row.trading_day.isoformat(),
        "charges": str(row.charges),
        "net": str(row.net),
        "peak_margin": str(row.peak_margin),
        "provisional": row.provisional,
    }


def _pair(
    pair: StrategyBrokerAllocation, metrics: list[PerformanceMetric], timeline: int
) -> Document:
    charges = sum((m.charges for m in metrics), ZERO)
    net = sum((m.net for m in metrics), ZERO)
    filled = Order.objects.filter(allocation=pair, timeline_id=timeline, execution__phase="entry")
    return {
        **_name(pair),
        "lots_allocated": pair.lots,
        "capital": str(pair.max_margin),
        "lots_filled": _lots_filled(filled),
        "orders": sum(m.orders for m in metrics),
        "fills": sum(m.fills for m in metrics),
        "realised": str(metrics[-1].realised if metrics else rupees(ZERO)),
        "unrealised": str(metrics[-1].unrealised if metrics else rupees(ZERO)),
        "gross": str(rupees(net + charges)),
        "charges": str(rupees(charges)),
        "net": str(rupees(net)),
        "peak_margin": str(max((m.peak_margin for m in metrics), default=rupees(ZERO))),
        "provisional": any(m.provisional for m in metrics),
    }


def _lots_filled(orders: Any) -> dict[str, int]:
    """Lots filled by contract of the entries' opening orders."""
    rows = orders.filter(action="open").order_by("leg_number", "contract__symbol")
    sums = rows.values_list("contract__symbol", "contract__lot_size").annotate(n=Sum("filled_quantity"))
    return {symbol: units // lot for symbol, lot, units in sums}


def _sums(pairs: list[Document], key: str) -> list[Document]:
    names = dict.fromkeys(row[key] for row in pairs)
    return [
        {
            key: name,
            **{
                column: str(sum((Decimal(row[column]) for row in pairs if row[key] == name), ZERO))
                for column in ("gross", "charges", "net", "peak_margin")
            },
            **{
                column: sum(row[column] for row in pairs if row[key] == name)
                for column in ("orders", "fills")
            },
        }
        for name in names
    ]


def _execution(row: StrategyExecution) -> Document:
    return {
        **_name(row.allocation),
        "day": row.trading_day.isoformat(),
        "phase": row.phase,
        "cycle": row.cycle,
        "cause": row.cause,
        "lots": row.lots,
        "status": row.status,
        "code": row.code,
        "detail": row.detail,
        "due": _ist(row.due_at),
        "started": _ist(row.started_at),
        "finished": _ist(row.finished_at),
        "margin": None if row.margin is None else str(row.margin),
    }


def _order(row: Order) -> Document:
    return {
        **_name(row.allocation),
        "order": row.client_ref,
        "phase": row.execution.phase,
        "contract": row.contract.symbol,
        "leg": row.leg_number,
        "action": row.action,
        "wave": row.wave,
        "slice": row.slice,
        "attempt": row.attempt,
        "side": row.side,
        "product": row.product,
        "quantity": row.quantity,
        "price": None if row.price is None else str(row.price),
        "status": row.status,
        "filled_quantity": row.filled_quantity,
        "average_price": None if row.average_price is None else str(row.average_price),
        "arrival_mid": None if row.arrival_mid is None else str(row.arrival_mid),
        "charges": str(row.charges),
        "code": row.code,
        "created": _ist(row.created_at),
    }


def _fill(row: Fill) -> Document:
    return {
        **_name(row.order.allocation),
        "order": row.order.client_ref,
        "trade_id": row.trade_id,
        "contract": row.order.contract.symbol,
        "side": row.side,
        "quantity": row.quantity,
        "price": str(row.price),
        "time": _ist(row.at),
    }


def _settlement(row: Settlement) -> Document:
    return {
        **_name(row.position.allocation),
        "contract": row.position.contract.symbol,
        "quantity": row.quantity,
        "price": str(row.price),
        "underlying_price": str(row.underlying_price),
        "amount": str(row.amount),
        "charges": str(row.charges),
        "provisional": row.provisional,
        "source": row.source,
    }


def _position(row: Position, player: Player) -> Document:
    quote = player.last.quote(row.contract.symbol) if player.last else None
    return {
        **_name(row.allocation),
        "contract": row.contract.symbol,
        "quantity": row.quantity,
        "average_price": str(row.average_price),
        "mark": None if quote is None else str(marks.exit_mark(quote, row.quantity)),
    }


def _rows(model: Any, timeline: int, *more: str) -> Iterable[Any]:
    rows = model.objects.filter(timeline_id=timeline).select_related(*PAIR, *more)
    return rows.order_by("pk")


def _fills(timeline: int) -> Iterable[Fill]:
    related = [f"order__{name}" for name in (*PAIR, "contract")]
    return Fill.objects.filter(timeline_id=timeline).select_related(*related).order_by("pk")


def _settlements(timeline: int) -> Iterable[Settlement]:
    related = [f"position__{name}" for name in (*PAIR, "contract")]
    rows = Settlement.objects.filter(position__timeline_id=timeline)
    return rows.select_related(*related).order_by("pk")


def _open(timeline: int) -> Iterable[Position]:
    rows = Position.objects.filter(timeline_id=timeline).exclude(quantity=0)
    return rows.select_related(*PAIR, "contract").order_by("allocation_id", "leg_number")


def _name(pair: Any) -> Document:
    return {
        "pair": f"{pair.strategy.name} on {pair.broker_account.label}",
        "basket": pair.strategy.basket.name,
        "strategy": pair.strategy.name,
        "broker": pair.broker_account.broker,
    }


def _ist(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(IST).isoformat()
