"""The positions of a timeline, read for valuation: open ones, today's closed ones, and the past."""

from __future__ import annotations

from datetime import date

from django.db.models import Q, QuerySet, Sum

from execution.live.lines import Book, Line, Past, Scope, build
from execution.models import Position

SCOPE = (
    "allocation__broker_account__user_id",
    "allocation__strategy__basket_id",
    "allocation__strategy_id",
    "allocation_id",
    "allocation__broker_account_id",
)


def load(timeline_key: str, *, day: date, owner: int | None = None) -> Book:
    """The book of every owner, or of one, on that trading day, in two queries."""
    rows = Position.objects.filter(timeline__key=timeline_key)
    if owner is not None:
        rows = rows.filter(allocation__broker_account__user=owner)
    shown = Q(day=day) | ~Q(quantity=0)
    return build(
        (_line(p, day) for p in _with_scope(rows.filter(shown))), _past(rows.exclude(shown))
    )


def _with_scope(rows: QuerySet[Position]) -> QuerySet[Position]:
    return rows.select_related("contract", "allocation__strategy", "allocation__broker_account").order_by("id")


def _line(position: Position, day: date) -> Line:
    pair = position.allocation
    known = position.day == day
    return Line(
        id=position.pk,
        scope=Scope(
            pair.broker_account.user_id,
            pair.strategy.basket_id,
            pair.strategy_id,
            pair.pk,
            pair.broker_account_id,
        ),
        contract=position.contract.spec,
        lot_size=position.contract.lot_size,
        quantity=position.quantity,
        average_price=position.average_price,
        cost=position.cost,
        realised=position.realised,
        charges=position.charges,
        day_opening=position.day_opening_pnl if known else None,
        day_charges_before=position.day_charges_before,
    )


def _past(rows: QuerySet[Position]) -> list[Past]:
    sums = rows.order_by().values(*SCOPE).annotate(earned=Sum("realised"), paid=Sum("charges"))
    return [
        Past(Scope(*(row[name] for name in SCOPE)), row["earned"], row["paid"]) for row in sums
    ]
