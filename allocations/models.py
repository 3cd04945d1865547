"""The pair: a strategy on a broker account, with its own lots, limits and trading state."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q

from baskets.models import Basket
from brokers.models import BrokerAccount
from strategies.models import Strategy, StrategyVersion, Trail


def new_public_id() -> str:
    return secrets.token_hex(8)


class StrategyBrokerAllocation(models.Model):
    """Lots and limits of one strategy on one broker account. The account's user owns it."""

    class Product(models.TextChoices):
        NRML = "NRML", "NRML (overnight)"
        MIS = "MIS", "MIS (intraday)"

    public_id = models.CharField(max_length=16, unique=True, default=new_public_id, editable=False)
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="allocations")
    broker_account = models.ForeignKey(
        BrokerAccount, on_delete=models.PROTECT, related_name="allocations"
    )
    strategy_version = models.ForeignKey(StrategyVersion, on_delete=models.PROTECT)
    lots = models.PositiveIntegerField()
    product = models.CharField(max_length=4, choices=Product, default=Product.NRML)
    max_lots = models.PositiveIntegerField()
    max_day_loss = models.DecimalField(max_digits=14, decimal_places=2)
    max_margin = models.DecimalField(max_digits=16, decimal_places=2)
    max_open_positions = models.PositiveSmallIntegerField()
    stop_loss = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, help_text="rupees a lot; empty: the strategy's"
    )
    take_profit = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, help_text="rupees a lot; empty: the strategy's"
    )
    trail = models.CharField(
        max_length=10, choices=Trail, blank=True, default="", help_text="empty: the strategy's"
    )
    trail_every = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    trail_by = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    version = models.PositiveIntegerField(default=1, help_text="the ETag; counts every change")
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "strategy_broker_allocations"
        constraints = [
            models.UniqueConstraint(
                fields=["strategy", "broker_account"],
                condition=Q(archived_at__isnull=True),
                name="one_allocation_per_pair",
            ),
            models.CheckConstraint(condition=Q(lots__gte=0), name="lots_not_negative"),
            models.CheckConstraint(
                condition=Q(lots__lte=models.F("max_lots")), name="lots_within_the_pairs_limit"
            ),
            models.CheckConstraint(condition=Q(max_day_loss__gt=0), name="max_day_loss_above_zero"),
            models.CheckConstraint(condition=Q(max_margin__gt=0), name="max_margin_above_zero"),
            models.CheckConstraint(
                condition=Q(stop_loss__isnull=True) | Q(stop_loss__gt=0), name="pair_stop_above_zero"
            ),
            models.CheckConstraint(
                condition=Q(take_profit__isnull=True) | Q(take_profit__gt=0),
                name="pair_target_above_zero",
            ),
            models.CheckConstraint(
                condition=Q(trail__in=["", Trail.NONE]) | Q(stop_loss__isnull=False),
                name="a_pairs_trail_has_its_stop",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.strategy} on {self.broker_account}"


class TradingState(models.Model):
    """Whether trading may go on in one scope of one user; the tightest of all that apply wins.

    No row means active. The installation's row has no user.
    """

    class Scope(models.TextChoices):
        INSTALLATION = "installation", "Installation"
        USER = "user", "User"
        ACCOUNT = "account", "Broker account"
        BASKET = "basket", "Basket"
        STRATEGY = "strategy", "Strategy"
        PAIR = "pair", "Pair"

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        REDUCING = "reducing", "Reducing: exits only"
        FROZEN = "frozen", "Frozen by the engine"
        HALTED = "halted", "Halted"

    scope = models.CharField(max_length=12, choices=Scope)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    broker_account = models.ForeignKey(BrokerAccount, on_delete=models.PROTECT, null=True, blank=True)
    basket = models.ForeignKey(Basket, on_delete=models.PROTECT, null=True, blank=True)
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, null=True, blank=True)
    allocation = models.ForeignKey(
        StrategyBrokerAllocation, on_delete=models.PROTECT, null=True, blank=True
    )
    state = models.CharField(max_length=8, choices=State)
    reason = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scope"], condition=Q(scope="installation"), name="one_installation_state"
            ),
            models.UniqueConstraint(
                fields=["user"], condition=Q(scope="user"), name="one_state_per_user"
            ),
            models.UniqueConstraint(
                fields=["user", "broker_account"],
                condition=Q(scope="account"),
                name="one_state_per_account",
            ),
            models.UniqueConstraint(
                fields=["user", "basket"],
                condition=Q(scope="basket"),
                name="one_state_per_user_and_basket",
            ),
            models.UniqueConstraint(
                fields=["user", "strategy"],
                condition=Q(scope="strategy"),
                name="one_state_per_user_and_strategy",
            ),
            models.UniqueConstraint(
                fields=["user", "allocation"], condition=Q(scope="pair"), name="one_state_per_pair"
            ),
            models.CheckConstraint(
                condition=Q(scope="installation", user__isnull=True)
                | (~Q(scope="installation") & Q(user__isnull=False)),
                name="state_has_a_user_unless_installation",
            ),
            models.CheckConstraint(
                condition=Q(scope__in=["installation", "user"])
                | Q(scope="account", broker_account__isnull=False)
                | Q(scope="basket", basket__isnull=False)
                | Q(scope="strategy", strategy__isnull=False)
                | Q(scope="pair", allocation__isnull=False),
                name="state_names_its_target",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope}: {self.state}"
