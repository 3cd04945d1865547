"""Runs, orders, positions, settlements and performance for operators: to see, never to edit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import TabularInline

from allocations.admin import OperatorAdmin
from allocations.selectors import is_operator
from execution.models import (
    Fill,
    Mismatch,
    Order,
    OrderEvent,
    PerformanceMetric,
    Position,
    Receipt,
    ReceiptAccount,
    Settlement,
    StopWatch,
    StrategyExecution,
)
from users import selectors
from users.models import AuditEntry

PAIR = ("allocation__strategy", "allocation__broker_account")
PAIR_SEARCH = (
    "allocation__strategy__name", "allocation__broker_account__label",
    "allocation__broker_account__user__email",
)  # fmt: skip


class OperatorInline(TabularInline):
    """Rows that an operator reads."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request.user)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class EventInline(OperatorInline):
    model = OrderEvent
    fields = ("at", "kind", "source", "payload")
    ordering = ("at", "pk")


class FillInline(OperatorInline):
    model = Fill
    fields = ("at", "trade_id", "side", "quantity", "price")
    ordering = ("at", "pk")


@admin.register(StrategyExecution)
class ExecutionAdmin(OperatorAdmin):
    list_display = (
        "id", "allocation", "trading_day", "phase", "cycle", "lots", "status", "cause", "code",
    )  # fmt: skip
    list_filter = ("status", "phase", "cause", "timeline", "trading_day")
    list_select_related = PAIR
    search_fields = (*PAIR_SEARCH, "code")
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related(*PAIR, "timeline", "strategy_version__strategy")


@admin.register(Order)
class OrderAdmin(OperatorAdmin):
    list_display = (
        "id", "allocation", "contract", "side", "quantity", "filled_quantity", "average_price",
        "status", "code", "created_at",
    )  # fmt: skip
    list_filter = ("status", "action", "side", "broker_account__broker", "timeline")
    list_select_related = (*PAIR, "contract")
    search_fields = (*PAIR_SEARCH, "client_ref", "broker_order_id", "contract__symbol")
    ordering = ("-pk",)
    inlines = (EventInline, FillInline)


@admin.register(Position)
class PositionAdmin(OperatorAdmin):
    list_display = (
        "id", "allocation", "contract", "product", "quantity", "average_price", "realised", "charges",
        "updated_at",
    )  # fmt: skip
    list_filter = ("product", "timeline", "contract__underlying", "contract__expiry")
    list_select_related = (*PAIR, "contract")
    search_fields = (*PAIR_SEARCH, "contract__symbol")
    ordering = ("-pk",)


@admin.register(Settlement)
class SettlementAdmin(OperatorAdmin):
    list_display = (
        "id", "position", "trading_day", "quantity", "price", "underlying_price", "provisional",
        "amount", "source",
    )  # fmt: skip
    list_filter = ("provisional", "trading_day", "position__timeline")
    list_select_related = ("position__contract",)
    search_fields = tuple(f"position__{name}" for name in (*PAIR_SEARCH, "contract__symbol"))
    ordering = ("-pk",)


@admin.register(PerformanceMetric)
class PerformanceMetricAdmin(OperatorAdmin):
    list_display = (
        "allocation", "trading_day", "net", "charges", "peak_margin", "orders", "fills", "lots",
        "provisional", "final",
    )  # fmt: skip
    list_filter = ("final", "provisional", "timeline", "trading_day")
    list_select_related = PAIR
    search_fields = PAIR_SEARCH
    ordering = ("-trading_day", "allocation_id")


@admin.register(Mismatch)
class MismatchAdmin(OperatorAdmin):
    """Its owner decides; here one sees what is open and who chose what."""

    list_display = (
        "id", "broker_account", "kind", "subject", "ours", "theirs", "missing", "fix", "chosen",
        "opened_at", "resolved_at", "resolution",
    )  # fmt: skip
    list_filter = (("resolved_at", admin.EmptyFieldListFilter), "kind", "fix", "timeline")
    list_select_related = ("broker_account",)
    search_fields = ("subject", "number", "broker_account__label", "broker_account__user__email")
    ordering = ("-pk",)
    readonly_fields = ("audit",)


class ReceiptAccountInline(OperatorInline):
    model = ReceiptAccount
    fields = (
        "broker_account", "orders", "positions", "symbols", "checks", "next_check_at", "said",
        "left_to_expire", "verified_at",
    )  # fmt: skip
    ordering = ("pk",)


@admin.register(Receipt)
class ReceiptAdmin(OperatorAdmin):
    list_display = ("id", "at", "user", "verb", "scope", "name", "timeline")
    list_filter = ("verb", "scope", "timeline")
    list_select_related = ("user", "timeline")
    search_fields = ("name", "user__email")
    ordering = ("-pk",)
    readonly_fields = ("audit",)
    inlines = (ReceiptAccountInline,)

    def audited(self, obj: Receipt) -> Iterable[AuditEntry]:
        """The act that it is the receipt of was written at the same instant."""
        return selectors.audit_of(obj.user).filter(at=obj.at)


@admin.register(StopWatch)
class StopWatchAdmin(OperatorAdmin):
    list_display = (
        "allocation", "leg_number", "symbol", "stop_at", "target_at", "locked", "at_cost", "crossed",
        "unjudged_since", "updated_at",
    )  # fmt: skip
    list_filter = ("crossed", "timeline")
    list_select_related = PAIR
    search_fields = (*PAIR_SEARCH, "symbol")
    ordering = ("-pk",)
