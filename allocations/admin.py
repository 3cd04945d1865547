"""Pairs and trading states for operators: to see what runs and what is stopped. Users change them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from allocations.models import ScopeLimit, StrategyBrokerAllocation, TradingState
from allocations.selectors import is_operator
from users.admin import ReadOnlyAdmin


class OperatorAdmin(ReadOnlyAdmin):
    """Read only, for operators."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_operator(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request.user)


@admin.register(StrategyBrokerAllocation)
class AllocationAdmin(OperatorAdmin):
    list_display = (
        "strategy", "broker_account", "lots", "max_lots", "max_day_loss", "product", "archived_at",
    )  # fmt: skip
    list_filter = ("product", "broker_account__broker", "broker_account__mode")
    list_select_related = ("strategy", "broker_account")
    search_fields = ("strategy__name", "broker_account__label", "broker_account__user__email")


@admin.register(TradingState)
class TradingStateAdmin(OperatorAdmin):
    list_display = ("scope", "user", "state", "reason", "changed_at", "changed_by")
    list_filter = ("scope", "state")
    list_select_related = ("user", "changed_by")
    search_fields = ("user__email", "reason")


@admin.register(ScopeLimit)
class ScopeLimitAdmin(OperatorAdmin):
    list_display = ("name", "user", "max_lots", "max_day_loss", "max_margin", "square_off_at_loss")
    list_filter = ("scope",)
    list_select_related = ("user", "broker_account", "basket")
    search_fields = ("user__email",)
