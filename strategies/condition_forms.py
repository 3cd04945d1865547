"""The part of a strategy's form that states its conditions. Left empty, nothing is asked."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import date
from typing import Any

from django import forms

from strategies.models import StrategyVersion
from strategies.rules import Conditions
from users.forms import DeskForm

GUARDS = (
    "min_credit", "max_debit", "max_spread_points", "max_spread_percent", "max_slippage_percent",
    "vix_min", "vix_max", "gap_min", "gap_max", "jitter_seconds", "skip_days",
)  # fmt: skip
WAITING = ("wait_for", "wait_leg", "wait_move", "wait_unit", "wait_until")
AGAIN = ("reentry", "reentry_of", "reentry_after", "reentry_count", "reentry_until")
ROLLS = ("roll_days_before", "roll_premium", "roll_min_credit", "roll_max_debit", "roll_else")
DEFAULTS = {field.name: field.default for field in fields(Conditions)} | {"roll_days_before": 0}


def clock() -> forms.TimeInput:
    return forms.TimeInput({"type": "time"}, format="%H:%M")


def _number(label: str, words: str, *, below_zero: bool = False) -> forms.DecimalField:
    least = None if below_zero else 0
    return forms.DecimalField(
        label=label, required=False, min_value=least, max_digits=14, decimal_places=2, help_text=words
    )


def _whole(label: str, words: str, most: int) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, required=False, min_value=0, max_value=most, help_text=words
    )


def _choice(label: str, choices: Any) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False, choices=choices)


def _time(label: str, words: str) -> forms.TimeField:
    return forms.TimeField(label=label, required=False, widget=clock(), help_text=words)


class DaysField(forms.Field):
    """Dates as 2027-02-01, with commas, spaces or lines between them."""

    def to_python(self, value: Any) -> tuple[date, ...]:
        if isinstance(value, tuple):
            return value
        found = re.split(r"[,;\s]+", str(value or "").strip())
        try:
            return tuple(date.fromisoformat(text) for text in found if text)
        except ValueError as error:
            raise forms.ValidationError(
                "Write dates as 2027-02-01, with commas between them."
            ) from error

    def prepare_value(self, value: Any) -> Any:
        """The stored days as they are typed."""
        if isinstance(value, tuple | list):
            return ", ".join(day.isoformat() for day in value)
        return value


class ConditionsForm(DeskForm):
    """Entry guards, waiting, re-entry and the conditions of a roll."""

    min_credit = _number("Least credit", "Rupees a lot, at the touch")
    max_debit = _number("Most debit", "Rupees a lot, at the touch")
    max_spread_points = _number("Widest quote, points", "Bid to ask of any leg")
    max_spread_percent = _number("Widest quote, %", "Of the leg's mid")
    max_slippage_percent = _number("Most slippage, %", "No order is priced further from the mid")
    vix_min = _number("VIX at least", "Denied where there is no VIX")
    vix_max = _number("VIX at most", "Denied where there is no VIX")
    gap_min = _number("Opening gap at least, %", "Below 0: a fall", below_zero=True)
    gap_max = _number("Opening gap at most, %", "Of the close before", below_zero=True)
    jitter_seconds = _whole("Jitter", "Seconds; the entry comes later by 0 to this", 1800)
    skip_days = DaysField(label="Days to skip", required=False, help_text="2027-02-01, 2027-04-07")
    wait_for = _choice("Wait for", StrategyVersion.WaitFor.choices)
    wait_leg = _whole("Leg", "Its number, when a leg is waited for", 20)
    wait_move = _number("To move by", "Below 0: a fall", below_zero=True)
    wait_unit = _choice("In", StrategyVersion.WaitUnit.choices)
    wait_until = _time("Wait until", "Then the entry is missed")
    reentry = _choice("Enter again", StrategyVersion.Reentry.choices)
    reentry_of = _choice("What enters again", StrategyVersion.ReentryOf.choices)
    reentry_after = _choice("When", StrategyVersion.ReentryAfter.choices)
    reentry_count = _whole("Times a day", "At most", 20)
    reentry_until = _time("No re-entry after", "IST")
    roll_days_before = _whole("Roll days before expiry", "Trading days; 0: on expiry day", 30)
    roll_premium = _number("Or when shorts are worth", "Points; every short that expires")
    roll_min_credit = _number("Roll for at least", "Credit, rupees a lot")
    roll_max_debit = _number("Roll for at most", "Debit, rupees a lot")
    roll_else = _choice("Else", StrategyVersion.RollElse.choices)

    @property
    def condition_parts(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The sections of the form: a heading and its fields."""
        parts = {
            "Entry guards": GUARDS, "Wait and trade": WAITING, "Re-entry": AGAIN, "Rolls": ROLLS,
        }  # fmt: skip
        return [(title, [self[name] for name in names]) for title, names in parts.items()]

    @property
    def conditions_stated(self) -> bool:
        """Whether the section is to be shown open: something is stated in it, or wrong."""
        stated = (self[name].value() not in (DEFAULTS[name], None, "", "0") for name in DEFAULTS)
        return any(stated) or any(name in self.errors for name in DEFAULTS)

    def conditions_entered(self) -> dict[str, Any]:
        """What was entered; an empty field has its default."""
        return {
            name: DEFAULTS[name] if self.cleaned_data[name] in (None, "") else self.cleaned_data[name]
            for name in DEFAULTS
        }
