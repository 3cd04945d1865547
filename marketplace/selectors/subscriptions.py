"""A user's subscriptions, what they cost, and the pairs that trade through them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal

from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from allocations.models import StrategyBrokerAllocation
from baskets.models import BasketVersion
from brokers.models import BrokerAccount
from execution.models import (
    Fill,
    Order,
    PerformanceMetric,
    Position,
    Settlement,
    StrategyExecution,
)
from execution.states import OPEN_STATES
from market.kernel.clock import at
from market.models import Timeline
from marketplace.fees import ZERO
from marketplace.models import FeeEntry, FeeMeter, FeeTerms, Invoice, Subscription
from users.models import User


def subscriptions_of(user: User) -> QuerySet[Subscription]:
    """The user's subscriptions, newest first, also the closed.

    `newest_version_id` and `newest_number` are what the curator published last; `fees_due` and
    `fees_notional` (of paper) what it has cost so far, GST included.
    """
    newest = BasketVersion.objects.filter(basket=OuterRef("basket")).order_by("-number")
    return (
        Subscription.objects.filter(user=user)
        .select_related("basket__listing", "version", "terms")
        .annotate(
            newest_version_id=Subquery(newest.values("pk")[:1]),
            newest_number=Subquery(newest.values("number")[:1]),
            fees_due=Coalesce(Sum("fees__amount", filter=Q(fees__notional=False)), ZERO),
            fees_notional=Coalesce(Sum("fees__amount", filter=Q(fees__notional=True)), ZERO),
        )
        .order_by("-pk")
    )


def fees_of(user: User) -> QuerySet[FeeEntry]:
    """The user's lines of the fee ledger, newest first, notional ones too."""
    return (
        FeeEntry.objects.filter(subscription__user=user)
        .select_related("subscription__basket", "timeline")
        .order_by("-pk")
    )


def invoices_of(user: User) -> QuerySet[Invoice]:
    return (
        Invoice.objects.filter(subscription__user=user)
        .select_related("subscription__basket")
        .order_by("-pk")
    )


def open_subscription_ids() -> list[int]:
    """Subscriptions that may still cost something, of every user: for the fees' task."""
    rows = Subscription.objects.exclude(status=Subscription.Status.CLOSED)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def pairs_of(subscription: Subscription) -> QuerySet[StrategyBrokerAllocation]:
    """The subscriber's pairs of the basket; archived ones too, for what they traded counts."""
    return StrategyBrokerAllocation.objects.filter(
        broker_account__user=subscription.user_id, strategy__basket=subscription.basket_id
    )


def market_time(timeline: Timeline) -> datetime:
    """Now in this world: its last frame, or the start of its first day before there is one."""
    return timeline.market_now or at(timeline.first_day, time(0))


def metrics_for(meter: FeeMeter) -> QuerySet[PerformanceMetric]:
    """The days of the pairs that the meter counts: all of them, in its world and its mode."""
    return PerformanceMetric.objects.filter(
        allocation__in=_counted_pairs(meter), timeline=meter.timeline_id
    )


def uncounted(meter: FeeMeter) -> QuerySet[PerformanceMetric]:
    """The days that count and are not counted yet, closed or not."""
    rows = metrics_for(meter).filter(trading_day__gte=meter.started_on)
    return rows if meter.counted_to is None else rows.filter(trading_day__gt=meter.counted_to)


def is_trading(subscription: Subscription, timeline: Timeline) -> bool:
    """Whether a pair holds something, has a working order, or is in the middle of a run."""
    pairs = pairs_of(subscription)
    mine = {"timeline": timeline, "allocation__in": pairs}
    unfinished = [StrategyExecution.Status.DUE, StrategyExecution.Status.RUNNING]
    return (
        Position.objects.filter(**mine).exclude(quantity=0).exists()
        or Order.objects.filter(**mine, status__in=OPEN_STATES).exists()
        or StrategyExecution.objects.filter(**mine, status__in=unfinished).exists()
    )


def has_uncounted_trades(meter: FeeMeter) -> bool:
    """Whether something was traded or settled on a day whose fees are still to come."""
    since = meter.started_on if meter.counted_to is None else meter.counted_to + timedelta(days=1)
    pairs = _counted_pairs(meter)
    days = {"timeline": meter.timeline_id, "trading_day__gte": since}
    settled = {"position__timeline": meter.timeline_id, "trading_day__gte": since}
    return (
        uncounted(meter).exists()
        or Fill.objects.filter(order__allocation__in=pairs, **days).exists()
        or Settlement.objects.filter(position__allocation__in=pairs, **settled).exists()
    )


def _counted_pairs(meter: FeeMeter) -> QuerySet[StrategyBrokerAllocation]:
    mode = BrokerAccount.Mode.PAPER if meter.notional else BrokerAccount.Mode.LIVE
    return pairs_of(meter.subscription).filter(broker_account__mode=mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChange:
    """What taking the curator's newest version would change. Strategies are named."""

    version: BasketVersion
    terms: FeeTerms | None
    added: list[str]
    removed: list[str]
    changed: list[str]
    monthly_fee: tuple[Decimal, Decimal] | None
    performance_rate: tuple[Decimal, Decimal] | None


def version_change(subscription: Subscription, *, now: datetime) -> VersionChange | None:
    """The difference to the newest version; None when the subscriber has it or chose to keep theirs."""
    newest = subscription.basket.versions.order_by("-number").first()
    if newest is None or newest.pk in (subscription.version_id, subscription.kept_against_id):
        return None
    held = {row["strategy"]: row for row in subscription.version.contents}
    offered = {row["strategy"]: row for row in newest.contents}
    both = held.keys() & offered.keys()
    terms = (
        FeeTerms.objects.filter(listing__basket=subscription.basket_id, valid_from__lte=now)
        .order_by("-valid_from", "-pk")
        .first()
    )
    return VersionChange(
        version=newest,
        terms=terms,
        added=[offered[pk]["name"] for pk in sorted(offered.keys() - both)],
        removed=[held[pk]["name"] for pk in sorted(held.keys() - both)],
        changed=[
            offered[pk]["name"]
            for pk in sorted(both)
            if offered[pk]["strategy_version"] != held[pk]["strategy_version"]
        ],
        monthly_fee=_moved(subscription.terms, terms, "monthly_fee"),
        performance_rate=_moved(subscription.terms, terms, "performance_rate"),
    )


def _moved(held: FeeTerms, offered: FeeTerms | None, name: str) -> tuple[Decimal, Decimal] | None:
    if offered is None or getattr(held, name) == getattr(offered, name):
        return None
    return getattr(held, name), getattr(offered, name)
