"""Curators list and publish their baskets here; operators read subscriptions, fees and invoices."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline

from allocations.risk import LIMITS
from baskets.models import Basket
from marketplace import selectors, services
from marketplace.models import FeeEntry, FeeTerms, Invoice, Listing, RecommendedLimit, Subscription
from users.admin import ReadOnlyAdmin
from users.errors import Refused
from users.requests import signed_in

OFFER = ("summary", "risks", "minimum_capital", "public_track_record")
TERMS = ("monthly_fee", "performance_rate", "gst_registered")


class FeeTermsInline(TabularInline):
    """Terms that were offered stay as they were; a change is a new row."""

    model = FeeTerms
    fields = (*TERMS, "valid_from")
    readonly_fields = ("valid_from",)
    extra = 0
    can_delete = False
    ordering = ("-valid_from",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LimitRows(BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            strategy = form.cleaned_data.get("strategy") if form.is_valid() else None
            if strategy is not None and strategy.basket_id != self.instance.basket_id:
                form.add_error("strategy", "Choose a strategy of the listing's basket.")


class LimitInline(TabularInline):
    """The widest limits that a subscriber's pair may have."""

    model = RecommendedLimit
    formset = LimitRows
    fields = ("strategy", *LIMITS)
    extra = 0
    can_delete = False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "strategy" and not selectors.sees_all(request.user):
            field.queryset = field.queryset.filter(basket__owner=request.user)
        return field


@admin.register(Listing)
class ListingAdmin(ModelAdmin):
    """A curator's own listings. Save the words, the fee terms and the limits, then publish."""

    list_display = ("basket", "owner", "status", "minimum_capital", "public_track_record")
    list_filter = ("status",)
    list_select_related = ("basket__owner",)
    fields = ("basket", *OFFER, "status")
    inlines = (FeeTermsInline, LimitInline)
    actions = ("publish", "withdraw")

    @admin.display(description="Curator")
    def owner(self, listing: Listing) -> str:
        return str(listing.basket.owner)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Listing]:
        rows = super().get_queryset(request)
        return rows if selectors.sees_all(request.user) else rows.filter(basket__owner=request.user)

    def get_readonly_fields(self, request: HttpRequest, obj: Listing | None = None) -> tuple[str, ...]:
        return ("status",) if obj is None else ("basket", "status")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "basket":
            mine = Basket.objects.filter(kind=Basket.Kind.ADMIN, listing=None, owner=signed_in(request))
            kwargs["queryset"] = mine.exclude(status=Basket.Status.ARCHIVED)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Listing | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or selectors.may_curate(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Listing, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        offer = services.Offer(**{name: form.cleaned_data[name] for name in OFFER})
        made = services.save_listing(by=signed_in(request), basket=obj.basket, offer=offer, **_act(request))
        obj.pk, obj.status = made.pk, made.status

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        names = TERMS if formset.model is FeeTerms else ("strategy", *LIMITS)
        save = (
            services.set_fee_terms if formset.model is FeeTerms else services.set_recommended_limit
        )
        for row in formset.save(commit=False):
            values = {name: getattr(row, name) for name in names}
            save(by=signed_in(request), listing=form.instance, **values, **_act(request))

    @admin.action(description="Publish the basket's strategies as the next version")
    def publish(self, request: HttpRequest, queryset: QuerySet[Listing]) -> None:
        for listing in queryset:
            try:
                version = services.publish_listing(by=signed_in(request), listing=listing, **_act(request))
            except Refused as refusal:
                _say(request, listing, refusal)
            else:
                self.message_user(request, f"{version} is published.", messages.SUCCESS)

    @admin.action(description="Withdraw: no new subscribers")
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Listing]) -> None:
        for listing in queryset:
            try:
                services.withdraw_listing(by=signed_in(request), listing=listing, **_act(request))
            except Refused as refusal:
                _say(request, listing, refusal)
            else:
                self.message_user(request, f"{listing} is withdrawn.", messages.SUCCESS)


class LedgerAdmin(ReadOnlyAdmin):
    """Read only; a curator reads what belongs to their own baskets."""

    basket_owner = ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if selectors.sees_all(request.user):
            return rows
        return rows.filter(**{self.basket_owner: request.user})


@admin.register(Subscription)
class SubscriptionAdmin(LedgerAdmin):
    basket_owner = "basket__owner"
    list_before_template = "marketplace/operator_figures.html"
    list_display = (
        "user", "basket", "version", "status", "high_water_mark", "started_at", "left_at",
    )  # fmt: skip
    list_filter = ("status",)
    list_select_related = ("user", "basket", "version__basket")
    search_fields = ("user__email", "basket__name")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        sees_all = selectors.sees_all(request.user)
        figures = selectors.operator_figures() if sees_all else None
        return super().changelist_view(request, {**(extra_context or {}), "figures": figures})


@admin.register(Invoice)
class InvoiceAdmin(LedgerAdmin):
    basket_owner = "subscription__basket__owner"
    list_display = ("subscription", "period", "total", "status", "issued_at")
    list_filter = ("status",)
    list_select_related = ("subscription__user", "subscription__basket")
    search_fields = ("subscription__user__email", "subscription__basket__name")
    date_hierarchy = "period"


@admin.register(FeeEntry)
class FeeEntryAdmin(LedgerAdmin):
    basket_owner = "subscription__basket__owner"
    list_display = ("period", "subscription", "kind", "amount", "notional", "timeline", "at")
    list_filter = ("kind", "notional")
    list_select_related = ("subscription__user", "subscription__basket", "timeline")
    search_fields = ("subscription__user__email", "subscription__basket__name")
    date_hierarchy = "period"


def _act(request: HttpRequest) -> dict[str, Any]:
    """Where and when, for the audit log."""
    return {"source": "admin", "address": request.META.get("REMOTE_ADDR"), "now": timezone.now()}


def _say(request: HttpRequest, listing: Listing, refusal: Refused) -> None:
    messages.error(request, f"{listing}: {refusal.message} {refusal.fix}")
