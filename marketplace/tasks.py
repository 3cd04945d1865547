"""Celery's edge of the fees: one task a subscription, so that one fault stops no other."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from marketplace import selectors, services


@shared_task(name="marketplace.accrue")
def accrue() -> None:
    """Enqueue every open subscription; counting one twice appends nothing."""
    for pk in selectors.open_subscription_ids():
        accrue_subscription.delay(pk)


@shared_task(name="marketplace.accrue_subscription", expires=60)
def accrue_subscription(subscription_id: int) -> None:
    """Fees and invoices of one subscription up to the market's now, and its end when it has left."""
    services.accrue_subscription(subscription_id=subscription_id, now=timezone.now())
