"""What an operator sees and enters: timelines, contracts, quotes, settlement values."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin

from market import fact_admin as fact_admin  # registers its own pages
from market import instrument_admin as instrument_admin  # registers its own pages
from market import services
from market.models import Contract, Quote, SettlementPrice, Timeline
from users.admin import ReadOnlyAdmin
from users.errors import Refused
from users.requests import signed_in


class TimelineForm(forms.ModelForm):
    """A new world; a wrong one is refused at its field, by the service's own rules."""

    class Meta:
        model = Timeline
        fields = ("key", "source", "first_day", "seed", "speed", "files")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            services.check_timeline(
                key=cleaned["key"],
                source=cleaned["source"],
                speed=cleaned["speed"],
                files=cleaned.get("files") or [],
            )
        except Refused as refusal:
            self.add_error(refusal.field, f"{refusal.message} {refusal.fix}")
        return cleaned


class SpeedForm(forms.ModelForm):
    """A world that exists keeps everything but its speed."""

    class Meta:
        model = Timeline
        fields = ("speed",)

    def clean_speed(self) -> int:
        speed = self.cleaned_data["speed"]
        try:
            services.check_speed(self.instance.source, speed)
        except Refused as refusal:
            raise forms.ValidationError(f"{refusal.message} {refusal.fix}") from refusal
        return speed


@admin.register(Timeline)
class TimelineAdmin(ModelAdmin):
    list_display = ("key", "source", "first_day", "speed", "active", "market_now", "frame")
    list_filter = ("source", "active")
    search_fields = ("key",)
    actions = ("activate",)
    kept = ("key", "source", "first_day", "seed", "files", "active", "market_now", "frame")

    def get_form(self, request: HttpRequest, obj: Timeline | None = None, **kwargs: Any) -> Any:
        form = TimelineForm if obj is None else SpeedForm
        return super().get_form(request, obj, **{**kwargs, "form": form})

    def get_fields(self, request: HttpRequest, obj: Timeline | None = None) -> tuple[str, ...]:
        return TimelineForm.Meta.fields if obj is None else ("speed", *self.kept)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Timeline | None = None
    ) -> tuple[str, ...]:
        return () if obj is None else self.kept

    def has_delete_permission(self, request: HttpRequest, obj: Timeline | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Timeline, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        if change:
            services.set_speed(timeline=obj, speed=obj.speed)
            return
        names = TimelineForm.Meta.fields
        made = services.create_timeline(**{name: getattr(obj, name) for name in names})
        obj.pk, obj._state.adding = made.pk, False

    @admin.action(description="Activate: the market plays this one from now on")
    def activate(self, request: HttpRequest, chosen: QuerySet[Timeline]) -> None:
        if chosen.count() != 1:
            self.message_user(request, "Choose exactly one timeline.", messages.ERROR)
            return
        row = services.activate_timeline(
            timeline=chosen.get(),
            now=timezone.now(),
            actor=signed_in(request),
            source="admin",
        )
        self.message_user(request, f"{row.key} is active.", messages.SUCCESS)


@admin.register(Contract)
class ContractAdmin(ReadOnlyAdmin):
    list_display = (
        "symbol",
        "exchange",
        "expiry",
        "option_type",
        "strike",
        "lot_size",
        "tick_size",
    )
    list_filter = ("underlying", "option_type", "expiry")
    search_fields = ("symbol",)


@admin.register(Quote)
class QuoteAdmin(ReadOnlyAdmin):
    list_display = ("symbol", "timeline", "bid", "ask", "ltp", "at", "expires_at")
    list_filter = ("timeline",)
    search_fields = ("symbol",)


class SettlementForm(forms.ModelForm):
    """The official value; refused at its field by the service's own rules."""

    class Meta:
        model = SettlementPrice
        fields = ("timeline", "underlying", "day", "price", "source")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        names = ("underlying", "day", "price", "source")
        if self.errors:
            return cleaned
        try:
            services.check_settlement(*(cleaned.get(n, getattr(self.instance, n)) for n in names))
        except Refused as refusal:
            field = refusal.field if refusal.field in self.fields else None
            self.add_error(field, f"{refusal.message} {refusal.fix}")
        return cleaned


@admin.register(SettlementPrice)
class SettlementPriceAdmin(ModelAdmin):
    list_display = ("underlying", "day", "timeline", "price", "source", "entered_at")
    list_filter = ("timeline", "underlying")
    form = SettlementForm

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("timeline", "underlying", "day")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: SettlementPrice,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        row = services.set_settlement_price(
            timeline=obj.timeline,
            underlying=obj.underlying,
            day=obj.day,
            price=obj.price,
            source=obj.source,
            actor=signed_in(request),
            now=timezone.now(),
        )
        obj.pk, obj._state.adding = row.pk, False
