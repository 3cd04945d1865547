"""The conditions of a strategy as the API takes them: guards, waiting, re-entry, rolls."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from strategies.models import StrategyVersion
from users.api.fields import Money
from users.api.serializers import StrictSerializer

CLOCK = ["%H:%M", "%H:%M:%S"]


def amount(words: str) -> Money:
    return Money(max_digits=14, required=False, allow_null=True, help_text=words)


def number(words: str) -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=8, decimal_places=2, required=False, allow_null=True, help_text=words
    )


def moment(words: str) -> serializers.TimeField:
    return serializers.TimeField(
        input_formats=CLOCK, format="%H:%M:%S", required=False, allow_null=True, help_text=words
    )


def choice(choices: Any, words: str = "") -> serializers.ChoiceField:
    return serializers.ChoiceField(choices=choices, required=False, help_text=words)


def count(most: int, words: str, **more: Any) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=0, max_value=most, required=False, help_text=words, **more
    )


class ConditionsBody(StrictSerializer):
    """What is left out or null is not asked."""

    min_credit = amount("least that a lot takes in at the touch, rupees")
    max_debit = amount("most that a lot pays at the touch, rupees")
    max_spread_points = number("bid to ask of any leg, in points")
    max_spread_percent = number("bid to ask of any leg, in % of its mid")
    max_slippage_percent = number("no opening order is priced further from the mid than this, in %")
    vix_min = number("least volatility index; a market without one is refused")
    vix_max = number("most volatility index")
    gap_min = number("least opening gap in % of the close before, below 0 for a fall")
    gap_max = number("most opening gap in % of the close before")
    skip_days = serializers.ListField(
        child=serializers.DateField(), max_length=60, required=False, help_text="no entry on these"
    )
    jitter_seconds = count(1800, "the entry comes later by 0 to this, always the same for a pair and day")
    wait_for = choice(StrategyVersion.WaitFor.choices, "what has to move before the entry")
    wait_leg = count(20, "number of the leg to wait for", allow_null=True)
    wait_move = number("above 0 a rise, below 0 a fall, from the price at the entry time")
    wait_unit = choice(StrategyVersion.WaitUnit.choices)
    wait_until = moment("the entry is missed if it has not moved by then")
    reentry = choice(StrategyVersion.Reentry.choices)
    reentry_of = choice(
        StrategyVersion.ReentryOf.choices,
        "leg: only legs that their own stop or target closed, while on_leg_stop is leg; counted by leg",
    )
    reentry_after = choice(StrategyVersion.ReentryAfter.choices)
    reentry_count = count(20, "times a day")
    reentry_until = moment("no re-entry after it")
    roll_premium = number("rolls as soon as every short that expires is worth this or less, in points")
    roll_min_credit = amount("least that the roll of a lot takes in at the touch, rupees")
    roll_max_debit = amount("most that the roll of a lot pays at the touch, rupees")
    roll_else = choice(StrategyVersion.RollElse.choices, "when the roll is not taken")
