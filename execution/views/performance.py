"""Performance after charges, per pair, strategy, basket or broker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from execution.models import PerformanceMetric
from execution.selectors import performance_of
from execution.views.desk import running_timeline
from users.requests import SignedInRequest

GROUPINGS = {"pair": "Pair", "strategy": "Strategy", "basket": "Basket", "broker": "Broker"}


@dataclass(frozen=True, slots=True)
class Summed:
    """Days of one name together."""

    name: str
    days: int
    orders: int
    fills: int
    charges: Decimal
    net: Decimal
    best: Decimal
    worst: Decimal
    peak_margin: Decimal

    @property
    def gross(self) -> Decimal:
        return self.net + self.charges

    @property
    def on_margin(self) -> Decimal | None:
        """Net in percent of the highest day's margin."""
        return self.net / self.peak_margin * 100 if self.peak_margin else None


@login_required
@require_GET
def performance(request: SignedInRequest) -> HttpResponse:
    """The days of the active timeline summed under one name each."""
    by = request.GET.get("by", "pair")
    by = by if by in GROUPINGS else "pair"
    timeline = running_timeline()
    metrics = list(performance_of(request.user, timeline)) if timeline else []
    names = sorted({_name(metric, by) for metric in metrics})
    context = {
        "by": by,
        "by_name": GROUPINGS[by],
        "groupings": GROUPINGS.items(),
        "rows": [summed(name, (m for m in metrics if _name(m, by) == name)) for name in names],
        "total": summed("All", metrics) if metrics else None,
        "provisional": any(metric.provisional for metric in metrics),
        "timeline": timeline,
    }
    return render(request, "execution/performance.html", context)


def summed(name: str, metrics: Iterable[PerformanceMetric]) -> Summed:
    """Best and worst are of whole days, margin the highest day's, over all its pairs."""
    rows = list(metrics)
    days: dict[object, Decimal] = {}
    margins: dict[object, Decimal] = {}
    for row in rows:
        days[row.trading_day] = days.get(row.trading_day, Decimal(0)) + row.net
        margins[row.trading_day] = margins.get(row.trading_day, Decimal(0)) + row.peak_margin
    return Summed(
        name=name,
        days=len(days),
        orders=sum(row.orders for row in rows),
        fills=sum(row.fills for row in rows),
        charges=sum((row.charges for row in rows), Decimal(0)),
        net=sum(days.values(), Decimal(0)),
        best=max(days.values()),
        worst=min(days.values()),
        peak_margin=max(margins.values()),
    )


def _name(metric: PerformanceMetric, by: str) -> str:
    pair = metric.allocation
    return {
        "pair": f"{pair.strategy.name} on {pair.broker_account.label}",
        "strategy": pair.strategy.name,
        "basket": pair.strategy.basket.name,
        "broker": pair.broker_account.label,
    }[by]
