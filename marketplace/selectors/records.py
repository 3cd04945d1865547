"""What a listing's subscribers have earned, and the operator's figures: sums, never one person's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from statistics import median

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, F, Sum

from brokers.models import BrokerAccount
from execution.models import PerformanceMetric
from market.models import Timeline
from marketplace.fees import ZERO, month_of
from marketplace.models import FeeEntry, Listing, Subscription
from strategies.models import Strategy
from users.models import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Closed days of every pair of the basket in one mode, after charges and before fees."""

    days: int
    net: Decimal
    peak_margin: Decimal
    return_on_margin: Decimal | None
    max_drawdown: Decimal
    worst_month: tuple[date, Decimal] | None
    median_subscriber: Decimal | None
    fees: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRecord:
    """Live days apart from paper days of the world that runs."""

    live: Track | None
    paper: Track | None


@dataclass(frozen=True, slots=True)
class _Day:
    day: date
    user: int
    net: Decimal
    margin: Decimal


def track_record(listing: Listing, *, viewer: User | AnonymousUser) -> TrackRecord | None:
    """For who is signed in; None to the public unless the listing's record is public."""
    if not (viewer.is_authenticated or listing.public_track_record):
        return None
    timeline = Timeline.objects.filter(active=True).first()
    if timeline is None:
        return TrackRecord(live=None, paper=None)
    by_mode = _days(listing, timeline)
    fees = _fees(listing, timeline)
    return TrackRecord(
        live=_track(by_mode["live"], fees.get(False, ZERO)),
        paper=_track(by_mode["paper"], fees.get(True, ZERO)),
    )


def _days(listing: Listing, timeline: Timeline) -> dict[str, list[_Day]]:
    """By mode, one row a user and final day."""
    rows = (
        PerformanceMetric.objects.filter(
            allocation__strategy__basket=listing.basket_id,
            timeline=timeline,
            final=True,
            provisional=False,
        )
        .values(
            "trading_day",
            mode=F("allocation__broker_account__mode"),
            user=F("allocation__broker_account__user"),
        )
        .annotate(total=Sum("net"), margin=Sum("peak_margin"))
        .order_by("trading_day")
    )
    found: dict[str, list[_Day]] = defaultdict(list)
    for row in rows:
        found[row["mode"]].append(
            _Day(row["trading_day"], row["user"], row["total"], row["margin"])
        )
    return found


def _fees(listing: Listing, timeline: Timeline) -> dict[bool, Decimal]:
    rows = FeeEntry.objects.filter(subscription__basket=listing.basket_id, timeline=timeline)
    return dict(rows.values_list("notional").annotate(total=Sum("amount")))


def _track(rows: list[_Day], fees: Decimal) -> Track | None:
    if not rows:
        return None
    net_by_day, margin_by_day = _sums(rows)
    net, peak = sum(net_by_day.values(), ZERO), max(margin_by_day.values())
    return Track(
        days=len(net_by_day),
        net=net,
        peak_margin=peak,
        return_on_margin=_ratio(net, peak),
        max_drawdown=_drawdown(net_by_day.values()),
        worst_month=_worst_month(net_by_day),
        median_subscriber=_median_return(rows),
        fees=fees,
    )


def _sums(rows: Iterable[_Day]) -> tuple[dict[date, Decimal], dict[date, Decimal]]:
    net: dict[date, Decimal] = defaultdict(Decimal)
    margin: dict[date, Decimal] = defaultdict(Decimal)
    for row in rows:
        net[row.day] += row.net
        margin[row.day] += row.margin
    return net, margin


def _drawdown(nets: Iterable[Decimal]) -> Decimal:
    """The deepest fall of cumulative P&L below its best so far, in rupees."""
    total = best = deepest = ZERO
    for net in nets:
        total += net
        best = max(best, total)
        deepest = max(deepest, best - total)
    return deepest


def _worst_month(net_by_day: dict[date, Decimal]) -> tuple[date, Decimal] | None:
    months: dict[date, Decimal] = defaultdict(Decimal)
    for day, net in net_by_day.items():
        months[month_of(day)] += net
    return min(months.items(), key=lambda month: (month[1], month[0]))


def _median_return(rows: list[_Day]) -> Decimal | None:
    """The middle subscriber's return on their own peak margin."""
    by_user: dict[int, list[_Day]] = defaultdict(list)
    for row in rows:
        by_user[row.user].append(row)
    returns = [
        _ratio(sum((row.net for row in mine), ZERO), max(row.margin for row in mine))
        for mine in by_user.values()
    ]
    known = [value for value in returns if value is not None]
    return median(known) if known else None


def _ratio(net: Decimal, margin: Decimal) -> Decimal | None:
    return (net / margin).quantize(Decimal("0.0001")) if margin else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorFigures:
    """How the installation is used."""

    users: int
    creating_strategies: int
    strategies_per_user: Decimal
    with_several_brokers: int
    subscribed: int

    @property
    def subscription_percent(self) -> Decimal:
        """Of active users, how many subscribe to something."""
        share = Decimal(100 * self.subscribed) / self.users if self.users else Decimal(0)
        return share.quantize(Decimal("0.1"))


def operator_figures() -> OperatorFigures:
    """Counts over active users; five queries."""
    active = User.objects.filter(is_active=True)
    made = Strategy.objects.filter(basket__owner__in=active, archived_at=None)
    makers = made.aggregate(users=Count("basket__owner", distinct=True), strategies=Count("pk"))
    several = (
        BrokerAccount.objects.filter(user__in=active, archived_at=None)
        .values("user")
        .annotate(brokers=Count("broker", distinct=True))
        .filter(brokers__gt=1)
    )
    subscribers = Subscription.objects.filter(
        user__in=active, status=Subscription.Status.ACTIVE
    ).aggregate(users=Count("user", distinct=True))
    users = makers["users"]
    mean = Decimal(makers["strategies"]) / users if users else Decimal(0)
    return OperatorFigures(
        users=active.count(),
        creating_strategies=users,
        strategies_per_user=mean.quantize(Decimal("0.1")),
        with_several_brokers=several.count(),
        subscribed=subscribers["users"],
    )
