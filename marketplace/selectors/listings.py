"""Listings as subscribers and their curators see them."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from baskets.models import BasketVersion
from marketplace.models import FeeTerms, Listing, RecommendedLimit, Subscription
from users.models import User


def listings() -> QuerySet[Listing]:
    """What is offered now, newest first: `basket.offered[0]` is its version, `agreed[0]` its terms.

    Four queries, however many listings.
    """
    return _with_offer(Listing.objects.filter(status=Listing.Status.PUBLISHED))


def listing_for(user: User) -> QuerySet[Listing]:
    """Published listings, and the withdrawn ones that the user still subscribes to.

    `subscribed` says whether the user has an open subscription.
    """
    mine = Subscription.objects.filter(user=user, basket=OuterRef("basket")).exclude(
        status=Subscription.Status.CLOSED
    )
    shown = Q(status=Listing.Status.PUBLISHED) | Q(subscribed=True)
    return _with_offer(Listing.objects.annotate(subscribed=Exists(mine)).filter(shown))


def sees_all(user: User | AnonymousUser) -> bool:
    """Operators and superusers read every curator's listings; a curator only their own."""
    return user.is_superuser or user.groups.filter(name="operator").exists()


def may_curate(user: User | AnonymousUser, listing: Listing) -> bool:
    return user.is_superuser or listing.basket.owner_id == user.pk


def current_terms(listing: Listing, *, now: datetime) -> FeeTerms | None:
    """The newest terms that hold at this wall time."""
    return listing.terms.filter(valid_from__lte=now).order_by("-valid_from", "-pk").first()


def recommended_limits(listing: Listing) -> dict[int, RecommendedLimit]:
    """By strategy id, the curator's limits of a pair."""
    return {row.strategy_id: row for row in listing.limits.all()}


def _with_offer(rows: QuerySet[Listing]) -> QuerySet[Listing]:
    newest = BasketVersion.objects.order_by("basket_id", "-number").distinct("basket_id")
    terms = FeeTerms.objects.order_by("listing_id", "-valid_from", "-pk").distinct("listing_id")
    return (
        rows.select_related("basket__owner")
        .prefetch_related(
            Prefetch("basket__versions", newest, to_attr="offered"),
            Prefetch("terms", terms, to_attr="agreed"),
            "limits",
        )
        .order_by("-pk")
    )
