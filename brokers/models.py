"""A user's account at a broker, on paper or live."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class BrokerAccount(models.Model):
    """One login at one broker. A paper account's endpoint is the simulator, never a broker's host."""

    class Broker(models.TextChoices):
        ZERODHA = "zerodha", "Zerodha"
        ANGELONE = "angelone", "Angel One"
        FINVASIA = "finvasia", "Finvasia"

    class Mode(models.TextChoices):
        PAPER = "paper", "Paper"
        LIVE = "live", "Live"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="broker_accounts"
    )
    broker = models.CharField(max_length=10, choices=Broker)
    mode = models.CharField(max_length=5, choices=Mode)
    client_id = models.CharField(max_length=40)
    label = models.CharField(max_length=80)
    capital = models.DecimalField(max_digits=16, decimal_places=2)
    sealed_secrets = models.JSONField(default=dict, blank=True)
    token_valid_until = models.DateTimeField(null=True, blank=True)
    egress_ip = models.GenericIPAddressField(null=True, blank=True)
    algo_id = models.CharField(max_length=40, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "broker", "mode", "client_id"],
                condition=Q(archived_at__isnull=True),
                name="one_account_per_login",
            ),
            models.CheckConstraint(
                condition=Q(capital__gte=0), name="account_capital_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(mode__in=["paper", "live"]), name="account_mode_is_paper_or_live"
            ),
            models.CheckConstraint(
                condition=Q(broker__in=["zerodha", "angelone", "finvasia"]),
                name="account_broker_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_broker_display()} {self.client_id} ({self.mode})"
