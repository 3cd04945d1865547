"""What a kill, a square-off or an exit had to close, and the broker's word that it is closed."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from allocations.models import TradingState
from brokers.models import BrokerAccount
from market.models import Timeline


class Receipt(models.Model):
    """One act that closes what a scope holds."""

    class Verb(models.TextChoices):
        EXIT = "exit", "Exit"
        SQUARE_OFF = "square_off", "Square off"
        KILL = "kill", "Kill"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="receipts")
    verb = models.CharField(max_length=10, choices=Verb)
    scope = models.CharField(max_length=12, choices=TradingState.Scope)
    target = models.BigIntegerField(null=True)
    name = models.CharField(max_length=200)
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    at = models.DateTimeField(help_text="wall time")

    class Meta:
        db_table = "risk_receipts"
        indexes = [models.Index(fields=["user", "-id"], name="receipt_newest")]

    def __str__(self) -> str:
        return f"{self.verb} {self.name}"


class ReceiptAccount(models.Model):
    """One broker account of the act: what was open, and what the broker's own book says since."""

    receipt = models.ForeignKey(Receipt, on_delete=models.PROTECT, related_name="accounts")
    broker_account = models.ForeignKey(BrokerAccount, on_delete=models.PROTECT, related_name="+")
    symbols = models.JSONField(help_text="the contracts that were held or on order")
    orders = models.PositiveIntegerField(help_text="open when it was asked")
    positions = models.PositiveIntegerField(help_text="open when it was asked")
    checks = models.PositiveIntegerField(default=0)
    next_check_at = models.DateTimeField(null=True, help_text="wall time; none: not looked at yet")
    said = models.JSONField(default=list, help_text="what the broker's book has besides, in words")
    left_to_expire = models.JSONField(
        default=list, help_text="longs that nobody bids for, still held when it was verified"
    )
    verified_at = models.DateTimeField(null=True, help_text="market time: flat by the broker's own book")

    class Meta:
        db_table = "risk_receipt_accounts"
        constraints = [
            models.UniqueConstraint(fields=["receipt", "broker_account"], name="one_part_per_account")
        ]
        indexes = [
            models.Index(
                fields=["next_check_at"], condition=models.Q(verified_at=None), name="receipt_unverified"
            )
        ]

    def __str__(self) -> str:
        return f"{self.receipt_id} {self.broker_account_id}"
