"""What each pair of a basket has done, a lot and day, as `allocations.sizing` reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Case, DecimalField, F, Q, Sum, When

from allocations.models import StrategyBrokerAllocation
from allocations.sizing import Record
from execution.engine.preview import busy_pairs
from execution.models import Order, PerformanceMetric
from execution.states import OrderState
from market.kernel.money import ZERO
from market.models import Timeline


@dataclass(slots=True)
class _Days:
    """One pair's closed days as rupees a lot, oldest first."""

    nets: list[Decimal] = field(default_factory=list)
    entered: int = 0

    @property
    def mean(self) -> Decimal:
        return sum(self.nets, ZERO) / len(self.nets) if self.nets else ZERO

    @property
    def drawdown(self) -> Decimal:
        """The deepest fall of the running sum from its highest point so far, which starts at 0."""
        total = peak = worst = ZERO
        for net in self.nets:
            total += net
            peak = max(peak, total)
            worst = max(worst, peak - total)
        return worst


@dataclass(frozen=True, slots=True)
class _Fills:
    """Units wanted and filled, and the rupees lost against the mid at arrival."""

    wanted: int = 0
    filled: int = 0
    lost: Decimal = ZERO

    @property
    def rate(self) -> Decimal:
        return Decimal(self.filled) / self.wanted if self.wanted else Decimal(1)

    def slippage(self, lots: int) -> Decimal:
        """A lot; positive is a cost."""
        return self.lost / lots if lots else ZERO


def records_of(
    pairs: Sequence[StrategyBrokerAllocation], timeline: Timeline, *, days: int
) -> list[Record]:
    """One record a pair over its last closed days; four queries, however many pairs."""
    history = _history(pairs, timeline, days)
    fills = _fills(pairs, timeline)
    busy = busy_pairs(pairs, timeline)
    return [
        Record(
            key=pair.pk,
            lots=pair.lots,
            floor=0,
            cap=pair.max_lots,
            days=len(history[pair.pk].nets),
            net=history[pair.pk].mean,
            drawdown=history[pair.pk].drawdown,
            open_trade=pair.pk in busy,
            slippage=fills[pair.pk].slippage(history[pair.pk].entered),
            fill_rate=fills[pair.pk].rate,
        )
        for pair in pairs
    ]


def _history(
    pairs: Sequence[StrategyBrokerAllocation], timeline: Timeline, days: int
) -> dict[int, _Days]:
    rows = PerformanceMetric.objects.filter(allocation__in=pairs, timeline=timeline, final=True)
    by_pair: dict[int, list[PerformanceMetric]] = defaultdict(list)
    for row in rows.order_by("trading_day"):
        by_pair[row.allocation_id].append(row)
    found: dict[int, _Days] = defaultdict(_Days)
    for pair, mine in by_pair.items():
        found[pair] = _Days(_a_lot(mine[-days:]), sum(row.lots for row in mine[-days:]))
    return found


def _a_lot(rows: Iterable[PerformanceMetric]) -> list[Decimal]:
    """Each day's net by the lots it was earned with: those entered that day, else those carried in."""
    held, nets = 0, []
    for row in rows:
        held = row.lots or held
        if held:
            nets.append(row.net / held)
    return nets


def _fills(
    pairs: Sequence[StrategyBrokerAllocation], timeline: Timeline
) -> dict[int, _Fills]:
    """By pair, how the opening orders of its entries went."""
    money = DecimalField(max_digits=20, decimal_places=4)
    worse = Case(
        When(side="BUY", then=(F("average_price") - F("arrival_mid")) * F("filled_quantity")),
        default=(F("arrival_mid") - F("average_price")) * F("filled_quantity"),
        output_field=money,
    )
    rows = Order.objects.filter(
        allocation__in=pairs, timeline=timeline, action=Order.Action.OPEN, execution__phase="entry"
    ).exclude(status=OrderState.NEVER_SENT)
    sums = rows.order_by().values("allocation_id").annotate(
        wanted=Sum("quantity"), filled=Sum("filled_quantity"),
        lost=Sum(worse, filter=Q(filled_quantity__gt=0)),
    )  # fmt: skip
    found: dict[int, _Fills] = defaultdict(_Fills)
    for row in sums:
        found[row["allocation_id"]] = _Fills(row["wanted"], row["filled"], row["lost"] or ZERO)
    return found
