"""The fee ledger: what a subscription owes is counted from closed days, once, and appended.

Days and months are the market time of the timeline that runs; when a line was written is wall time.
Pairs on paper and pairs on live accounts are counted apart: the paper ones give notional lines.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max

from brokers.models import BrokerAccount
from market.kernel.clock import ist_day
from market.models import Timeline
from marketplace import fees, selectors
from marketplace.models import FeeEntry, FeeMeter, Subscription
from marketplace.services import closing, invoices

Kind = FeeEntry.Kind
Mode = BrokerAccount.Mode
Status = Subscription.Status


def accrue(*, now: datetime) -> list[FeeEntry]:
    """Count what has become due for every subscription; doing it again appends nothing."""
    return [
        entry
        for pk in selectors.open_subscription_ids()
        for entry in accrue_subscription(subscription_id=pk, now=now)
    ]


@transaction.atomic
def accrue_subscription(*, subscription_id: int, now: datetime) -> list[FeeEntry]:
    """Count one subscription; nothing when another worker is at it, or no market has started."""
    held = (
        Subscription.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("user", "basket", "terms")
        .filter(pk=subscription_id)
        .exclude(status=Status.CLOSED)
        .first()
    )
    timeline = Timeline.objects.filter(active=True).first()
    if held is None or timeline is None:
        return []
    return count(held, timeline, now)


def count(subscription: Subscription, timeline: Timeline, now: datetime) -> list[FeeEntry]:
    """Fees of the locked subscription up to now, its invoices, and its end when it has left."""
    entries = charge_months(subscription, timeline, now) if _is_active(subscription) else []
    for meter in open_meters(subscription, timeline):
        entries += _charge_days(subscription, meter, now)
    invoices.issue(subscription, timeline, now)
    if not _is_active(subscription):
        closing.close_when_flat(subscription, timeline, now)
    return entries


def open_meters(subscription: Subscription, timeline: Timeline) -> list[FeeMeter]:
    """A meter for each mode that the subscriber trades in, from the day it is first seen."""
    modes = set(
        selectors.pairs_of(subscription)
        .values_list("broker_account__mode", flat=True)
        .order_by()
        .distinct()
    )
    first = _first_day(subscription, timeline)
    return [
        FeeMeter.objects.get_or_create(
            subscription=subscription,
            timeline=timeline,
            notional=mode == Mode.PAPER,
            defaults={"started_on": first},
        )[0]
        for mode in sorted(modes)
    ]


def charge_months(subscription: Subscription, timeline: Timeline, now: datetime) -> list[FeeEntry]:
    """The fee of each month that has begun: real while there is a live pair, else notional."""
    pairs = selectors.pairs_of(subscription).filter(archived_at=None)
    notional = not pairs.filter(broker_account__mode=Mode.LIVE).exists()
    meters = open_meters(subscription, timeline)
    meter = next((m for m in meters if m.notional == notional), None)
    terms = subscription.terms
    if meter is None or terms.monthly_fee == 0:
        return []
    today = ist_day(selectors.market_time(timeline))
    charged = _charged_months(subscription, timeline, today, notional=notional)
    entries: list[FeeEntry] = []
    for period in fees.months(meter.started_on, today):
        if period not in charged:
            fee = fees.monthly_fee(terms.monthly_fee, period=period, started=meter.started_on)
            basis = {"monthly_fee": str(terms.monthly_fee), "from": _first_charged(meter, period)}
            entries += _append(subscription, meter, Kind.MONTHLY, period, fee, basis, now)
    return entries


def _charged_months(
    subscription: Subscription, timeline: Timeline, today: date, *, notional: bool
) -> set[date]:
    """Months that are done: a month on paper becomes a real one only while it is the current one."""
    rows = FeeEntry.objects.filter(subscription=subscription, timeline=timeline, kind=Kind.MONTHLY)
    return {
        period
        for period, was_notional in rows.values_list("period", "notional")
        if notional or not was_notional or period < fees.month_of(today)
    }


def _charge_days(subscription: Subscription, meter: FeeMeter, now: datetime) -> list[FeeEntry]:
    """The performance fee of each day that has closed for good since the last count."""
    if not selectors.uncounted(meter).filter(final=True, provisional=False).exists():
        return []
    entries: list[FeeEntry] = []
    for day, closed in _closed_days(meter):
        if meter.counted_to is not None and day <= meter.counted_to:
            continue
        entries += _charge_day(subscription, meter, day, closed, now)
    meter.save(update_fields=["counted_to", "cumulative", "high_water_mark"])
    subscription.high_water_mark = meter.high_water_mark
    if not meter.notional or not _has_live_meter(subscription, meter):
        subscription.save(update_fields=["high_water_mark"])
    return entries


def _charge_day(
    subscription: Subscription,
    meter: FeeMeter,
    day: date,
    closed: dict[str, fees.Closed],
    now: datetime,
) -> list[FeeEntry]:
    """Move the meter over one day; a line when the mark went up, also one of 0 rupees."""
    rate, before = subscription.terms.performance_rate, meter.high_water_mark
    cumulative = sum((pair.net for pair in closed.values()), fees.ZERO)
    fee, mark = fees.performance_fee(cumulative, before, rate)
    meter.counted_to, meter.cumulative, meter.high_water_mark = day, cumulative, mark
    if mark == before:
        return []
    basis = {
        "rate": str(rate),
        "cumulative_net": str(cumulative),
        "mark_before": str(before),
        "mark_after": str(mark),
        "pairs": {
            pair: {"net": str(earned.net), "closed_on": earned.on.isoformat()}
            for pair, earned in sorted(closed.items())
        },
    }
    return _append(subscription, meter, Kind.PERFORMANCE, day, fee, basis, now)


def _closed_days(meter: FeeMeter) -> list[tuple[date, dict[str, fees.Closed]]]:
    """The days before the first one that is still open or provisional: later ones wait for it."""
    rows = selectors.metrics_for(meter).filter(trading_day__gte=meter.started_on)
    waiting = rows.exclude(final=True, provisional=False).order_by("trading_day").first()
    if waiting is not None:
        rows = rows.filter(trading_day__lt=waiting.trading_day)
    days = [
        fees.PairDay(pair=pair, day=day, realised=realised, unrealised=open_, charges=charges)
        for pair, day, realised, open_, charges in rows.order_by("trading_day").values_list(
            "allocation__public_id", "trading_day", "realised", "unrealised", "charges"
        )
    ]
    return list(fees.closed_by_day(days, _opening(meter)))


def _opening(meter: FeeMeter) -> dict[str, Decimal]:
    """What each pair had realised before its days count."""
    rows = selectors.metrics_for(meter).filter(trading_day__lt=meter.started_on)
    newest = rows.order_by("allocation_id", "-trading_day").distinct("allocation_id")
    return dict(newest.values_list("allocation__public_id", "realised"))


def _append(  # noqa: PLR0913 - a ledger line's columns
    subscription: Subscription,
    meter: FeeMeter,
    kind: str,
    period: date,
    fee: Decimal,
    basis: dict[str, Any],
    now: datetime,
) -> list[FeeEntry]:
    """The fee's line, and the line of its GST where the curator is registered."""
    terms = subscription.terms
    common = {
        "subscription": subscription,
        "timeline_id": meter.timeline_id,
        "period": period,
        "notional": meter.notional,
        "at": now,
    }
    entry = FeeEntry.objects.create(
        **common, kind=kind, amount=fee, basis={**basis, "terms": terms.pk}
    )
    tax = fees.gst(fee, registered=terms.gst_registered)
    if tax == 0:
        return [entry]
    on = {"rate": str(fees.GST_RATE), "on": str(fee)}
    return [entry, FeeEntry.objects.create(**common, kind=Kind.GST, amount=tax, basis=on, taxed=entry)]


def _first_day(subscription: Subscription, timeline: Timeline) -> date:
    """Today in the market, or the day after what an earlier subscription was counted to."""
    today = ist_day(selectors.market_time(timeline))
    earlier = FeeMeter.objects.filter(
        subscription__user=subscription.user_id,
        subscription__basket=subscription.basket_id,
        timeline=timeline,
    ).exclude(subscription=subscription)
    counted = earlier.aggregate(day=Max("counted_to"))["day"]
    return today if counted is None or counted < today else date.fromordinal(counted.toordinal() + 1)


def _first_charged(meter: FeeMeter, period: date) -> str:
    return max(period, meter.started_on).isoformat()


def _has_live_meter(subscription: Subscription, meter: FeeMeter) -> bool:
    return FeeMeter.objects.filter(
        subscription=subscription, timeline=meter.timeline_id, notional=False
    ).exists()


def _is_active(subscription: Subscription) -> bool:
    return subscription.status == Status.ACTIVE
