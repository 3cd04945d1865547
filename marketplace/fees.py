"""What a subscription costs: values in, rupees out. No Django here.

Monthly fee. Months are calendar months of market time. The fee of a month is charged in advance,
when the month begins; the first month is charged for the days that are left of it, the day of
subscribing included, as fee x days left / days of the month. A month that has begun is not refunded
on leaving, and no month that begins after leaving is charged.

Performance fee. Its base is cumulative P&L after trading charges and before platform fees, of
closed cycles only: what a pair has realised counts on days on which it ends with nothing open.
What has been charged for a high-water mark is rate x mark, rounded down to the paisa; a new mark is
charged the difference. So the fees add up to rate x mark whatever days they were charged on, and
never to more. The mark starts at 0, never falls, and a pause does not reset it.

GST. 18% on each fee where the curator is registered, to the nearest paisa.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

PAISA = Decimal("0.01")
ZERO = Decimal("0.00")
GST_RATE = Decimal("0.18")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairDay:
    """A pair's closed trading day: realised is its total so far, charges are of the day."""

    pair: str
    day: date
    realised: Decimal
    unrealised: Decimal
    charges: Decimal

    @property
    def flat(self) -> bool:
        """Whether the day ended with the pair's cycle closed."""
        return self.unrealised == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What one pair's closed cycles have earned, and the last day that closed one."""

    net: Decimal
    on: date


def month_of(day: date) -> date:
    """The first day of the day's month: the name of a period."""
    return day.replace(day=1)


def months(first: date, last: date) -> Iterator[date]:
    """The periods from the first day's month to the last day's."""
    period = month_of(first)
    while period <= last:
        yield period
        period = next_month(period)


def next_month(period: date) -> date:
    return date(period.year + period.month // 12, period.month % 12 + 1, 1)


def monthly_fee(fee: Decimal, *, period: date, started: date) -> Decimal:
    """The fee of the month `period` for who has subscribed on `started`."""
    days = monthrange(period.year, period.month)[1]
    charged = min(days, max(0, (next_month(period) - started).days))
    return (fee * charged / days).quantize(PAISA, rounding=ROUND_HALF_UP)


def performance_fee(
    cumulative_net: Decimal, high_water_mark: Decimal, rate: Decimal
) -> tuple[Decimal, Decimal]:
    """The fee for going above the mark, and the mark afterwards; (0, mark) at or below it."""
    if cumulative_net <= high_water_mark:
        return ZERO, high_water_mark
    return _due(cumulative_net, rate) - _due(high_water_mark, rate), cumulative_net


def gst(fee: Decimal, *, registered: bool) -> Decimal:
    """The tax on a fee; 0 of a curator who is not registered."""
    return (fee * GST_RATE).quantize(PAISA, rounding=ROUND_HALF_UP) if registered else ZERO


def closed_by_day(
    rows: Iterable[PairDay], opening: dict[str, Decimal]
) -> Iterator[tuple[date, dict[str, Closed]]]:
    """Day by day, what each pair's closed cycles have earned since `opening`, its realised before.

    Rows are in order of days. A pair that holds something keeps the figure of its last flat day.
    """
    closed: dict[str, Closed] = {}
    charges: dict[str, Decimal] = {}
    by_day: dict[date, list[PairDay]] = {}
    for row in rows:
        by_day.setdefault(row.day, []).append(row)
    for day in sorted(by_day):
        for row in by_day[day]:
            charges[row.pair] = charges.get(row.pair, ZERO) + row.charges
            if row.flat:
                earned = row.realised - opening.get(row.pair, ZERO) - charges[row.pair]
                closed[row.pair] = Closed(net=earned, on=day)
        yield day, dict(closed)


def _due(mark: Decimal, rate: Decimal) -> Decimal:
    return (rate * mark).quantize(PAISA, rounding=ROUND_DOWN)
