"""What fills and settlements leave a pair with."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from allocations.models import StrategyBrokerAllocation
from market.models import Contract, Timeline


class Position(models.Model):
    """What a pair holds of a contract: a projection of its fills and settlements."""

    allocation = models.ForeignKey(
        StrategyBrokerAllocation, on_delete=models.PROTECT, related_name="positions"
    )
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT)
    product = models.CharField(max_length=4)
    leg_number = models.PositiveSmallIntegerField()
    quantity = models.IntegerField(default=0, help_text="units; negative is short")
    cost = models.DecimalField(
        max_digits=18, decimal_places=2, default=0, help_text="rupees paid for what is held; shorts negative"
    )
    average_price = models.DecimalField(max_digits=18, decimal_places=8, default=0)
    realised = models.DecimalField(max_digits=16, decimal_places=2, default=0)
    charges = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    day = models.DateField(null=True, help_text="the trading day that the two columns below open")
    day_opening_pnl = models.DecimalField(
        max_digits=16, decimal_places=2, default=0, help_text="gross P&L at the last close's mark"
    )
    day_charges_before = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    opened_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "position_tracker"
        constraints = [
            models.UniqueConstraint(
                fields=["allocation", "contract", "product", "timeline"],
                name="one_position_per_pair_and_contract",
            )
        ]
        indexes = [
            models.Index(
                fields=["timeline"], condition=~Q(quantity=0), name="position_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.contract_id}"


class Settlement(models.Model):
    """Cash settlement of a position at expiry; append-only, a final row corrects a provisional one."""

    position = models.ForeignKey(Position, on_delete=models.PROTECT, related_name="settlements")
    trading_day = models.DateField()
    quantity = models.IntegerField(help_text="units settled; negative was short")
    price = models.DecimalField(max_digits=12, decimal_places=2, help_text="intrinsic or final")
    underlying_price = models.DecimalField(max_digits=12, decimal_places=2)
    provisional = models.BooleanField()
    source = models.CharField(max_length=120)
    amount = models.DecimalField(max_digits=16, decimal_places=2, help_text="realised by it")
    charges = models.DecimalField(max_digits=14, decimal_places=2)
    at = models.DateTimeField(help_text="market time")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["position", "provisional"], name="one_settlement_of_each_kind"
            )
        ]

    def __str__(self) -> str:
        return f"{self.quantity} @ {self.price}"
