"""Invoices: the lines of one month that are not notional, when nothing more can come to it."""

from __future__ import annotations

from datetime import date, datetime

from django.db.models import Sum

from market.kernel.clock import ist_day
from market.models import Timeline
from marketplace import fees, selectors
from marketplace.models import FeeEntry, FeeMeter, Invoice, Subscription
from users.services import notify, record


def issue(
    subscription: Subscription, timeline: Timeline, now: datetime, *, closed: bool = False
) -> list[Invoice]:
    """An invoice for every month that is over and counted; a closed subscription's last one too."""
    counted = _counted_until(subscription, timeline, closed=closed)
    issued = set(subscription.invoices.values_list("period", flat=True))
    rows = FeeEntry.objects.filter(subscription=subscription, notional=False)
    due = {fees.month_of(day) for day in rows.values_list("period", flat=True)} - issued
    return [
        invoice
        for period in sorted(due)
        if fees.next_month(period) <= counted
        for invoice in _issue(subscription, period, now)
    ]


def _counted_until(subscription: Subscription, timeline: Timeline, *, closed: bool) -> date:
    """No line will be added before this day."""
    if closed:
        return date.max
    meters = FeeMeter.objects.filter(
        subscription=subscription, timeline=timeline, notional=False
    ).select_related("subscription")
    open_days = [
        day
        for meter in meters
        for day in selectors.uncounted(meter).order_by("trading_day").values_list(
            "trading_day", flat=True
        )[:1]
    ]
    return min([ist_day(selectors.market_time(timeline)), *open_days])


def _issue(subscription: Subscription, period: date, now: datetime) -> list[Invoice]:
    lines = FeeEntry.objects.filter(
        subscription=subscription,
        notional=False,
        period__gte=period,
        period__lt=fees.next_month(period),
    )
    total = lines.aggregate(total=Sum("amount"))["total"]
    if total == 0:
        return []
    invoice = Invoice.objects.create(
        subscription=subscription, period=period, total=total, issued_at=now
    )
    after = {"period": period.isoformat(), "total": str(total)}
    record(actor=None, owner=subscription.user, action="invoice.issue", obj=invoice, after=after,
           source="fees", now=now)  # fmt: skip
    notify(
        user=subscription.user,
        kind="invoice",
        severity="info",
        title=f"Invoice for {subscription.basket}, {period:%B %Y}",
        body=f"{total} rupees: monthly and performance fees with GST where it applies.",
        dedupe_key=f"invoice:{invoice.pk}",
        link="/marketplace/subscriptions",
        now=now,
    )
    return [invoice]
