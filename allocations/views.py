"""The allocation matrix of a basket: one page, one atomic save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from allocations import selectors, services
from allocations.forms import MatrixForm
from allocations.models import StrategyBrokerAllocation
from baskets.models import Basket
from baskets.selectors import visible_baskets
from brokers.selectors import open_accounts_of
from strategies.selectors import strategies_in
from users.errors import Conflict, Refused
from users.requests import SignedInRequest


@dataclass(slots=True)
class Total:
    """Lots, and what a day costs at most when every pair reaches its limit (negative)."""

    lots: int = 0
    loss: Decimal = Decimal(0)


@login_required
@require_http_methods(["GET", "POST"])
def matrix(request: SignedInRequest, basket_id: int) -> HttpResponse:
    """Lots and limits of every strategy on every account. A stale page saves nothing (409)."""
    basket = get_object_or_404(visible_baskets(request.user), pk=basket_id)
    form, pairs = _form(request, basket, request.POST or None)
    if request.method != "POST":
        return _page(request, basket, form, pairs)
    if not form.is_valid():
        return _page(request, basket, form, pairs, status=422)
    try:
        services.save_matrix(
            user=request.user,
            basket=basket,
            rows=_rows(form),
            if_match=request.POST.get("etag", ""),
            source="page",
            address=request.META.get("REMOTE_ADDR"),
            now=datetime.now(UTC),
        )
    except Conflict:
        return _page(request, basket, form, pairs, status=409)
    except Refused as error:
        form.refuse(error)
        return _page(request, basket, form, pairs, status=422)
    messages.success(request, "Saved. New lots hold from the next entry, tighter limits at once, looser ones of a pair that has traded from the next trading day.")
    return redirect("page-matrix", basket.pk)


def _form(
    request: SignedInRequest, basket: Basket, data: Any
) -> tuple[MatrixForm, list[StrategyBrokerAllocation]]:
    pairs = list(selectors.matrix_of(request.user, basket))
    form = MatrixForm(
        data,
        strategies=list(strategies_in(basket, request.user).order_by("pk")),
        accounts=list(open_accounts_of(request.user).order_by("pk")),
        pairs=pairs,
    )
    return form, pairs


def _rows(form: MatrixForm) -> list[services.MatrixRow]:
    return [
        services.MatrixRow(
            strategy_id=cell.strategy.pk, broker_account_id=cell.account.pk, terms=terms
        )
        for cell, terms in form.filled()
    ]


def _page(
    request: SignedInRequest,
    basket: Basket,
    form: MatrixForm,
    pairs: Sequence[StrategyBrokerAllocation],
    *,
    status: int = 200,
) -> HttpResponse:
    accounts = [cell.account for cell in form.rows[0].cells] if form.rows else []
    context = {
        "basket": basket,
        "rows": form.rows,
        "errors": form.errors,
        "conflict": status == 409,
        "accounts": accounts or list(open_accounts_of(request.user).order_by("pk")),
        "etag": selectors.matrix_etag(pairs),
        "totals": [_total([p for p in pairs if p.broker_account_id == a.pk]) for a in accounts],
        "grand": _total(pairs),
    }
    return render(request, "allocations/matrix.html", context, status=status)


def _total(pairs: Sequence[StrategyBrokerAllocation]) -> Total:
    return Total(
        sum(pair.lots for pair in pairs),
        -sum((pair.max_day_loss for pair in pairs if pair.lots), Decimal(0)),
    )
