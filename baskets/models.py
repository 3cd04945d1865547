"""Baskets of strategies, their published versions, and who may run them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class Basket(models.Model):
    """A named group of strategies; kind `admin` is a curator's marketplace basket."""

    class Kind(models.TextChoices):
        USER = "user", "User"
        ADMIN = "admin", "Marketplace"

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        PUBLISHED = "published", "Published"
        ARCHIVED = "archived", "Archived"

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="baskets"
    )
    kind = models.CharField(max_length=5, choices=Kind, default=Kind.USER)
    status = models.CharField(max_length=9, choices=Status, default=Status.ACTIVE)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "options_baskets"
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=~Q(status="archived"),
                name="basket_name_once_per_owner",
            ),
            models.CheckConstraint(
                condition=Q(kind="admin") | ~Q(status="published"),
                name="only_marketplace_baskets_are_published",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BasketVersion(models.Model):
    """What was published: the strategy versions of one moment. Never changed."""

    basket = models.ForeignKey(Basket, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    contents = models.JSONField(help_text="[{strategy, strategy_version, name}] at publication")
    published_at = models.DateTimeField()
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["basket", "number"], name="one_basket_version_number")
        ]

    def __str__(self) -> str:
        return f"{self.basket} v{self.number}"


class BasketGrant(models.Model):
    """A user may run this basket's version; entries stop after `entries_until`, exits never."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="basket_grants"
    )
    basket = models.ForeignKey(Basket, on_delete=models.PROTECT, related_name="grants")
    version = models.ForeignKey(BasketVersion, on_delete=models.PROTECT)
    entries_until = models.DateTimeField(null=True, blank=True)
    granted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "basket"], name="one_grant_per_user_and_basket")
        ]

    def __str__(self) -> str:
        return f"{self.user} -> {self.version}"
