"""Orders, all that was said of them, and their fills."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from allocations.models import StrategyBrokerAllocation
from brokers.models import BrokerAccount
from execution.models.runs import StrategyExecution
from execution.states import OPEN_STATES, OrderState
from market.models import Contract, Timeline


class Order(models.Model):
    """One slice of one leg on its way to, or at, the broker. `quantity` is in units."""

    class Action(models.TextChoices):
        OPEN = "open", "Open"
        CLOSE = "close", "Close"

    class PendingOp(models.TextChoices):
        NONE = "", "None"
        CANCEL = "cancel", "Cancel asked"
        MODIFY = "modify", "Modify asked"

    execution = models.ForeignKey(StrategyExecution, on_delete=models.PROTECT, related_name="orders")
    allocation = models.ForeignKey(
        StrategyBrokerAllocation, on_delete=models.PROTECT, related_name="orders"
    )
    broker_account = models.ForeignKey(BrokerAccount, on_delete=models.PROTECT, related_name="orders")
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT)
    leg_number = models.PositiveSmallIntegerField()
    action = models.CharField(max_length=5, choices=Action)
    slice = models.PositiveSmallIntegerField()
    attempt = models.PositiveSmallIntegerField(default=1)
    wave = models.PositiveSmallIntegerField(help_text="1 goes first, 2 is gated on its fills")
    side = models.CharField(max_length=4)
    product = models.CharField(max_length=4)
    quantity = models.PositiveIntegerField()
    order_type = models.CharField(max_length=6)
    price = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    trigger_price = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, help_text="of a stop that rests at the broker"
    )
    worst_price = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, help_text="a chase moves the limit no further"
    )
    status = models.CharField(max_length=10, choices=[(s.value, s.value) for s in OrderState])
    pending_op = models.CharField(max_length=6, choices=PendingOp, default=PendingOp.NONE, blank=True)
    asked_at = models.DateTimeField(null=True, help_text="wall time of the last cancel or price change")
    modifications = models.PositiveSmallIntegerField(default=0, help_text="price changes that were asked")
    client_ref = models.CharField(max_length=20, unique=True)
    broker_order_id = models.CharField(max_length=40, blank=True)
    filled_quantity = models.PositiveIntegerField(default=0)
    average_price = models.DecimalField(max_digits=14, decimal_places=4, null=True)
    charges = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    arrival_mid = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    code = models.CharField(max_length=40, blank=True, help_text="why denied or rejected")
    upstream = models.TextField(blank=True, help_text="the broker's own words")
    created_at = models.DateTimeField(help_text="market time")
    written_at = models.DateTimeField(null=True, help_text="wall time at which it was ready to be sent")
    sending_at = models.DateTimeField(null=True, help_text="wall time")
    expires_at = models.DateTimeField(null=True, help_text="wall time; not sent after it")
    next_lookup_at = models.DateTimeField(null=True, help_text="wall time; UNKNOWN only")
    lookups = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, help_text="market time")

    class Meta:
        db_table = "order_history"
        constraints = [
            models.UniqueConstraint(
                fields=["execution", "leg_number", "action", "slice", "attempt"],
                name="one_order_per_slice_and_attempt",
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_quantity_above_zero"),
            models.CheckConstraint(
                condition=Q(order_type="MARKET", price__isnull=True, trigger_price__isnull=True)
                | Q(order_type="LIMIT", price__gt=0, trigger_price__isnull=True)
                | Q(order_type="SL-L", price__gt=0, trigger_price__gt=0),
                name="limit_orders_have_a_price",
            ),
            models.CheckConstraint(
                condition=Q(status__in=[s.value for s in OrderState]), name="order_status_is_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["timeline", "broker_account"],
                condition=Q(status__in=sorted(s.value for s in OPEN_STATES)),
                name="order_unfinished",
            ),
            models.Index(fields=["allocation", "-id"], name="order_newest"),
            models.Index(
                fields=["timeline", "allocation"],
                condition=Q(order_type="SL-L", filled_quantity__gt=0),
                name="order_stopped_at_broker",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.contract_id} {self.status}"


class OrderEvent(models.Model):
    """Everything that was said of an order, by us or the broker; append-only, each once."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=20)
    source = models.CharField(max_length=8, help_text="engine, answer, push, poll")
    dedupe_key = models.CharField(max_length=120)
    payload = models.JSONField(default=dict)
    at = models.DateTimeField(help_text="market time")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "dedupe_key"], name="one_event_per_cause")
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.kind}"


class Fill(models.Model):
    """One trade of the exchange on one of our orders."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    broker_account = models.ForeignKey(BrokerAccount, on_delete=models.PROTECT)
    exchange = models.CharField(max_length=4)
    trading_day = models.DateField()
    trade_id = models.CharField(max_length=40)
    side = models.CharField(max_length=4)
    quantity = models.PositiveIntegerField()
    price = models.DecimalField(max_digits=12, decimal_places=2)
    at = models.DateTimeField(help_text="market time")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["timeline", "broker_account", "exchange", "trading_day", "trade_id"],
                name="one_fill_per_trade",
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="fill_quantity_above_zero"),
            models.CheckConstraint(condition=Q(price__gt=0), name="fill_price_above_zero"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} @ {self.price}"
