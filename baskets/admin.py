"""Curators make marketplace baskets here; what is published is never edited, only followed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from baskets import services
from baskets.models import Basket, BasketGrant, BasketVersion
from baskets.selectors import is_curator
from users.errors import Refused
from users.models import User
from users.requests import signed_in


class CuratorAdmin(ModelAdmin):
    """For curators; nothing is deleted."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_curator(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_curator(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_curator(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_curator(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyCuratorAdmin(CuratorAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):
    """Rows that are shown and never edited."""

    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_curator(request.user)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class VersionInline(ReadOnlyInline):
    model = BasketVersion
    fields = ("number", "published_at", "published_by", "contents")


class BasketForm(forms.ModelForm):
    owner: User  # whose names must differ; set by the admin

    class Meta:
        model = Basket
        fields = ("name", "description")
        widgets = {"name": UnfoldAdminTextInputWidget, "description": UnfoldAdminTextareaWidget}

    def clean_name(self) -> str:
        name = self.cleaned_data["name"].strip()
        others = Basket.objects.filter(owner=self.owner, name=name).exclude(pk=self.instance.pk)
        if others.exclude(status=Basket.Status.ARCHIVED).exists():
            raise forms.ValidationError("You have a basket of this name already; choose another.")
        return name


@admin.register(Basket)
class BasketAdmin(CuratorAdmin):
    """Marketplace baskets. Add strategies under Strategies, then choose the action publish."""

    form = BasketForm
    list_display = ("name", "owner", "status", "updated_at")
    list_filter = ("status",)
    list_select_related = ("owner",)
    search_fields = ("name", "owner__email")
    readonly_fields = ("owner", "kind", "status")
    inlines = (VersionInline,)
    actions: tuple[Any, ...] = ("archive",)  # strategies.admin adds publish, which sees strategies

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(kind=Basket.Kind.ADMIN)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, **kwargs)
        form.owner = obj.owner if obj else request.user
        return form

    def save_model(self, request: HttpRequest, obj: Basket, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        values = {**form.cleaned_data, **act(request)}
        if change:
            services.edit_basket(by=signed_in(request), basket=obj, **values)
            return
        made = services.create_basket(owner=signed_in(request), kind=Basket.Kind.ADMIN, **values)
        obj.pk, obj.owner, obj.kind, obj.status = made.pk, made.owner, made.kind, made.status

    @admin.action(description="Archive: ends entries, exits go on")
    def archive(self, request: HttpRequest, queryset: Any) -> None:
        for basket in queryset:
            services.archive_basket(by=signed_in(request), basket=basket, **act(request))
        self.message_user(request, "Archived.", messages.SUCCESS)


@admin.register(BasketGrant)
class BasketGrantAdmin(ReadOnlyCuratorAdmin):
    list_display = ("user", "basket", "version", "entries_until", "granted_at")
    list_select_related = ("user", "basket", "version__basket")
    search_fields = ("user__email", "basket__name")


def act(request: HttpRequest) -> dict[str, Any]:
    """Where and when, for the audit log."""
    return {"source": "admin", "address": request.META.get("REMOTE_ADDR"), "now": timezone.now()}


def say(request: HttpRequest, error: Refused) -> None:
    messages.error(request, f"{error.message} {error.fix}")
