"""Runs: one pair, one trading day, one phase."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from allocations.models import StrategyBrokerAllocation
from market.models import Timeline
from strategies.models import StrategyVersion

REENTRY = "reentry"  # the cause of an entry after a stop or target, and of a leg that comes back
#: A leg that comes back and has not begun to: it may wait for its price for long, and holds up nothing.
COMING_BACK = Q(phase="adjust", cause=REENTRY, status="due")


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
    only_legs = models.JSONField(
        null=True,
        help_text="the legs that this exit closes, or that come back; none: everything the pair holds",
    )
    armed_at = models.DateTimeField(
        null=True, help_text="market time; an entry, or a leg that comes back, waits for a price since then"
    )
    watch = models.JSONField(null=True, help_text="what an armed entry waits for")
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

    @property
    def waiting(self) -> bool:
        """An entry, or a leg that comes back, that is armed: its price has not come yet."""
        return self.armed_at is not None and self.status == self.Status.DUE
