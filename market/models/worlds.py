"""Worlds of market time, listed contracts, and the warm-restart snapshot of quotes."""

from __future__ import annotations

import secrets
from functools import cached_property

from django.db import models
from django.db.models import Q

from market.kernel.contracts import Contract as ContractSpec


def new_nonce() -> str:
    return secrets.token_hex(16)


class Timeline(models.Model):
    """One continuous world: live, recorded or simulated. Exactly one is active."""

    class Source(models.TextChoices):
        LIVE = "live", "Live"
        RECORDED = "recorded", "Recorded days"
        SIMULATED = "simulated", "Simulated days"

    key = models.SlugField(max_length=40, unique=True)
    source = models.CharField(max_length=10, choices=Source)
    first_day = models.DateField()
    seed = models.BigIntegerField(default=0)
    speed = models.PositiveSmallIntegerField(default=1)
    files = models.JSONField(default=list, blank=True)
    nonce = models.CharField(max_length=64, default=new_nonce)
    active = models.BooleanField(default=False)
    market_now = models.DateTimeField(null=True, blank=True)
    frame = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["active"], condition=Q(active=True), name="one_active_timeline"
            ),
            models.CheckConstraint(condition=Q(speed__gt=0), name="timeline_speed_above_zero"),
            models.CheckConstraint(
                condition=~Q(source="live") | Q(speed=1), name="live_time_runs_at_its_own_speed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.get_source_display()})"


class Contract(models.Model):
    """A contract that something here traded, quoted or read from a master; its lot is that of its expiry."""

    symbol = models.CharField(max_length=40, unique=True)
    exchange = models.CharField(max_length=4)
    underlying = models.CharField(max_length=12)
    expiry = models.DateField()
    option_type = models.CharField(max_length=3)
    strike = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    lot_size = models.PositiveIntegerField()
    tick_size = models.DecimalField(max_digits=6, decimal_places=2)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(option_type="FUT", strike__isnull=True)
                | Q(option_type__in=["CE", "PE"], strike__gt=0),
                name="options_have_a_strike_futures_none",
            ),
            models.CheckConstraint(
                condition=Q(lot_size__gt=0), name="contract_lot_size_above_zero"
            ),
        ]
        indexes = [models.Index(fields=["underlying", "expiry"])]

    def __str__(self) -> str:
        return self.symbol

    @cached_property
    def spec(self) -> ContractSpec:
        """The kernel's value of this row."""
        return ContractSpec(self.underlying, self.expiry, self.option_type, self.strike)  # type: ignore[arg-type]  # a choice of the column


class Quote(models.Model):
    """The last quote of a contract, kept for a warm restart until `expires_at`."""

    timeline = models.ForeignKey(Timeline, on_delete=models.CASCADE)
    symbol = models.CharField(max_length=40)
    bid = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    ask = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    ltp = models.DecimalField(max_digits=12, decimal_places=2)
    bid_quantity = models.PositiveIntegerField()
    ask_quantity = models.PositiveIntegerField()
    oi = models.PositiveBigIntegerField(null=True)
    volume = models.PositiveBigIntegerField(null=True)
    at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "market_data_cache"
        constraints = [
            models.UniqueConstraint(fields=["timeline", "symbol"], name="one_quote_per_contract")
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.ltp}"


class SettlementPrice(models.Model):
    """The official settlement value of an underlying on an expiry day, from a file, feed or operator."""

    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    underlying = models.CharField(max_length=12)
    day = models.DateField()
    price = models.DecimalField(max_digits=12, decimal_places=2)
    source = models.CharField(max_length=120)
    entered_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["timeline", "underlying", "day"], name="one_official_settlement_value"
            ),
            models.CheckConstraint(condition=Q(price__gt=0), name="settlement_value_above_zero"),
        ]

    def __str__(self) -> str:
        return f"{self.underlying} {self.day} {self.price}"
