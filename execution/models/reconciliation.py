"""What the broker says an account holds, the part that is not ours, and what does not agree."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from allocations.models import StrategyBrokerAllocation
from brokers.models import BrokerAccount
from execution.differences import Fix, Kind
from execution.models.orders import Order
from market.models import Contract, Timeline


class AccountBook(models.Model):
    """When an account's books were read in a world, and when they are to be read next. Wall time."""

    broker_account = models.ForeignKey(BrokerAccount, on_delete=models.PROTECT, related_name="books")
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    due_at = models.DateTimeField(null=True, help_text="wall time; none: when somebody asks")
    read_at = models.DateTimeField(null=True, help_text="wall time of the last whole reading")
    failing_since = models.DateTimeField(null=True, help_text="wall time; none: the last reading was whole")
    why = models.TextField(blank=True, help_text="the broker's words of the reading that failed")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["broker_account", "timeline"], name="one_book_per_account_and_world"
            )
        ]

    def __str__(self) -> str:
        return f"{self.broker_account_id} read {self.read_at}"


class AccountPosition(models.Model):
    """One contract of an account at the last reading: ours + external = the broker's net."""

    broker_account = models.ForeignKey(
        BrokerAccount, on_delete=models.PROTECT, related_name="account_positions"
    )
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT)
    product = models.CharField(max_length=4)
    ours = models.IntegerField(default=0, help_text="units over all pairs at the last reading")
    external = models.IntegerField(default=0, help_text="units traded beside us")
    disputed = models.IntegerField(
        default=0, help_text="the external units that went against ours and nobody has explained"
    )
    theirs = models.IntegerField(default=0, help_text="the broker's net at the last reading")
    read_at = models.DateTimeField(help_text="wall time")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["broker_account", "timeline", "contract", "product"],
                name="one_account_position_per_contract",
            )
        ]

    def __str__(self) -> str:
        return f"{self.ours} + {self.external} = {self.theirs}"

    @property
    def agrees(self) -> bool:
        return self.ours + self.external == self.theirs and not self.disputed


class ForeignTrade(models.Model):
    """A trade of the account that no order of ours made. `adopted` units have become a pair's."""

    broker_account = models.ForeignKey(
        BrokerAccount, on_delete=models.PROTECT, related_name="foreign_trades"
    )
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT)
    product = models.CharField(max_length=4)
    trading_day = models.DateField()
    trade_id = models.CharField(max_length=40)
    broker_order_id = models.CharField(max_length=40)
    side = models.CharField(max_length=4)
    quantity = models.PositiveIntegerField()
    price = models.DecimalField(max_digits=12, decimal_places=2)
    at = models.DateTimeField(help_text="market time")
    adopted = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["timeline", "broker_account", "trading_day", "trade_id", "contract"],
                name="one_foreign_trade_per_trade",
            ),
            models.CheckConstraint(
                condition=Q(adopted__lte=models.F("quantity")), name="adopted_at_most_what_was_traded"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} @ {self.price}"


class Mismatch(models.Model):
    """Something that our book and the broker's do not agree about, with one fix proposed.

    While it is open, entries of the pairs that it concerns do not go.
    """

    broker_account = models.ForeignKey(
        BrokerAccount, on_delete=models.PROTECT, related_name="mismatches"
    )
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in Kind])
    subject = models.CharField(max_length=60, help_text="what it is about, the same at every look")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, null=True)
    product = models.CharField(max_length=4, blank=True)
    allocation = models.ForeignKey(
        StrategyBrokerAllocation, on_delete=models.PROTECT, null=True, related_name="mismatches",
        help_text="the pair concerned; none: every pair of the account",
    )  # fmt: skip
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, related_name="mismatches")
    number = models.CharField(max_length=40, blank=True, help_text="the broker's number of it")
    ours = models.IntegerField(null=True)
    theirs = models.IntegerField(null=True, help_text="without what is external and explained")
    missing = models.PositiveIntegerField(
        default=0, help_text="units of ours that the broker does not hold: no exit closes them"
    )
    fix = models.CharField(max_length=16, choices=[(fix.value, fix.value) for fix in Fix])
    opened_at = models.DateTimeField(help_text="wall time")
    chosen = models.CharField(max_length=16, blank=True, help_text="the fix that the owner chose")
    chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True, help_text="wall time")
    resolution = models.CharField(max_length=16, blank=True, help_text="the fix, or healed")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["broker_account", "timeline", "kind", "subject"],
                condition=Q(resolved_at=None),
                name="one_open_mismatch_of_a_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in Kind]), name="mismatch_kind_is_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["broker_account", "timeline"], condition=Q(resolved_at=None), name="mismatch_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
