"""The columns of a version that state its conditions: entry guards, waiting, re-entry, rolls."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


def _amount(words: str) -> models.DecimalField:
    return models.DecimalField(
        max_digits=14, decimal_places=2, null=True, blank=True, help_text=words
    )


def _number(words: str) -> models.DecimalField:
    return models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True, help_text=words)


class ConditionColumns(models.Model):
    """As strategies.rules.conditions.Conditions; what is null is not asked."""

    class WaitFor(models.TextChoices):
        NOTHING = "nothing", "Do not wait"
        LEG = "leg", "Premium of a leg"
        UNDERLYING = "underlying", "Underlying"

    class WaitUnit(models.TextChoices):
        POINTS = "points", "Points"
        PERCENT = "percent", "Per cent"

    class Reentry(models.TextChoices):
        NONE = "none", "Do not enter again"
        ASAP = "asap", "At once, at the strikes of then"
        COST = "cost", "The same contracts, back at their cost"

    class ReentryAfter(models.TextChoices):
        STOP = "stop", "After a stop"
        TARGET = "target", "After a target"
        EITHER = "either", "After either"

    class ReentryOf(models.TextChoices):
        TRADE = "trade", "The whole trade, once it is out"
        LEG = "leg", "Each leg that its own stop or target closed"

    class RollElse(models.TextChoices):
        HOLD = "hold", "Hold to settlement"
        CLOSE = "close", "Close"

    min_credit = _amount("rupees a lot, at the touch")
    max_debit = _amount("rupees a lot, at the touch")
    max_spread_points = _number("bid to ask of any leg, in points")
    max_spread_percent = _number("bid to ask of any leg, in % of its mid")
    max_slippage_percent = _number("worst price of an opening order, in % from the mid")
    vix_min = _number("volatility index, least")
    vix_max = _number("volatility index, most")
    gap_min = _number("opening gap in % of the close before, least")
    gap_max = _number("opening gap in % of the close before, most")
    skip_days = ArrayField(models.DateField(), default=list, blank=True, help_text="no entry then")
    jitter_seconds = models.PositiveSmallIntegerField(default=0, help_text="entry later by up to this")
    wait_for = models.CharField(max_length=10, choices=WaitFor, default=WaitFor.NOTHING)
    wait_leg = models.PositiveSmallIntegerField(null=True, blank=True, help_text="number of the leg")
    wait_move = _number("above 0 a rise, below 0 a fall, from the price at arming")
    wait_unit = models.CharField(max_length=7, choices=WaitUnit, default=WaitUnit.POINTS)
    wait_until = models.TimeField(null=True, blank=True, help_text="missed after it")
    reentry = models.CharField(max_length=4, choices=Reentry, default=Reentry.NONE)
    reentry_after = models.CharField(
        max_length=6, choices=ReentryAfter, default=ReentryAfter.STOP
    )
    reentry_of = models.CharField(max_length=5, choices=ReentryOf, default=ReentryOf.TRADE)
    reentry_count = models.PositiveSmallIntegerField(default=0, help_text="times a day")
    reentry_until = models.TimeField(null=True, blank=True, help_text="no re-entry after it")
    roll_premium = _number("rolls when every short that expires is worth this or less, in points")
    roll_min_credit = _amount("rupees a lot, at the touch")
    roll_max_debit = _amount("rupees a lot, at the touch")
    roll_else = models.CharField(max_length=5, choices=RollElse, default=RollElse.HOLD)

    class Meta:
        abstract = True


CONDITION_CONSTRAINTS = [
    models.CheckConstraint(
        condition=Q(wait_for="nothing")
        | (Q(wait_move__isnull=False) & ~Q(wait_move=0) & Q(wait_until__isnull=False)),
        name="a_wait_has_a_move_and_an_end",
    ),
    models.CheckConstraint(
        condition=~Q(wait_for="leg") | Q(wait_leg__isnull=False), name="a_wait_for_a_leg_names_it"
    ),
    models.CheckConstraint(
        condition=Q(reentry="none") | Q(reentry_count__gte=1, reentry_until__isnull=False),
        name="a_reentry_has_a_count_and_an_end",
    ),
    models.CheckConstraint(
        condition=Q(reentry_of="trade") | (~Q(reentry="none") & Q(on_leg_stop="leg")),
        name="a_leg_enters_again_where_it_leaves_alone",
    ),
]
