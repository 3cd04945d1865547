"""Curators' strategies: made from a preset, revised as a new version, never edited in place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminTimeWidget,
    UnfoldBooleanWidget,
)

from baskets.admin import BasketAdmin, CuratorAdmin, ReadOnlyCuratorAdmin, ReadOnlyInline, act, say
from baskets.models import Basket
from market.kernel.contracts import UNDERLYINGS
from strategies import selectors, services
from strategies.condition_forms import ConditionsForm, DaysField
from strategies.models import Leg, Strategy, StrategyVersion, Trail
from strategies.presets import PRESETS
from strategies.rules import CONDITION_FIELDS
from strategies.templatetags.conditions import stated_conditions
from users.errors import Refused
from users.requests import signed_in

#: Terms a curator may set here; legs are changed by choosing the preset's offset and width anew.
EDITED = (
    "entry_time", "exit_time", "take_profit", "take_profit_unit", "stop_loss", "stop_loss_unit", "trail",
    "trail_every", "trail_by", "lock_at", "lock_profit", "lock_every", "lock_by", "confirm_frames",
    "stop_at_broker", "roll_time", "roll_days_before",
)  # fmt: skip


#: Of these nothing entered means as it is; an empty amount or time is none.
NEVER_EMPTY = ("take_profit_unit", "stop_loss_unit", "trail", "confirm_frames")


UNFOLD: dict[type[forms.Field], type[forms.Widget]] = {
    forms.DecimalField: UnfoldAdminDecimalFieldWidget,
    forms.IntegerField: UnfoldAdminIntegerFieldWidget,
    forms.ChoiceField: UnfoldAdminSelectWidget,
    forms.TimeField: UnfoldAdminTimeWidget,
    DaysField: UnfoldAdminTextInputWidget,
}


def _choice(choices: Any) -> forms.ChoiceField:
    return forms.ChoiceField(choices=choices, required=False, widget=UnfoldAdminSelectWidget)


class StrategyForm(ConditionsForm, forms.ModelForm):
    """A preset's strategy with its times and exits; saving writes a version through the service."""

    request: HttpRequest  # who saves; set by the admin

    preset = forms.ChoiceField(
        choices=[(key, preset.name) for key, preset in PRESETS.items()], widget=UnfoldAdminSelectWidget
    )
    underlying = forms.ChoiceField(
        choices=[(name, name) for name in UNDERLYINGS], widget=UnfoldAdminSelectWidget
    )
    offset = forms.IntegerField(
        min_value=1, max_value=50, required=False, widget=UnfoldAdminIntegerFieldWidget,
        help_text="steps of the shorts from the money; empty: the preset's, or as it is",
    )  # fmt: skip
    width = forms.IntegerField(
        min_value=1, max_value=50, required=False, widget=UnfoldAdminIntegerFieldWidget,
        help_text="steps of the wings beyond the shorts; empty: the preset's, or as it is",
    )  # fmt: skip
    entry_time = forms.TimeField(required=False, widget=UnfoldAdminTimeWidget)
    exit_time = forms.TimeField(required=False, widget=UnfoldAdminTimeWidget)
    take_profit = forms.DecimalField(required=False, widget=UnfoldAdminDecimalFieldWidget)
    stop_loss = forms.DecimalField(required=False, widget=UnfoldAdminDecimalFieldWidget)
    take_profit_unit = _choice(StrategyVersion.TargetUnit.choices)
    stop_loss_unit = _choice(StrategyVersion.StopUnit.choices)
    trail = _choice(Trail.choices)
    trail_every = forms.DecimalField(required=False, widget=UnfoldAdminDecimalFieldWidget)
    trail_by = forms.DecimalField(required=False, widget=UnfoldAdminDecimalFieldWidget)
    lock_at = forms.DecimalField(required=False, widget=UnfoldAdminDecimalFieldWidget)
    lock_profit = forms.DecimalField(required=False, widget=UnfoldAdminDecimalFieldWidget)
    lock_every = forms.DecimalField(required=False, widget=UnfoldAdminDecimalFieldWidget)
    lock_by = forms.DecimalField(required=False, widget=UnfoldAdminDecimalFieldWidget)
    confirm_frames = forms.IntegerField(
        min_value=1, max_value=10, required=False, widget=UnfoldAdminIntegerFieldWidget
    )
    stop_at_broker = forms.BooleanField(
        required=False, widget=UnfoldBooleanWidget,
        help_text="stops of naked shorts rest at the broker too (SL-L); a leg needs a stop of its own",
    )  # fmt: skip
    roll_time = forms.TimeField(required=False, widget=UnfoldAdminTimeWidget)
    roll_days_before = forms.IntegerField(
        min_value=0, max_value=30, required=False, widget=UnfoldAdminIntegerFieldWidget
    )

    class Meta:
        model = Strategy
        fields = ("basket", "name", "preset", "underlying")
        widgets = {"name": UnfoldAdminTextInputWidget, "basket": UnfoldAdminSelectWidget}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "basket" in self.fields:
            baskets = Basket.objects.filter(kind=Basket.Kind.ADMIN)
            choice: Any = self.fields["basket"]
            choice.queryset = baskets.exclude(status=Basket.Status.ARCHIVED)
        if self.instance.pk:
            newest = selectors.newest_version(self.instance)
            for name in (*EDITED, *CONDITION_FIELDS):
                self.fields[name].initial = getattr(newest, name)
        for name in CONDITION_FIELDS:
            self._dress(self.fields[name])

    @staticmethod
    def _dress(field: Any) -> None:
        """The admin's own look for a field of the pages."""
        dressed: Any = UNFOLD[type(field)]()
        if hasattr(field, "choices"):
            dressed.choices = field.choices
        dressed.is_required = field.required
        field.widget = dressed

    def clean(self) -> dict[str, Any] | None:
        """Rehearse the save and take it back, so that what the service refuses is a form error."""
        data = super().clean()
        if self.errors:
            return data
        try:
            with transaction.atomic():
                self.write()
                transaction.set_rollback(True)
        except Refused as error:
            name = error.field.split("/")[0]
            field = name if name in self.fields else None
            self.add_error(field, ValidationError(f"{error.message} {error.fix}"))
        return data

    def write(self) -> Strategy:
        """Save through the service."""
        data = dict(self.cleaned_data)
        if self.instance.pk:
            newest = selectors.terms(selectors.newest_version(self.instance))
            return services.revise_strategy(
                by=signed_in(self.request), strategy=self.instance, name=data["name"],
                terms=self._terms(newest), **act(self.request),
            )  # fmt: skip
        return services.create_strategy(
            by=signed_in(self.request), basket=data["basket"], name=data["name"], preset=data["preset"],
            underlying=data["underlying"], terms=self._terms(None), **act(self.request),
        )  # fmt: skip

    def _terms(self, newest: Any) -> Any:
        """The preset's terms, or the newest version's, under what the form says."""
        data = self.cleaned_data
        base = newest
        if newest is None or data["offset"] or data["width"]:
            fresh = services.preset_terms(
                preset=self.instance.preset or data["preset"],
                underlying=self.instance.underlying or data["underlying"],
                offset=data["offset"], width=data["width"], now=act(self.request)["now"],
            )  # fmt: skip
            base = fresh if newest is None else replace(newest, legs=fresh.legs)
        entered = data | self.conditions_entered()
        named = [name for name in (*EDITED, *CONDITION_FIELDS) if name in self.changed_data]
        kept = [name for name in NEVER_EMPTY if name in named and not entered[name]]
        return replace(base, **{name: entered[name] for name in named if name not in kept})


class VersionInline(ReadOnlyInline):
    model = StrategyVersion
    fields = ("number", *EDITED, "at_expiry", "naked_calls", "naked_puts", "conditions", "created_at")
    readonly_fields = ("conditions", "created_at")
    ordering = ("-number",)

    @admin.display(description="Conditions")
    def conditions(self, version: StrategyVersion) -> str:
        return "; ".join(f"{name}: {words}" for name, words in stated_conditions(version)) or "none"


class LegInline(ReadOnlyInline):
    model = Leg
    fields = selectors.LEG_FIELDS


@admin.register(Strategy)
class StrategyAdmin(CuratorAdmin):
    """Strategies of marketplace baskets; saving makes version 1 or the next one."""

    form = StrategyForm
    fieldsets = (
        (None, {"fields": ("basket", "name", "preset", "underlying", "offset", "width", *EDITED)}),
        ("Entry conditions, re-entry, rolls", {"fields": CONDITION_FIELDS, "classes": ("collapse",)}),
    )
    list_display = ("name", "basket", "underlying", "preset", "archived_at")
    list_filter = ("underlying", "preset")
    list_select_related = ("basket",)
    search_fields = ("name", "basket__name")
    inlines = (VersionInline,)
    actions = ("archive",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(basket__kind=Basket.Kind.ADMIN)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("basket", "preset", "underlying") if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, **kwargs)
        form.request = request
        return form

    def save_model(self, request: HttpRequest, obj: Strategy, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        obj.pk = form.write().pk

    @admin.action(description="Archive: ends entries, exits go on")
    def archive(self, request: HttpRequest, queryset: Any) -> None:
        for strategy in queryset:
            services.archive_strategy(by=signed_in(request), strategy=strategy, **act(request))
        self.message_user(request, "Archived.", messages.SUCCESS)


@admin.register(StrategyVersion)
class StrategyVersionAdmin(ReadOnlyCuratorAdmin):
    """One version with its legs, as it was saved."""

    list_display = ("strategy", "number", "entry_time", "exit_time", "at_expiry", "created_at")
    list_select_related = ("strategy",)
    search_fields = ("strategy__name",)
    inlines = (LegInline,)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(strategy__basket__kind=Basket.Kind.ADMIN)


@admin.action(description="Publish: freeze the newest versions and show it in the marketplace")
def publish(model_admin: BasketAdmin, request: HttpRequest, queryset: Any) -> None:  # noqa: ARG001 - Django passes it
    for basket in queryset:
        try:
            version = services.publish_basket(by=signed_in(request), basket=basket, **act(request))
        except Refused as error:
            say(request, error)
        else:
            messages.success(request, f"{basket.name} is published as version {version.number}.")


BasketAdmin.actions = (*BasketAdmin.actions, publish)
