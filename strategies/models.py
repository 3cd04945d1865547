"""Strategies, their immutable versions, and the legs of each version."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from baskets.models import Basket
from strategies.entry_columns import CONDITION_CONSTRAINTS, ConditionColumns


class Strategy(models.Model):
    """A multi-leg trade of one underlying in one basket; what it trades is its newest version."""

    basket = models.ForeignKey(Basket, on_delete=models.PROTECT, related_name="strategies")
    name = models.CharField(max_length=120)
    preset = models.CharField(max_length=40, blank=True)
    underlying = models.CharField(max_length=12)
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "options_strategies"
        verbose_name_plural = "strategies"
        constraints = [
            models.UniqueConstraint(
                fields=["basket", "name"],
                condition=Q(archived_at__isnull=True),
                name="strategy_name_once_per_basket",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Trail(models.TextChoices):
    """How a stop follows what was gained."""

    NONE = "none", "No trailing"
    STEPPED = "stepped", "In steps"
    CONTINUOUS = "continuous", "Continuously"


def sound_trail(stop: str, name: str) -> models.CheckConstraint:
    """A trail has a stop; steps have a size and a move no larger, another trail has neither."""
    none = Q(trail_every__isnull=True, trail_by__isnull=True)
    given = Q(trail_every__isnull=False, trail_by__isnull=False)
    steps = given & Q(trail_every__gt=0, trail_by__gt=0, trail_by__lte=models.F("trail_every"))
    stopped = Q(**{f"{stop}__isnull": False})
    return models.CheckConstraint(
        condition=(Q(trail="none") & none)
        | (Q(trail="continuous") & none & stopped)
        | (Q(trail="stepped") & steps & stopped),
        name=name,
    )


class StrategyVersion(ConditionColumns):
    """Schedule, rules and legs as they were saved once. Editing writes the next number."""

    class Completion(models.TextChoices):
        RETRY = "retry", "Retry what is missing"
        UNWIND = "unwind", "Unwind incomplete units"
        HOLD_HEDGED = "hold_hedged", "Hold what is hedged"

    class AtExpiry(models.TextChoices):
        SETTLE = "settle", "Hold to cash settlement"
        ROLL = "roll", "Roll into the next expiry"
        CLOSE = "close", "Close before expiry"

    class DayRule(models.TextChoices):
        WEEKDAYS = "weekdays", "On weekdays"
        EXPIRY_DAY = "expiry_day", "On expiry day"
        DAYS_BEFORE = "days_before_expiry", "n trading days before expiry"

    class AtmBase(models.TextChoices):
        SYNTHETIC = "synthetic", "Synthetic forward of the leg's expiry"
        SPOT = "spot", "Spot index"
        FUTURE = "future", "Future of the month"

    class StopUnit(models.TextChoices):
        RUPEES = "rupees", "Rupees a lot"
        PERCENT = "percent", "% of the premium"
        UNDERLYING = "underlying", "Points of the underlying"

    class TargetUnit(models.TextChoices):
        RUPEES = "rupees", "Rupees a lot"
        PERCENT = "percent", "% of the premium"

    class OnLegStop(models.TextChoices):
        LEG = "leg", "The leg alone leaves"
        STRATEGY = "strategy", "The whole strategy leaves"

    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    entry_time = models.TimeField()
    exit_time = models.TimeField(null=True, blank=True, help_text="empty: positional")
    day_rule = models.CharField(max_length=20, choices=DayRule, default=DayRule.WEEKDAYS)
    weekdays = models.JSONField(default=list, help_text="0 Monday … 6 Sunday")
    days_before = models.PositiveSmallIntegerField(default=0)
    atm_base = models.CharField(max_length=9, choices=AtmBase, default=AtmBase.SYNTHETIC)
    entry_tolerance_seconds = models.PositiveIntegerField(default=60)
    completion = models.CharField(
        max_length=12, choices=Completion, default=Completion.HOLD_HEDGED
    )
    take_profit = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, help_text="in its unit"
    )
    stop_loss = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, help_text="in its unit, positive"
    )
    take_profit_unit = models.CharField(max_length=10, choices=TargetUnit, default=TargetUnit.RUPEES)
    stop_loss_unit = models.CharField(max_length=10, choices=StopUnit, default=StopUnit.RUPEES)
    trail = models.CharField(max_length=10, choices=Trail, default=Trail.NONE)
    trail_every = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    trail_by = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    lock_at = models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, help_text="rupees a lot, as all of a lock"
    )
    lock_profit = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    lock_every = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    lock_by = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    on_leg_stop = models.CharField(max_length=8, choices=OnLegStop, default=OnLegStop.LEG)
    break_even = models.BooleanField(
        default=False, help_text="a leg's stop moves the other legs' stops to cost"
    )
    confirm_frames = models.PositiveSmallIntegerField(
        default=2, help_text="frames for which a crossing must hold"
    )
    stop_at_broker = models.BooleanField(
        default=False, help_text="the stops of naked shorts also rest at the broker (SL-L)"
    )
    at_expiry = models.CharField(max_length=6, choices=AtExpiry, default=AtExpiry.SETTLE)
    roll_time = models.TimeField(null=True, blank=True)
    roll_days_before = models.PositiveSmallIntegerField(default=0)
    naked_calls = models.PositiveSmallIntegerField(default=0, help_text="short units left uncovered")
    naked_puts = models.PositiveSmallIntegerField(default=0, help_text="short units left uncovered")
    cash_secured = models.BooleanField(default=False)
    chase_after_seconds = models.PositiveSmallIntegerField(
        default=0, help_text="how long a resting order waits before its price is moved"
    )
    all_or_none = models.BooleanField(
        default=False, help_text="unwind the owner's other pairs when the entry of one does not complete"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["strategy", "number"], name="one_strategy_version_number"
            ),
            models.CheckConstraint(
                condition=Q(take_profit__isnull=True) | Q(take_profit__gt=0),
                name="take_profit_above_zero",
            ),
            models.CheckConstraint(
                condition=Q(stop_loss__isnull=True) | Q(stop_loss__gt=0), name="stop_loss_above_zero"
            ),
            sound_trail("stop_loss", "trail_of_the_strategy_is_sound"),
            models.CheckConstraint(
                condition=Q(lock_at__isnull=True, lock_profit__isnull=True)
                | Q(lock_at__isnull=False, lock_profit__isnull=False, lock_profit__gte=0,
                    lock_profit__lt=models.F("lock_at")),
                name="a_lock_keeps_less_than_sets_it",
            ),  # fmt: skip
            models.CheckConstraint(
                condition=Q(lock_every__isnull=True, lock_by__isnull=True)
                | Q(lock_at__isnull=False, lock_every__isnull=False, lock_by__isnull=False, lock_by__gt=0,
                    lock_by__lte=models.F("lock_every")),
                name="steps_of_a_lock_are_sound",
            ),  # fmt: skip
            models.CheckConstraint(
                condition=Q(confirm_frames__gte=1), name="a_price_is_seen_at_least_once"
            ),
            models.CheckConstraint(
                condition=Q(exit_time__isnull=True) | Q(exit_time__gt=models.F("entry_time")),
                name="exit_after_entry",
            ),
            models.CheckConstraint(
                condition=~Q(at_expiry="roll") | Q(roll_time__isnull=False),
                name="a_roll_has_a_time",
            ),
            *CONDITION_CONSTRAINTS,
        ]

    def __str__(self) -> str:
        return f"{self.strategy} v{self.number}"


class Leg(models.Model):
    """One leg of a strategy version; strike and expiry are rules, resolved at entry."""

    class Side(models.TextChoices):
        BUY = "BUY", "Buy"
        SELL = "SELL", "Sell"

    class OptionType(models.TextChoices):
        CE = "CE", "Call"
        PE = "PE", "Put"
        FUT = "FUT", "Future"

    class StrikeRule(models.TextChoices):
        NONE = "none", "None (future)"
        ATM = "atm", "ATM + n steps"
        FIXED = "fixed", "Fixed strike"
        DELTA = "delta", "Delta closest"
        PREMIUM_CLOSEST = "premium_closest", "Premium closest to"
        PREMIUM_AT_LEAST = "premium_at_least", "Premium at least"
        PREMIUM_AT_MOST = "premium_at_most", "Premium at most"
        PERCENT_OF_ATM = "percent_of_atm", "% of ATM"
        STRADDLE_WIDTH = "straddle_width", "ATM ± k x straddle price"
        PERCENT_OF_STRADDLE = "percent_of_straddle", "Premium closest to % of straddle"

    class ExpiryRule(models.TextChoices):
        THIS_WEEK = "this_week", "This week"
        NEXT_WEEK = "next_week", "Next week"
        THIS_MONTH = "this_month", "This month"
        NEXT_MONTH = "next_month", "Next month"
        FIXED = "fixed", "Fixed date"

    class Unit(models.TextChoices):
        POINTS = "points", "Points"
        PERCENT = "percent", "% of its premium"
        UNDERLYING = "underlying", "Points of the underlying"

    version = models.ForeignKey(StrategyVersion, on_delete=models.PROTECT, related_name="legs")
    number = models.PositiveSmallIntegerField()
    side = models.CharField(max_length=4, choices=Side)
    ratio = models.PositiveSmallIntegerField(default=1)
    option_type = models.CharField(max_length=3, choices=OptionType)
    strike_rule = models.CharField(max_length=20, choices=StrikeRule)
    strike_value = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    expiry_rule = models.CharField(max_length=12, choices=ExpiryRule)
    expiry_date = models.DateField(null=True, blank=True)
    stop = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    stop_unit = models.CharField(max_length=10, choices=Unit, default=Unit.POINTS)
    target = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    target_unit = models.CharField(max_length=10, choices=Unit, default=Unit.POINTS)
    trail = models.CharField(max_length=10, choices=Trail, default=Trail.NONE)
    trail_every = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    trail_by = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)

    class Meta:
        ordering = ["version_id", "number"]
        constraints = [
            models.CheckConstraint(
                condition=Q(stop__isnull=True) | Q(stop__gt=0), name="leg_stop_above_zero"
            ),
            models.CheckConstraint(
                condition=Q(target__isnull=True) | Q(target__gt=0), name="leg_target_above_zero"
            ),
            sound_trail("stop", "trail_of_a_leg_is_sound"),
            models.UniqueConstraint(fields=["version", "number"], name="one_leg_number"),
            models.CheckConstraint(condition=Q(ratio__gte=1), name="leg_ratio_at_least_one"),
            models.CheckConstraint(
                condition=Q(option_type="FUT", strike_rule="none", strike_value__isnull=True)
                | (~Q(option_type="FUT") & ~Q(strike_rule="none") & Q(strike_value__isnull=False)),
                name="options_have_a_strike_rule_futures_none",
            ),
            models.CheckConstraint(
                condition=Q(expiry_rule="fixed", expiry_date__isnull=False)
                | (~Q(expiry_rule="fixed") & Q(expiry_date__isnull=True)),
                name="fixed_expiry_has_a_date",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.ratio} {self.option_type} {self.strike_rule} {self.expiry_rule}"
