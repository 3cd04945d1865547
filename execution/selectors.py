"""Reads of runs, orders, positions and performance; every one for a user starts here."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Exists, Model, OuterRef, Q, QuerySet, Sum

from allocations.selectors import targets_of
from execution.models import (
    AccountBook,
    AccountPosition,
    Mismatch,
    Order,
    PerformanceMetric,
    Position,
    StopWatch,
    StrategyExecution,
)
from execution.states import OrderState
from market.models import Timeline
from users.models import User


def executions_of(user: User) -> QuerySet[StrategyExecution]:
    """The user's runs, newest first."""
    return (
        StrategyExecution.objects.filter(allocation__broker_account__user=user)
        .select_related("allocation__strategy__basket", "allocation__broker_account", "timeline")
        .order_by("-pk")
    )


def orders_of(user: User) -> QuerySet[Order]:
    """The user's orders, newest first."""
    return (
        Order.objects.filter(broker_account__user=user)
        .select_related("contract", "execution", "allocation__strategy__basket", "broker_account")
        .order_by("-pk")
    )


def positions_of(user: User, timeline: Timeline) -> QuerySet[Position]:
    """The user's positions in one world, closed ones of it included."""
    return (
        Position.objects.filter(allocation__broker_account__user=user, timeline=timeline)
        .select_related(
            "contract", "allocation__strategy__basket", "allocation__broker_account"
        )
        .order_by("allocation_id", "leg_number", "contract__symbol")
    )


def watches_of(user: User, timeline: Timeline) -> QuerySet[StopWatch]:
    """What the stops of the user's open trades have seen, the whole trade before its legs."""
    held = Position.objects.filter(
        allocation=OuterRef("allocation"), timeline=OuterRef("timeline")
    ).exclude(quantity=0)
    this_leg = held.filter(contract__symbol=OuterRef("symbol"), opened_at=OuterRef("since"))
    return (
        StopWatch.objects.filter(Q(symbol="") & Exists(held) | Exists(this_leg))
        .filter(allocation__broker_account__user=user, timeline=timeline)
        .select_related("allocation__strategy__basket", "allocation__broker_account", "timeline")
        .order_by("allocation_id", "leg_number", "symbol")
    )


def mismatches_of(user: User, timeline: Timeline) -> QuerySet[Mismatch]:
    """What the user's book and their brokers' do not agree about in one world, newest first."""
    return (
        Mismatch.objects.filter(broker_account__user=user, timeline=timeline)
        .select_related("contract", "broker_account", "allocation__strategy", "order")
        .order_by("-pk")
    )


def account_positions_of(user: User, timeline: Timeline) -> QuerySet[AccountPosition]:
    """What the user's accounts hold at their brokers, ours and external, at the last reading."""
    return (
        AccountPosition.objects.filter(broker_account__user=user, timeline=timeline)
        .exclude(ours=0, external=0, theirs=0)
        .select_related("contract", "broker_account")
        .order_by("broker_account_id", "contract__symbol", "product")
    )


def books_of(user: User, timeline: Timeline) -> QuerySet[AccountBook]:
    """When the books of the user's accounts were read."""
    rows = AccountBook.objects.filter(broker_account__user=user, timeline=timeline)
    return rows.select_related("broker_account").order_by("broker_account_id")


def performance_of(user: User, timeline: Timeline) -> QuerySet[PerformanceMetric]:
    """The user's days by pair in one world, newest first."""
    return (
        PerformanceMetric.objects.filter(
            allocation__broker_account__user=user, timeline=timeline
        )
        .select_related("allocation__strategy__basket", "allocation__broker_account")
        .order_by("-trading_day", "allocation_id")
    )


@dataclass(frozen=True, slots=True)
class Rollup:
    """Performance summed over pairs and days under one name."""

    key: str
    name: str
    net: Decimal
    charges: Decimal
    gross: Decimal
    orders: int
    fills: int


ROLLUPS = {
    "pair": ("allocation__public_id", "allocation__strategy__name", "allocation__broker_account__label"),
    "strategy": ("allocation__strategy_id", "allocation__strategy__name"),
    "basket": ("allocation__strategy__basket_id", "allocation__strategy__basket__name"),
    "broker": ("allocation__broker_account_id", "allocation__broker_account__label"),
}


def rollup(rows: QuerySet[PerformanceMetric], by: str) -> list[Rollup]:
    """The metrics summed per pair, strategy, basket or broker; KeyError for another word."""
    key, *names = ROLLUPS[by]
    sums = (
        rows.order_by()
        .values(key, *names)
        .annotate(
            total_net=Sum("net"),
            total_charges=Sum("charges"),
            total_orders=Sum("orders"),
            total_fills=Sum("fills"),
        )
        .order_by(*names)
    )
    return [
        Rollup(
            key=str(row[key]),
            name=" on ".join(str(row[name]) for name in names),
            net=row["total_net"],
            charges=row["total_charges"],
            gross=row["total_net"] + row["total_charges"],
            orders=row["total_orders"],
            fills=row["total_fills"],
        )
        for row in sums
    ]


def target_of(user: User, scope: str, target: int | None) -> Model:
    """What a scope below the user's and an id name; DoesNotExist when it is not the user's."""
    found: Model = targets_of(user, scope).get(pk=target)
    return found


def unknown_orders(timeline: Timeline) -> QuerySet[Order]:
    """Orders without an answer: each needs a person if it stays."""
    return Order.objects.filter(timeline=timeline, status=OrderState.UNKNOWN)

