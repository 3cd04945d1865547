"""What an account has called at its broker lately, to stay within its limits."""

from __future__ import annotations

from django.db import models

from brokers.models import BrokerAccount


class AccountCalls(models.Model):
    """One row an account, rewritten in the transaction that commits a call; `execution.rates.Spent`."""

    broker_account = models.OneToOneField(
        BrokerAccount, on_delete=models.CASCADE, primary_key=True, related_name="calls"
    )
    flying = models.JSONField(default=dict, help_text="microseconds at which each open call was allowed")
    landed = models.JSONField(default=list, help_text="microseconds of answers not counted yet")
    counts = models.JSONField(default=dict, help_text="by window's seconds: calls by part of it")

    class Meta:
        db_table = "account_calls"

    def __str__(self) -> str:
        return f"calls of account {self.broker_account_id}"
