"""Broker accounts for operators: who trades where. Secrets are neither shown nor editable here."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from brokers.models import BrokerAccount


@admin.register(BrokerAccount)
class BrokerAccountAdmin(ModelAdmin):
    list_display = ("label", "user", "broker", "mode", "client_id", "capital", "archived_at")
    list_filter = ("broker", "mode", "archived_at")
    search_fields = ("label", "client_id", "user__email")
    exclude = ("sealed_secrets",)
    list_select_related: ClassVar[list[str]] = ["user"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
