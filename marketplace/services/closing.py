"""The end of a subscription: after leaving, once nothing is open and every day is counted."""

from __future__ import annotations

from datetime import datetime

from allocations.models import TradingState
from allocations.selectors import matrix_of, states_of
from allocations.services import archive_allocation
from execution.services import resume
from market.models import Timeline
from marketplace import selectors
from marketplace.models import FeeMeter, Subscription
from marketplace.services import invoices
from users.services import notify, record

SOURCE = "fees"


def close_when_flat(subscription: Subscription, timeline: Timeline, now: datetime) -> bool:
    """Close the locked subscription if its pairs are flat; their last day must be counted first."""
    meters = FeeMeter.objects.filter(subscription=subscription, timeline=timeline)
    waiting = selectors.is_trading(subscription, timeline) or any(
        selectors.has_uncounted_trades(meter) for meter in meters.select_related("subscription")
    )
    if waiting:
        return False
    _archive_pairs(subscription, now)
    _lift_square_off(subscription, now)
    subscription.status = Subscription.Status.CLOSED
    subscription.closed_at = selectors.market_time(timeline)
    subscription.save(update_fields=["status", "closed_at"])
    invoices.issue(subscription, timeline, now, closed=True)
    _tell(subscription, now)
    return True


def _archive_pairs(subscription: Subscription, now: datetime) -> None:
    for pair in matrix_of(subscription.user, subscription.basket):
        archive_allocation(user=subscription.user, allocation=pair, source=SOURCE, now=now)


def _lift_square_off(subscription: Subscription, now: datetime) -> None:
    """The stop that squaring off left would keep a later subscription from entering."""
    user, basket = subscription.user, subscription.basket
    stopped = states_of(user).filter(
        scope=TradingState.Scope.BASKET, basket=basket, state=TradingState.State.REDUCING
    )
    if stopped.filter(reason="squared off").exists():
        resume(user=user, scope=TradingState.Scope.BASKET, target=basket.pk, by=user,
               source=SOURCE, now=now)  # fmt: skip


def _tell(subscription: Subscription, now: datetime) -> None:
    record(actor=None, owner=subscription.user, action="subscription.close", obj=subscription,
           after={"status": subscription.status}, source=SOURCE, now=now)  # fmt: skip
    notify(
        user=subscription.user,
        kind="subscription_closed",
        severity="info",
        title=f"You have left {subscription.basket}",
        body="Nothing of it is open any more and its fees are settled.",
        dedupe_key=f"subscription-closed:{subscription.pk}",
        link="/marketplace/subscriptions",
        now=now,
    )
