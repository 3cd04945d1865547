"""The pair: a strategy on a broker account, with its own lots, limits and trading state."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q

from allocations.risk import LOOSENABLE
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
    max_delta = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, help_text="rupees an index point, either sign"
    )
    max_vega = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, help_text="rupees a vol point, either sign"
    )
    square_off_at_loss = models.BooleanField(default=False, help_text="exit when the day loss is reached")
    entered_at = models.DateTimeField(
        null=True, blank=True, help_text="market time of its first entry; from then on looser limits wait a day"
    )
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
                condition=(Q(max_delta=None) | Q(max_delta__gte=0)) & (Q(max_vega=None) | Q(max_vega__gte=0)),
                name="pair_greek_limits_not_negative",
            ),
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

    @property
    def name(self) -> str:
        """As its owner knows it: "Iron Condor on Zerodha"."""
        return f"{self.strategy.name} on {self.broker_account.label}"


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


class ScopeLimit(models.Model):
    """Limits of everything a user runs, of one broker account or of one basket, over their pairs."""

    class Scope(models.TextChoices):
        USER = "user", "Everything you run"
        ACCOUNT = "account", "Broker account"
        BASKET = "basket", "Basket"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="limits")
    scope = models.CharField(max_length=8, choices=Scope)
    broker_account = models.ForeignKey(BrokerAccount, on_delete=models.PROTECT, null=True, blank=True)
    basket = models.ForeignKey(Basket, on_delete=models.PROTECT, null=True, blank=True)
    max_lots = models.PositiveIntegerField(null=True, blank=True)
    max_day_loss = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    max_margin = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    max_open_positions = models.PositiveIntegerField(null=True, blank=True)
    max_delta = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, help_text="rupees an index point, either sign"
    )
    max_vega = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, help_text="rupees a vol point, either sign"
    )
    square_off_at_loss = models.BooleanField(default=False, help_text="exit when the day loss is reached")
    version = models.PositiveIntegerField(default=1, help_text="the ETag; counts every change")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "risk_limits"
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(scope="user"), name="one_limit_row_per_user"
            ),
            models.UniqueConstraint(
                fields=["user", "broker_account"],
                condition=Q(scope="account"),
                name="one_limit_row_per_account",
            ),
            models.UniqueConstraint(
                fields=["user", "basket"], condition=Q(scope="basket"), name="one_limit_row_per_basket"
            ),
            models.CheckConstraint(
                condition=Q(scope="user", broker_account=None, basket=None)
                | Q(scope="account", broker_account__isnull=False, basket=None)
                | Q(scope="basket", broker_account=None, basket__isnull=False),
                name="limit_names_its_target",
            ),
            models.CheckConstraint(
                condition=(Q(max_day_loss=None) | Q(max_day_loss__gt=0))
                & (Q(max_margin=None) | Q(max_margin__gt=0))
                & (Q(max_delta=None) | Q(max_delta__gte=0))
                & (Q(max_vega=None) | Q(max_vega__gte=0)),
                name="scope_limits_are_amounts",
            ),
        ]

    def __str__(self) -> str:
        return f"limits of {self.name}"

    @property
    def name(self) -> str:
        """As a denial names it: "account Zerodha"."""
        if self.broker_account is not None:
            return f"account {self.broker_account.label}"
        return "everything you run" if self.basket is None else f"basket {self.basket.name}"

    @property
    def target_id(self) -> int | None:
        """The id of the account or basket; None for everything."""
        return self.broker_account_id or self.basket_id

    def reaches(self, pair: StrategyBrokerAllocation) -> bool:
        """Whether the pair, with its strategy and account loaded, is among those it is over."""
        if pair.broker_account.user_id != self.user_id:
            return False
        if self.broker_account_id is not None:
            return pair.broker_account_id == self.broker_account_id
        return self.basket_id is None or pair.strategy.basket_id == self.basket_id


class PendingLimit(models.Model):
    """A looser value of one limit, or lots that need it: asked for, and in force from the next trading day."""

    NAMES = ("lots", *LOOSENABLE)

    allocation = models.ForeignKey(
        StrategyBrokerAllocation, on_delete=models.PROTECT, null=True, blank=True, related_name="pending"
    )
    scope_limit = models.ForeignKey(
        ScopeLimit, on_delete=models.PROTECT, null=True, blank=True, related_name="pending"
    )
    name = models.CharField(max_length=20, choices=[(name, name) for name in NAMES])
    value = models.DecimalField(
        max_digits=16, decimal_places=2, null=True, help_text="none: no limit; 0 and 1 for no and yes"
    )
    asked_on = models.DateField(help_text="the market's day on which it was asked for")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["allocation", "name"], name="one_pending_value_per_pair"),
            models.UniqueConstraint(fields=["scope_limit", "name"], name="one_pending_value_per_scope"),
            models.CheckConstraint(
                condition=Q(allocation__isnull=False, scope_limit=None)
                | Q(allocation=None, scope_limit__isnull=False),
                name="pending_value_has_one_owner",
            ),
            models.CheckConstraint(
                condition=Q(name__in=["lots", *LOOSENABLE]), name="pending_value_is_of_a_limit"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.value} after {self.asked_on}"
