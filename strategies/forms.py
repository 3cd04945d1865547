"""Forms of a strategy: from a preset, and its next version with legs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django import forms
from django.forms import BaseFormSet, formset_factory

from market.kernel.contracts import UNDERLYINGS
from strategies.condition_forms import ConditionsForm, clock
from strategies.models import Leg, StrategyVersion, Trail
from strategies.presets import Preset
from strategies.rules import LONGEST_PATIENCE, LegRule, Terms
from users.errors import Refused
from users.forms import DeskForm

WEEKDAYS = ((0, "Mon"), (1, "Tue"), (2, "Wed"), (3, "Thu"), (4, "Fri"))
TIMES = ("entry_time", "exit_time", "day_rule", "days_before", "at_expiry", "roll_time")
EXITS = (
    "take_profit", "stop_loss", "completion", "entry_tolerance_seconds", "chase_after_seconds", "all_or_none",
)  # fmt: skip
STRATEGY_STOPS = (
    "take_profit_unit", "stop_loss_unit", "trail", "trail_every", "trail_by", "lock_at", "lock_profit",
    "lock_every", "lock_by", "on_leg_stop", "break_even", "confirm_frames",
    "stop_at_broker",
)  # fmt: skip
LEG_STOPS = ("stop", "stop_unit", "target", "target_unit", "trail", "trail_every", "trail_by")
#: What an empty choice means; nothing else has a default that is not empty.
USUAL = {
    "days_before": 0, "chase_after_seconds": 0, "take_profit_unit": "rupees", "stop_loss_unit": "rupees", "trail": "none",
    "on_leg_stop": "leg", "confirm_frames": 2, "stop_unit": "points", "target_unit": "points",
}  # fmt: skip


def _amount(label: str, help_text: str = "") -> forms.DecimalField:
    return forms.DecimalField(
        label=label, required=False, max_digits=12, decimal_places=2, help_text=help_text
    )


def _choice(label: str, choices: Any, help_text: str = "") -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False, choices=choices, help_text=help_text)


class TermsForm(ConditionsForm):
    """Schedule and exits of a strategy."""

    entry_time = forms.TimeField(label="Enter at (IST)", widget=clock())
    exit_time = forms.TimeField(
        label="Exit at (IST)", widget=clock(), required=False, help_text="Empty: held overnight"
    )
    day_rule = forms.ChoiceField(label="Enter", choices=StrategyVersion.DayRule.choices)
    days_before = forms.IntegerField(
        label="Days before expiry", min_value=0, required=False, help_text="Trading days"
    )
    weekdays = forms.TypedMultipleChoiceField(
        label="Weekdays", choices=WEEKDAYS, coerce=int, required=False,
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    at_expiry = forms.ChoiceField(label="At expiry", choices=StrategyVersion.AtExpiry.choices)
    roll_time = forms.TimeField(
        label="Roll or close at", widget=clock(), required=False, help_text="On the day it is due"
    )
    take_profit = forms.DecimalField(
        label="Profit target", required=False, decimal_places=2, help_text="Rupees a lot, or see Exits"
    )
    stop_loss = forms.DecimalField(
        label="Stop loss", required=False, decimal_places=2, help_text="Rupees a lot, or see Exits"
    )
    completion = forms.ChoiceField(
        label="If an entry is incomplete", choices=StrategyVersion.Completion.choices
    )
    entry_tolerance_seconds = forms.IntegerField(
        label="Entry tolerance", min_value=0, max_value=3600, help_text="Seconds; later is missed"
    )
    chase_after_seconds = forms.IntegerField(
        label="Resting orders wait", min_value=0, max_value=LONGEST_PATIENCE, required=False,
        help_text="Seconds before their price is moved; 0 follows every frame",
    )  # fmt: skip
    all_or_none = forms.BooleanField(
        label="All brokers or none", required=False,
        help_text="When one pair's entry does not complete, the others are unwound",
    )  # fmt: skip

    take_profit_unit = _choice("Target is in", StrategyVersion.TargetUnit.choices)
    stop_loss_unit = _choice("Stop is in", StrategyVersion.StopUnit.choices)
    trail = _choice("Stop trails", Trail.choices)
    trail_every = _amount("For every gain of", "In steps; unit of the stop")
    trail_by = _amount("Move the stop by")
    lock_at = _amount("Lock at a profit of", "Rupees a lot")
    lock_profit = _amount("Then keep", "Rupees a lot")
    lock_every = _amount("For every more", "Rupees a lot")
    lock_by = _amount("Keep more", "Rupees a lot")
    on_leg_stop = _choice("At a leg's stop", StrategyVersion.OnLegStop.choices)
    break_even = forms.BooleanField(label="Move the other legs' stops to cost", required=False)
    confirm_frames = forms.IntegerField(
        label="Frames that confirm", required=False, min_value=1, max_value=10,
        help_text="1: a single price decides",
    )  # fmt: skip
    stop_at_broker = forms.BooleanField(
        label="Stops of naked shorts also at the broker", required=False,
        help_text="An SL-L order outlives our host; a single price triggers it",
    )  # fmt: skip

    @property
    def stop_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in STRATEGY_STOPS]

    @property
    def stops_open(self) -> bool:
        """Whether something there is set or wrong: then the section starts unfolded."""
        return _says_something(self, STRATEGY_STOPS)

    @property
    def time_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in TIMES]

    @property
    def exit_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in EXITS]

    @classmethod
    def values_of(cls, terms: Terms) -> dict[str, Any]:
        """The terms as the form's first values."""
        return {name: getattr(terms, name) for name in cls.base_fields if hasattr(terms, name)}

    def applied(self, terms: Terms) -> Terms:
        """The terms with what was entered."""
        entered = {name: self.cleaned_data[name] for name in TermsForm.base_fields}
        entered |= self.conditions_entered()
        entered["weekdays"] = tuple(entered["weekdays"])
        return replace(terms, **_with_usual(entered))


class PresetForm(TermsForm):
    """A preset with its usual times, to be created as it stands or changed first."""

    name = forms.CharField(max_length=120, label="Name")
    underlying = forms.ChoiceField(label="Underlying", choices=[(name, name) for name in UNDERLYINGS])
    offset = forms.IntegerField(
        label="Shorts from the money", min_value=0, max_value=40, help_text="Listed strikes"
    )
    width = forms.IntegerField(
        label="Wings beyond", min_value=1, max_value=40, help_text="Listed strikes"
    )

    @property
    def main_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in ("name", "underlying", "offset", "width")]

    @classmethod
    def first_values(cls, preset: Preset, terms: Terms) -> dict[str, Any]:
        mine = {"name": preset.name, "underlying": "NIFTY", "offset": preset.offset, "width": preset.width}
        return {**cls.values_of(terms), **mine}


class LegForm(DeskForm):
    side = forms.ChoiceField(label="Side", required=False, choices=[("", "–"), *Leg.Side.choices])
    ratio = forms.IntegerField(label="Ratio", required=False, min_value=1, initial=1)
    option_type = forms.ChoiceField(label="Type", required=False, choices=Leg.OptionType.choices)
    strike_rule = forms.ChoiceField(label="Strike rule", required=False, choices=Leg.StrikeRule.choices)
    strike_value = forms.DecimalField(
        label="Value", required=False, max_digits=12, decimal_places=4, help_text="Of the rule"
    )
    expiry_rule = forms.ChoiceField(label="Expiry", required=False, choices=Leg.ExpiryRule.choices)
    expiry_date = forms.DateField(
        label="Date", required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        help_text="Fixed only",
    )  # fmt: skip

    stop = _amount("Stop", "How far against you")
    stop_unit = _choice("Stop is in", Leg.Unit.choices)
    target = _amount("Target", "How far in favour")
    target_unit = _choice("Target is in", Leg.Unit.choices)
    trail = _choice("Stop trails", Trail.choices)
    trail_every = _amount("For every gain of", "In steps; unit of the stop")
    trail_by = _amount("Move the stop by")

    @property
    def main_fields(self) -> list[forms.BoundField]:
        return [field for field in self.visible_fields() if field.name not in LEG_STOPS]

    @property
    def stop_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in LEG_STOPS]

    @property
    def stops_open(self) -> bool:
        return _says_something(self, LEG_STOPS)

    @property
    def used(self) -> bool:
        return bool(self.cleaned_data.get("side"))

    def rule(self) -> LegRule:
        """The leg as written; the service numbers it."""
        entered = self.cleaned_data
        future = entered["option_type"] == "FUT"
        fixed = entered["expiry_rule"] == "fixed"
        return LegRule(
            number=1,
            side=entered["side"],
            ratio=entered["ratio"] or 1,
            option_type=entered["option_type"],
            strike_rule="none" if future else entered["strike_rule"],
            strike_value=None if future else entered["strike_value"],
            expiry_rule=entered["expiry_rule"],
            expiry_date=entered["expiry_date"] if fixed else None,
            **_with_usual({name: entered[name] for name in LEG_STOPS}),
        )


def _with_usual(entered: dict[str, Any]) -> dict[str, Any]:
    return {n: USUAL[n] if n in USUAL and v in (None, "") else v for n, v in entered.items()}


def _says_something(form: DeskForm, names: Iterable[str]) -> bool:
    if form.is_bound and any(name in form.errors for name in names):
        return True
    return any(form[name].value() not in (None, "", False, USUAL.get(name)) for name in names)


def legs_formset(data: Any, legs: Iterable[LegRule], *, most: int) -> BaseFormSet[LegForm]:
    """One form a leg, and empty ones up to the most a strategy may have."""
    names = LegForm.base_fields
    initial = [{name: _shown(getattr(leg, name)) for name in names} for leg in legs]
    factory = formset_factory(LegForm, extra=most - len(initial), max_num=most, validate_max=True)
    return factory(data, initial=initial, prefix="legs")


def refuse_legs(form: TermsForm, legs: BaseFormSet[LegForm], error: Refused) -> None:
    """Show a refusal at its leg, or at its field of the schedule."""
    parts = error.field.split("/")
    if parts[0] != "legs" or len(parts) < 2:
        return form.refuse(error)
    used = [leg for leg in legs if leg.used]
    return used[int(parts[1])].refuse(error)


def _shown(value: Any) -> Any:
    """A number without the zeros that its column adds."""
    return Decimal(f"{value.normalize():f}") if isinstance(value, Decimal) else value
