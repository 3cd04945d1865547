"""Runs of pairs, their orders and fills, the positions these give, and what was earned."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from allocations.models import StrategyBrokerAllocation
from brokers.models import BrokerAccount
from execution.states import OPEN_STATES, OrderState
from market.models import Contract, Timeline
from strategies.models import StrategyVersion


class StrategyExecution(models.Model):
    """One run of one pair for one trading day, phase and cycle."""

    class Phase(models.TextChoices):
        ENTRY = "entry", "Entry"
        EXIT = "exit", "Exit"
        ADJUST = "adjust", "Adjust"
        ROLL = "roll", "Roll"

    class Status(models.TextChoices):
        DUE = "due", "Due"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        PARTIAL = "partial", "Partly done"
        MISSED = "missed", "Missed"
        DENIED = "denied", "Denied"
        FAILED = "failed", "Failed"

    allocation = models.ForeignKey(
        StrategyBrokerAllocation, on_delete=models.PROTECT, related_name="executions"
    )
    timeline = models.ForeignKey(Timeline, on_delete=models.PROTECT)
    trading_day = models.DateField()
    phase = models.CharField(max_length=6, choices=Phase)
    cycle = models.PositiveSmallIntegerField(default=1)
    strategy_version = models.ForeignKey(StrategyVersion, on_delete=models.PROTECT)
    lots = models.PositiveIntegerField()
    status = models.CharField(max_length=8, choices=Status, default=Status.DUE)
    cause = models.CharField(max_length=20, help_text="schedule, stop, target, kill, user, ...")
    code = models.CharField(max_length=40, blank=True, help_text="why it was denied, missed or failed")
    detail = models.TextField(blank=True)
    due_at = models.DateTimeField(help_text="market time")
    started_at = models.DateTimeField(null=True, help_text="market time")
    finished_at = models.DateTimeField(null=True, help_text="market time")
    deadline = models.DateTimeField(null=True, help_text="wall time; entries only")
    plan = models.JSONField(null=True, help_text="the legs as resolved when it started")
    realised_before = models.DecimalField(
        max_digits=16, decimal_places=2, default=0, help_text="the pair's realised P&L when it started"
    )
    margin = models.DecimalField(max_digits=16, decimal_places=2, null=True)

    class Meta:
        db_table = "strategy_executions"
        constraints = [
            models.UniqueConstraint(
                fields=["allocation", "timeline", "trading_day", "phase", "cycle"],
                name="one_execution_per_key",
            )
        ]
        indexes = [
            models.Index(
                fields=["timeline", "due_at"],
                condition=Q(status__in=["due", "running"]),
                name="execution_unfinished",
            )
        ]

    def __str__(self) -> str:
        return f"{self.allocation} {self.phase} {self.trading_day} #{self.cycle}"


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
    status = models.CharField(max_length=10, choices=[(s.value, s.value) for s in OrderState])
    pending_op = models.CharField(max_length=6, choices=PendingOp, default=PendingOp.NONE, blank=True)
    client_ref = models.CharField(max_length=20, unique=True)
    broker_order_id = models.CharField(max_length=40, blank=True)
    filled_quantity = models.PositiveIntegerField(default=0)
    average_price = models.DecimalField(max_digits=14, decimal_places=4, null=True)
    charges = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    arrival_mid = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    code = models.CharField(max_length=40, blank=True, help_text="why denied or rejected")
    upstream = models.TextField(blank=True, help_text="the broker's own words")
    created_at = models.DateTimeField(help_text="market time")
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
                condition=Q(order_type="MARKET", price__isnull=True)
                | Q(order_type="LIMIT", price__gt=0),
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
