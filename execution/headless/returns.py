"""What a row of daily results says: return, worst drawdown, Sharpe. Pure arithmetic in Decimal.

Every day that was played counts, also one without a trade. Definitions: docs/algorithms/backtest.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from statistics import mean, stdev

TRADING_DAYS = Decimal(252)
CENT = Decimal("0.01")
ZERO = Decimal("0.00")
Result = tuple[date, Decimal]  # day, net


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A day's close: equity = capital + all nets so far; drawdown = equity - its highest, never above 0."""

    day: date
    net: Decimal
    equity: Decimal
    drawdown: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall: from the last day at the high (None: the start) to the lowest day, and the day
    that made it good (None: none has)."""

    amount: Decimal
    percent: Decimal
    high: date | None
    low: date
    recovered: date | None


def curve(results: Sequence[Result], capital: Decimal) -> list[Point]:
    """One point a day; the start is a high too."""
    points, equity, high = [], capital, capital
    for day, net in results:
        equity += net
        high = max(high, equity)
        points.append(Point(day=day, net=net, equity=equity, drawdown=equity - high))
    return points


def worst_drawdown(points: Sequence[Point], capital: Decimal) -> Drawdown | None:
    """In rupees and in percent of the capital; None when equity never fell below its high."""
    lowest = min(points, key=lambda point: point.drawdown, default=None)
    if lowest is None or lowest.drawdown == 0:
        return None
    at = points.index(lowest)
    highs = [point.day for point in points[:at] if point.drawdown == 0]
    later = [point.day for point in points[at:] if point.drawdown == 0]
    return Drawdown(
        amount=lowest.drawdown,
        percent=percent(lowest.drawdown, capital),
        high=highs[-1] if highs else None,
        low=lowest.day,
        recovered=later[0] if later else None,
    )


def sharpe(results: Sequence[Result], capital: Decimal) -> Decimal | None:
    """Mean / sample deviation x sqrt(252) of net / capital; None below 2 days or when all are the same."""
    returns = [net / capital for _, net in results]
    if len(returns) < 2 or not (deviation := stdev(returns)):
        return None
    return _rounded(mean(returns) / deviation * TRADING_DAYS.sqrt())


def percent(part: Decimal, whole: Decimal) -> Decimal:
    """To two places, half away from zero."""
    return _rounded(part / whole * 100)


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)
