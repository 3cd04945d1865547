"""One phase of a strategy's day as lanes: run, pair, leg, slice, and what became of each when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.models import Fill, Order, StrategyExecution
from execution.moves import STOP
from execution.selectors import executions_of, orders_of
from market.kernel.money import ZERO, rupees
from users.models import User


@dataclass(frozen=True, slots=True)
class Slice:
    """One order: ready, answered by the broker, filled bit by bit, ended. Market time throughout."""

    order: Order
    answered_at: datetime | None
    fills: tuple[Fill, ...]
    slippage: Decimal | None

    @property
    def was_sent(self) -> bool:
        return self.order.sending_at is not None

    @property
    def moments(self) -> list[datetime]:
        known = [self.order.created_at, self.answered_at, self.order.finished_at]
        return [at for at in (*known, *(fill.at for fill in self.fills)) if at is not None]


@dataclass(frozen=True, slots=True)
class Lane:
    """The slices of one leg, opening or closing, in the order they were written."""

    leg_number: int
    action: str
    side: str
    symbol: str
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class PairLanes:
    """One pair's run with its legs."""

    run: StrategyExecution
    lanes: tuple[Lane, ...]

    @property
    def slices(self) -> list[Slice]:
        return [each for lane in self.lanes for each in lane.slices]

    @property
    def sent(self) -> int:
        """Orders that went to the broker."""
        return sum(each.was_sent for each in self.slices)

    @property
    def filled(self) -> int:
        return sum(each.order.status == "FILLED" for each in self.slices)

    @property
    def slippage(self) -> Decimal | None:
        """Rupees against the mid at arrival, negative is a cost; None before a fill."""
        known = [each.slippage for each in self.slices if each.slippage is not None]
        return sum(known, ZERO) if known else None


@dataclass(frozen=True, slots=True)
class Picture:
    """All pairs that ran the same phase and cycle of a strategy on a trading day."""

    pairs: tuple[PairLanes, ...]

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """The first and the last moment of any slice; None before the first order."""
        moments = [at for pair in self.pairs for each in pair.slices for at in each.moments]
        return (min(moments), max(moments)) if moments else None


def picture_of(user: User, run: StrategyExecution) -> Picture:
    """The run beside its siblings on the user's other brokers; four queries, however many orders.

    A stop at the broker rests all day and is no part of how the run went.
    """
    runs = executions_of(user).filter(
        allocation__strategy=run.allocation.strategy_id,
        timeline=run.timeline_id,
        trading_day=run.trading_day,
        phase=run.phase,
        cycle=run.cycle,
    )
    sent = orders_of(user).filter(execution__in=runs).exclude(order_type=STOP)
    orders = sent.prefetch_related("fills", "events")
    by_run: dict[int, list[Order]] = defaultdict(list)
    for order in orders.order_by("wave", "leg_number", "action", "slice", "attempt"):
        by_run[order.execution_id].append(order)
    return Picture(tuple(PairLanes(each, _lanes(by_run[each.pk])) for each in runs.order_by("pk")))


def slippage(order: Order) -> Decimal | None:
    """Rupees lost against the mid at arrival (negative is a cost); None before a fill."""
    if not order.filled_quantity or order.average_price is None or order.arrival_mid is None:
        return None
    better = order.arrival_mid - order.average_price
    return rupees((better if order.side == "BUY" else -better) * order.filled_quantity)


def _lanes(orders: Iterable[Order]) -> tuple[Lane, ...]:
    found: dict[tuple[int, str, str, str], list[Slice]] = defaultdict(list)
    for order in orders:
        key = (order.leg_number, order.action, order.side, order.contract.symbol)
        found[key].append(_slice(order))
    return tuple(Lane(*key, tuple(slices)) for key, slices in found.items())


def _slice(order: Order) -> Slice:
    answers = [event.at for event in order.events.all() if event.source == "answer"]
    fills = sorted(order.fills.all(), key=lambda fill: (fill.at, fill.trade_id))
    return Slice(order, min(answers, default=None), tuple(fills), slippage(order))
