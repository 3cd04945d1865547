"""What a pair earned on a trading day."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from allocations.models import StrategyBrokerAllocation
from market.models import Timeline


class PerformanceMetric(models.Model):
    """One pair's trading day, after charges; every rollup is a query over these."""

    allocation = models.ForeignKey(
        StrategyBrokerAllocation, on_delete=models.PROTECT, related_name="performance"
    )
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    trading_day = models.DateField()
    realised = models.DecimalField(max_digits=16, decimal_places=2)
    unrealised = models.DecimalField(max_digits=16, decimal_places=2)
    charges = models.DecimalField(max_digits=14, decimal_places=2)
    net = models.DecimalField(max_digits=16, decimal_places=2, help_text="of the day")
    peak_margin = models.DecimalField(max_digits=16, decimal_places=2)
    orders = models.PositiveIntegerField()
    fills = models.PositiveIntegerField()
    lots = models.PositiveIntegerField(help_text="lots entered that day")
    provisional = models.BooleanField(default=False)
    final = models.BooleanField(default=False, help_text="the day has closed")
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "performance_metrics"
        constraints = [
            models.UniqueConstraint(
                fields=["allocation", "timeline", "trading_day"], name="one_metric_per_pair_and_day"
            ),
            models.CheckConstraint(condition=Q(charges__gte=0), name="metric_charges_not_negative"),
            models.CheckConstraint(
                condition=Q(peak_margin__gte=0), name="peak_margin_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.allocation_id} {self.trading_day} {self.net}"
