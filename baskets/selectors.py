"""Which baskets a user sees: their own, those granted to them, and the marketplace's."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from baskets.models import Basket, BasketGrant
from users.errors import Forbidden
from users.models import User


def baskets_of(user: User) -> QuerySet[Basket]:
    """The user's own baskets, without the archived."""
    return Basket.objects.filter(owner=user).exclude(status=Basket.Status.ARCHIVED)


def visible_baskets(user: User) -> QuerySet[Basket]:
    """Own baskets and those whose strategies the user may run by a grant, archived or not."""
    granted = BasketGrant.objects.filter(user=user).values("basket")
    return Basket.objects.filter(Q(pk__in=baskets_of(user)) | Q(pk__in=granted))


def published_baskets() -> QuerySet[Basket]:
    """What anyone signed in may browse in the marketplace."""
    return Basket.objects.filter(kind=Basket.Kind.ADMIN, status=Basket.Status.PUBLISHED)


def readable_baskets(user: User) -> QuerySet[Basket]:
    """Visible and published baskets: what a user may open."""
    return Basket.objects.filter(Q(pk__in=visible_baskets(user)) | Q(pk__in=published_baskets()))


def grants_of(user: User) -> QuerySet[BasketGrant]:
    return BasketGrant.objects.filter(user=user).select_related("basket", "version")


def may_write(user: User, basket: Basket) -> bool:
    """The owner may; a marketplace basket may also be edited by every curator."""
    return basket.owner_id == user.pk or (basket.kind == Basket.Kind.ADMIN and is_curator(user))


def is_curator(user: User | AnonymousUser) -> bool:
    """Who makes marketplace baskets: the group curator, and superusers."""
    return user.is_active and (user.is_superuser or user.groups.filter(name="curator").exists())


def require_writer(user: User, basket: Basket) -> None:
    """Forbidden for a user who may read the basket but does not own it."""
    if not may_write(user, basket):
        raise Forbidden(
            "read_only_basket",
            f"{basket.name} is its curator's; you can run it but not change it.",
            fix="Change your own lots and limits instead, or build a basket of your own.",
        )
