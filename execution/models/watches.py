"""What has been seen of an open trade by its stops and targets."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from allocations.models import StrategyBrokerAllocation
from market.models import Timeline


class Of(models.TextChoices):
    """What a level is a price of."""

    LEG = "leg", "the leg"
    UNDERLYING = "underlying", "the underlying"
    LOT = "lot", "rupees a lot"


class StopWatch(models.Model):
    """The memory of one leg's stops, or with an empty symbol of the whole trade's.

    `best`, `stop`, `locked` and `higher` are gains since entry (`strategies.rules.stops`);
    `stop_at` and `target_at` say the same as prices, for people. A trade that begins after `since`
    is another one, and starts the row anew.
    """

    allocation = models.ForeignKey(
        StrategyBrokerAllocation, on_delete=models.PROTECT, related_name="watches"
    )
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    symbol = models.CharField(max_length=40, blank=True, help_text="empty: the whole trade")
    leg_number = models.PositiveSmallIntegerField(default=0, help_text="0: the whole trade")
    since = models.DateTimeField(help_text="market time; when the trade began")
    best = models.DecimalField(max_digits=18, decimal_places=4, default=0)
    stop = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    locked = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    at_cost = models.BooleanField(default=False, help_text="moved there by another leg's stop")
    reference = models.DecimalField(
        max_digits=18, decimal_places=4, null=True, help_text="the underlying when it began"
    )
    crossed = models.CharField(max_length=6, blank=True, help_text="stop, target, lock")
    crossed_frames = models.PositiveSmallIntegerField(default=0)
    higher = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    higher_frames = models.PositiveSmallIntegerField(default=0)
    counted_at = models.DateTimeField(null=True, help_text="market time of the newest quote counted")
    stop_at = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    stop_of = models.CharField(max_length=10, choices=Of, default=Of.LEG)
    target_of = models.CharField(max_length=10, choices=Of, default=Of.LEG)
    target_at = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    unjudged_since = models.DateTimeField(
        null=True, help_text="market time; no usable price since then, so it and the trade are not judged"
    )
    unjudged_told = models.BooleanField(default=False, help_text="its owner was told of it")
    rules = models.JSONField(default=list, help_text="exits of the pair that were in force in this trade")
    updated_at = models.DateTimeField(help_text="market time")

    class Meta:
        db_table = "stop_watches"
        verbose_name_plural = "stop watches"
        constraints = [
            models.UniqueConstraint(
                fields=["allocation", "timeline", "symbol"], name="one_watch_per_trade_and_contract"
            ),
            models.CheckConstraint(
                condition=Q(crossed__in=["", "stop", "target", "lock"]), name="crossing_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.allocation_id} {self.symbol or 'whole trade'}"
