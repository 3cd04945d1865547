"""What the API takes and gives for baskets, strategies, legs and presets."""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from baskets.api import BasketBody
from market.kernel.contracts import UNDERLYINGS
from strategies.api.conditions import CLOCK, ConditionsBody
from strategies.models import Leg, Strategy, StrategyVersion, Trail
from strategies.presets import PRESETS
from strategies.rules import LONGEST_PATIENCE, LegRule, Terms
from strategies.selectors import LEG_FIELDS, TERM_FIELDS
from users.api.fields import Money
from users.api.serializers import StrictSerializer


class PlainDecimal(serializers.DecimalField):
    """A decimal without trailing zeros: "2" steps, "0.2" delta, "24500" strike."""

    def to_representation(self, value: Any) -> str:
        return f"{Decimal(value).normalize():f}"


def distance(**kwargs: Any) -> PlainDecimal:
    return PlainDecimal(max_digits=12, decimal_places=2, required=False, allow_null=True, **kwargs)


def amount(**kwargs: Any) -> Money:
    return Money(max_digits=14, required=False, allow_null=True, **kwargs)


class LegBody(StrictSerializer):
    """One leg; legs are numbered by their place in the list."""

    side = serializers.ChoiceField(choices=Leg.Side.choices)
    ratio = serializers.IntegerField(min_value=1, max_value=20, required=False, default=1)
    option_type = serializers.ChoiceField(choices=Leg.OptionType.choices)
    strike_rule = serializers.ChoiceField(
        choices=Leg.StrikeRule.choices, required=False, help_text="none for a future"
    )
    strike_value = PlainDecimal(
        max_digits=12, decimal_places=4, required=False, allow_null=True, default=None
    )
    expiry_rule = serializers.ChoiceField(choices=Leg.ExpiryRule.choices)
    expiry_date = serializers.DateField(required=False, allow_null=True, default=None)
    stop = distance(help_text="how far against you, in its unit")
    stop_unit = serializers.ChoiceField(choices=Leg.Unit.choices, required=False)
    target = distance(help_text="how far in favour, in its unit")
    target_unit = serializers.ChoiceField(choices=Leg.Unit.choices, required=False)
    trail = serializers.ChoiceField(choices=Trail.choices, required=False)
    trail_every = distance(help_text="stepped: in the unit of the stop")
    trail_by = distance(help_text="stepped: how far each step moves the stop")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        future = data["option_type"] == Leg.OptionType.FUT
        data.setdefault("strike_rule", "none" if future else "atm")
        if (data["expiry_rule"] == "fixed") != (data["expiry_date"] is not None):
            raise serializers.ValidationError(
                {"expiry_date": "Send a date with the rule fixed, and only then."}
            )
        return data


class TermsBody(ConditionsBody):
    """Schedule, exits and legs of a strategy: what one version fixes."""

    entry_time = serializers.TimeField(input_formats=CLOCK, format="%H:%M:%S")
    exit_time = serializers.TimeField(
        input_formats=CLOCK, format="%H:%M:%S", required=False, allow_null=True
    )
    day_rule = serializers.ChoiceField(choices=StrategyVersion.DayRule.choices, required=False)
    weekdays = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6), max_length=7, required=False
    )
    days_before = serializers.IntegerField(min_value=0, max_value=30, required=False)
    atm_base = serializers.ChoiceField(choices=StrategyVersion.AtmBase.choices, required=False)
    entry_tolerance_seconds = serializers.IntegerField(min_value=0, max_value=3600, required=False)
    completion = serializers.ChoiceField(choices=StrategyVersion.Completion.choices, required=False)
    take_profit = amount()
    stop_loss = amount()
    take_profit_unit = serializers.ChoiceField(choices=StrategyVersion.TargetUnit.choices, required=False)
    stop_loss_unit = serializers.ChoiceField(choices=StrategyVersion.StopUnit.choices, required=False)
    trail = serializers.ChoiceField(choices=Trail.choices, required=False)
    trail_every = amount(help_text="stepped: in the unit of stop_loss")
    trail_by = amount(help_text="stepped: how far each step moves the stop")
    lock_at = amount(help_text="rupees a lot of profit at which lock_profit is kept")
    lock_profit = amount()
    lock_every = amount(help_text="rupees a lot beyond lock_at, for each of which lock_by more is kept")
    lock_by = amount()
    on_leg_stop = serializers.ChoiceField(choices=StrategyVersion.OnLegStop.choices, required=False)
    break_even = serializers.BooleanField(
        required=False, help_text="a leg's stop moves the other legs' stops to cost"
    )
    confirm_frames = serializers.IntegerField(
        min_value=1, max_value=10, required=False, help_text="frames for which a crossing must hold"
    )
    stop_at_broker = serializers.BooleanField(
        required=False, help_text="stops of naked shorts also rest at the broker, as SL-L orders"
    )
    at_expiry = serializers.ChoiceField(choices=StrategyVersion.AtExpiry.choices, required=False)
    roll_time = serializers.TimeField(
        input_formats=CLOCK, format="%H:%M:%S", required=False, allow_null=True
    )
    roll_days_before = serializers.IntegerField(min_value=0, max_value=30, required=False)
    naked_calls = serializers.IntegerField(min_value=0, max_value=100, required=False)
    naked_puts = serializers.IntegerField(min_value=0, max_value=100, required=False)
    cash_secured = serializers.BooleanField(required=False)
    chase_after_seconds = serializers.IntegerField(min_value=0, max_value=LONGEST_PATIENCE, required=False)
    all_or_none = serializers.BooleanField(required=False)
    legs = LegBody(many=True)


class Replacement(TermsBody):
    """PUT: everything anew; what is left out takes its default."""

    name = serializers.CharField(max_length=120)


class Change(TermsBody):
    """PATCH: only what is to change."""

    name = serializers.CharField(max_length=120, required=False)
    entry_time = serializers.TimeField(input_formats=CLOCK, format="%H:%M:%S", required=False)
    legs = LegBody(many=True, required=False)


class NewStrategy(Change):
    """From a preset, from legs, or from a preset with changes. Without one, legs and entry_time."""

    preset = serializers.ChoiceField(choices=sorted(PRESETS), required=False)
    underlying = serializers.ChoiceField(choices=UNDERLYINGS)
    offset = serializers.IntegerField(
        min_value=1, max_value=50, required=False, help_text="preset: steps of the shorts from ATM"
    )
    width = serializers.IntegerField(
        min_value=1, max_value=50, required=False, help_text="preset: steps of the wings beyond"
    )


class StrategyBody(serializers.ModelSerializer):
    """A strategy as you trade it: your newest version, or the one your subscription holds."""

    basket_id = serializers.IntegerField(read_only=True)
    version = serializers.SerializerMethodField()
    read_only = serializers.SerializerMethodField()  # type: ignore[assignment]  # a declared field
    terms = serializers.SerializerMethodField()

    class Meta:
        model = Strategy
        fields = (
            "id",
            "basket_id",
            "name",
            "preset",
            "underlying",
            "version",
            "read_only",
            "created_at",
            "updated_at",
            "terms",
        )

    def get_version(self, strategy: Strategy) -> int:
        return self._version(strategy).number

    def get_read_only(self, strategy: Strategy) -> bool:
        return strategy.basket.owner_id != self.context["request"].user.pk

    def get_terms(self, strategy: Strategy) -> dict[str, Any]:
        version = self._version(strategy)
        return {**VersionTerms(version).data, "legs": VersionLegs(version.legs.all(), many=True).data}

    def to_representation(self, strategy: Strategy) -> dict[str, Any]:
        """Terms stand beside the name, as they are sent."""
        data = super().to_representation(strategy)
        return data | data.pop("terms")

    def _version(self, strategy: Strategy) -> StrategyVersion:
        return self.context["versions"][strategy.pk]


class VersionTerms(serializers.ModelSerializer):
    take_profit = Money(allow_null=True)
    stop_loss = Money(allow_null=True)
    trail_every = Money(allow_null=True)
    trail_by = Money(allow_null=True)
    lock_at = Money(allow_null=True)
    lock_profit = Money(allow_null=True)
    lock_every = Money(allow_null=True)
    lock_by = Money(allow_null=True)

    class Meta:
        model = StrategyVersion
        fields: tuple[str, ...] = (*TERM_FIELDS, "weekdays", "skip_days")


class VersionLegs(serializers.ModelSerializer):
    strike_value = PlainDecimal(max_digits=12, decimal_places=4, allow_null=True)
    stop = PlainDecimal(max_digits=12, decimal_places=2, allow_null=True)
    target = PlainDecimal(max_digits=12, decimal_places=2, allow_null=True)
    trail_every = PlainDecimal(max_digits=12, decimal_places=2, allow_null=True)
    trail_by = PlainDecimal(max_digits=12, decimal_places=2, allow_null=True)

    class Meta:
        model = Leg
        fields = LEG_FIELDS


class StrategyShape(VersionTerms):
    """The answer's shape, for the schema."""

    id = serializers.IntegerField()
    basket_id = serializers.IntegerField()
    name = serializers.CharField()
    preset = serializers.CharField(allow_blank=True)
    underlying = serializers.CharField()
    version = serializers.IntegerField()
    read_only = serializers.BooleanField()  # type: ignore[assignment]  # a declared field
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    legs = VersionLegs(many=True)

    class Meta(VersionTerms.Meta):
        fields = (
            "id", "basket_id", "name", "preset", "underlying", "version", "read_only", "created_at",
            "updated_at", *VersionTerms.Meta.fields, "legs",
        )  # fmt: skip


class BasketShape(BasketBody):
    strategies = StrategyShape(many=True)

    class Meta(BasketBody.Meta):
        fields = (*BasketBody.Meta.fields, "strategies")


class BasketReplacement(StrictSerializer):
    name = serializers.CharField(max_length=120)
    description = serializers.CharField(max_length=4000, required=False, default="", allow_blank=True)


class BasketChange(StrictSerializer):
    name = serializers.CharField(max_length=120, required=False)
    description = serializers.CharField(max_length=4000, required=False, allow_blank=True)


class PresetBody(serializers.Serializer):
    key = serializers.CharField()
    name = serializers.CharField()
    view = serializers.CharField()
    cash_flow = serializers.CharField()
    description = serializers.CharField()
    offset = serializers.IntegerField()
    width = serializers.IntegerField()
    naked_calls = serializers.IntegerField()
    naked_puts = serializers.IntegerField()
    cash_secured = serializers.BooleanField()
    entry_time = serializers.TimeField(format="%H:%M:%S")
    exit_time = serializers.TimeField(format="%H:%M:%S", allow_null=True)
    at_expiry = serializers.CharField()
    legs = serializers.SerializerMethodField()

    def get_legs(self, preset: Any) -> list[dict[str, Any]]:
        """Each leg at ATM + offsets x offset + widths x width listed strikes."""
        return [
            {field.name: getattr(leg, field.name) for field in dataclass_fields(leg)}
            for leg in preset.legs
        ]


def as_terms(data: dict[str, Any], base: Terms | None = None) -> Terms:
    """Sent fields over the base's, or over the defaults."""
    known = {field.name for field in dataclass_fields(Terms)}
    values = {name: value for name, value in data.items() if name in known}
    if base is not None:
        values = {name: getattr(base, name) for name in known} | values
    if "legs" in data:
        values["legs"] = tuple(
            LegRule(number=number, **leg) for number, leg in enumerate(data["legs"], start=1)
        )
    if "weekdays" in data:
        values["weekdays"] = tuple(data["weekdays"])
    if "skip_days" in data:
        values["skip_days"] = tuple(data["skip_days"])
    return Terms(**values)
