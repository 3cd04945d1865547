"""Executions, one execution with its legs and slices, and the order book."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from execution.forms import OrderFilter, RunFilter
from execution.lanes import picture_of, slippage
from execution.models import Order, StrategyExecution
from execution.moves import STOP
from execution.selectors import executions_of, orders_of
from execution.views.words import (
    ORDER_WORDS,
    RUN_TONES,
    event_words,
    fix,
    reason,
    why,
)
from strategies.templatetags.strategy import contract_name
from users.requests import SignedInRequest

PAGE = 50
UNFINISHED = ("due", "running")
WORKED = ~Q(orders__order_type=STOP)  # a stop at the broker rests all day: no measure of a run


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as it is shown."""

    order: Order
    side: str
    contract: str
    slippage: Decimal | None
    state: str
    tone: str
    why: str
    fix: str


@login_required
@require_GET
def executions(request: SignedInRequest) -> HttpResponse:
    """The user's runs, newest first."""
    form = RunFilter(request.GET, user=request.user)
    rows = form.narrowed(executions_of(request.user)).annotate(
        orders_count=Count("orders", filter=WORKED),
        orders_filled=Count("orders", filter=WORKED & Q(orders__status="FILLED")),
    )
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    run: Any  # a run with what the page adds
    for run in page:
        run.tone = RUN_TONES[run.status]
    context = {"page": page, "filters": form, "filtered": form.in_use, "query": form.query}
    return render(request, "execution/runs.html", context)


@login_required
@require_GET
def execution(request: SignedInRequest, execution_id: int) -> HttpResponse:
    """One run: every slice, its slippage, and what happened in words."""
    rows = executions_of(request.user).select_related("strategy_version")
    run = get_object_or_404(rows, pk=execution_id)
    found = orders_of(request.user).filter(execution=run).order_by("wave", "leg_number", "slice", "attempt")
    orders = [order_row(order) for order in found.prefetch_related("events")]
    events = [
        {"at": event.at, "id": event.pk, "words": event_words(event, f"{item.side} {item.contract}")}
        for item in orders
        for event in item.order.events.all()
    ]
    context = {
        **_summary(run, orders),
        "picture": picture_of(request.user, run),
        "events": sorted(events, key=lambda event: (event["at"], event["id"])),
    }
    return render(request, "execution/run.html", context)


@login_required
@require_GET
def orders(request: SignedInRequest) -> HttpResponse:
    """The user's orders, newest first."""
    form = OrderFilter(request.GET, user=request.user)
    page = Paginator(form.narrowed(orders_of(request.user)), PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "items": [order_row(order) for order in page],
        "filters": form,
        "filtered": form.in_use,
        "query": form.query,
    }
    return render(request, "execution/orders.html", context)


def order_row(order: Order) -> OrderRow:
    state, tone = ORDER_WORDS[order.status]
    return OrderRow(
        order=order,
        side=order.side[:1],
        contract=contract_name(order.contract.spec),
        slippage=slippage(order),
        state=state,
        tone=tone,
        why=reason(order),
        fix=fix(order.code),
    )


def _summary(run: StrategyExecution, orders: list[OrderRow]) -> dict[str, Any]:
    known = [row.slippage for row in orders if row.slippage is not None]
    return {
        "run": run,
        "why": why(run.code),
        "fix": fix(run.code),
        "tone": RUN_TONES[run.status],
        "orders": orders,
        "unfinished": run.status in UNFINISHED,
        "sent": sum(row.order.order_type != STOP for row in orders),
        "done": sum(row.order.status == "FILLED" and row.order.order_type != STOP for row in orders),
        "slippage": sum(known, Decimal(0)) if known else None,
        "charges": sum((row.order.charges for row in orders), Decimal(0)),
    }
