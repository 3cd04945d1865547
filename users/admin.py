"""Users, keys, notices and the audit log for operators; signing in is allauth's, with its MFA."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar
from urllib.parse import urlsplit

from allauth.account.decorators import secure_admin_login
from allauth.mfa.adapter import get_adapter
from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.timezone import localtime
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from users import selectors
from users.models import AlarmChannel, AlarmDelivery, ApiKey, AuditEntry, Notice, User

SHOWN = 50  # of the audit log or of the tries of a delivery, beside a row
django_login = admin.site.login
django_admin_view = admin.site.admin_view
# Unfold is drawn by Alpine, which evaluates expressions; only staff get these pages.
ALPINE = {
    "script-src": [SELF, UNSAFE_EVAL, UNSAFE_INLINE],
    "style-src": [SELF, UNSAFE_INLINE],
}


def _lacks_factor(request: HttpRequest) -> bool:
    return settings.ADMIN_REQUIRES_MFA and not get_adapter().is_mfa_enabled(request.user)


def may_enter(request: HttpRequest) -> bool:
    """Staff only, and with a second factor where the environment asks for one."""
    return request.user.is_active and request.user.is_staff and not _lacks_factor(request)


@secure_admin_login
def login(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Reached signed in, after allauth's own login and second factor."""
    if _lacks_factor(request):
        messages.warning(request, "Add an authenticator app first: the admin asks for it.")
        return redirect("mfa_activate_totp")
    return django_login(request, extra_context)


def admin_view(view: Callable[..., HttpResponse], *how: bool, **named: bool) -> Any:
    """Django's admin_view with the policy that Unfold needs."""
    return csp_update(ALPINE)(django_admin_view(view, *how, **named))


admin.site.admin_view = admin_view  # type: ignore[method-assign, assignment]  # the documented way to guard the one site
admin.site.has_permission = may_enter  # type: ignore[method-assign]  # the documented way to guard the one site
admin.site.login = login  # type: ignore[method-assign]  # the documented way to guard the one site


class ReadOnlyAdmin(ModelAdmin):
    """Rows that are made elsewhere: the admin shows them and changes nothing. One that names `audit` among
    its readonly fields shows what the audit log has of the row."""

    def audited(self, obj: Any) -> Iterable[AuditEntry]:
        return selectors.audit_about(obj)[:SHOWN]

    @admin.display(description="Audit log")
    def audit(self, obj: Any) -> str:
        rows = ((f"{localtime(e.at):%d %b %Y %H:%M:%S}", e.action, e.actor or "the desk", e.source)
                for e in self.audited(obj))  # fmt: skip
        return format_html_join(mark_safe("<br>"), "{} {} by {} ({})", rows) or "nothing"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NewUserForm(UserCreationForm):
    class Meta:
        model = User
        fields = ("email",)

    def clean_email(self) -> str:
        return self.cleaned_data["email"].lower()


class EditUserForm(UserChangeForm):
    def clean_email(self) -> str:
        return self.cleaned_data["email"].lower()


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """Users are closed (is_active off), never deleted: the audit log names them."""

    add_form = NewUserForm
    form = EditUserForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "groups")
    search_fields = ("email", "first_name", "last_name")
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ("groups", "user_permissions")
    fieldsets = (
        (None, {"fields": ("email", "password", "first_name", "last_name")}),
        (
            "What they may do",
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "password1", "password2")}),)
    rights: ClassVar[tuple[str, ...]] = ("is_staff", "is_superuser", "groups", "user_permissions")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Only a superuser hands out rights."""
        mine = tuple(super().get_readonly_fields(request, obj))
        return mine if request.user.is_superuser else (*mine, *self.rights)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return not above and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "user", "prefix", "scope", "expires_at", "revoked_at", "last_used_at")
    list_filter = ("scope",)
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__email")
    exclude = ("digest",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = (
        "at",
        "actor",
        "owner",
        "action",
        "object_type",
        "object_id",
        "source",
        "address",
    )
    list_filter = ("action", "source")
    list_select_related = ("actor", "owner")
    search_fields = ("action", "object_type", "object_id", "owner__email", "actor__email")
    date_hierarchy = "at"


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "severity", "kind", "title", "read_at", "emailed_at")
    list_filter = ("severity", "kind")
    list_select_related = ("user",)
    search_fields = ("title", "body", "user__email")


@admin.register(AlarmChannel)
class AlarmChannelAdmin(ReadOnlyAdmin):
    """Without what signs or opens it; a webhook's path may be a secret too, so its host alone is told."""

    list_display = ("name", "user", "kind", "to", "lowest", "topics", "created_at", "ended_at")
    list_filter = ("kind", "lowest")
    list_select_related = ("user",)
    search_fields = ("name", "user__email")
    exclude = ("sealed", "address")
    readonly_fields = ("to", "audit")

    @admin.display(description="To")
    def to(self, channel: AlarmChannel) -> str:
        is_webhook = channel.kind == AlarmChannel.Kind.WEBHOOK
        return urlsplit(channel.address).hostname or "" if is_webhook else channel.address


@admin.register(AlarmDelivery)
class AlarmDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("id", "channel", "notice", "status", "attempts", "next_try_at")
    list_filter = ("status", "channel__kind")
    list_select_related = ("channel", "notice")
    search_fields = ("channel__name", "channel__user__email", "notice__title")
    ordering = ("-pk",)
    readonly_fields = ("said",)

    @admin.display(description="What came of each try")
    def said(self, delivery: AlarmDelivery) -> str:
        rows = ((f"{localtime(t.at):%d %b %Y %H:%M:%S}", t.said) for t in delivery.tries.order_by("-pk")[:SHOWN])
        return format_html_join(mark_safe("<br>"), "{} {}", rows) or "not tried yet"


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """The roles curator and operator, and what they may do in this admin."""
