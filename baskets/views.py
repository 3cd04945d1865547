"""Pages that make, change and archive a basket; the list and the basket itself are in execution."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from baskets import selectors, services
from baskets.forms import BasketForm
from baskets.models import Basket
from users.errors import Forbidden, Refused
from users.requests import SignedInRequest


@login_required
@require_http_methods(["GET", "POST"])
def new_basket(request: SignedInRequest) -> HttpResponse:
    """Name a basket; its strategies come next."""
    form = BasketForm(request.POST or None)
    if form.is_valid():
        try:
            basket = services.create_basket(
                owner=request.user,
                **form.cleaned_data,
                source="page",
                address=request.META.get("REMOTE_ADDR"),
                now=datetime.now(UTC),
            )
            return redirect("page-new-strategy", basket.pk)
        except Refused as error:
            form.refuse(error)
    return _form(request, form, heading="New basket", button="Create basket", back="/baskets")


@login_required
@require_http_methods(["GET", "POST"])
def edit_basket(request: SignedInRequest, basket_id: int) -> HttpResponse:
    """Rename or describe a basket."""
    basket = _writable(request, basket_id)
    start = {"name": basket.name, "description": basket.description}
    form = BasketForm(request.POST or None, initial=start)
    if form.is_valid():
        try:
            services.edit_basket(
                by=request.user,
                basket=basket,
                **form.cleaned_data,
                source="page",
                address=request.META.get("REMOTE_ADDR"),
                now=datetime.now(UTC),
            )
            return redirect("page-basket", basket.pk)
        except Refused as error:
            form.refuse(error)
    return _form(
        request, form, heading=f"Edit {basket.name}", button="Save", back=f"/baskets/{basket.pk}",
        basket=basket,
    )  # fmt: skip


@login_required
@require_POST
def archive_basket(request: SignedInRequest, basket_id: int) -> HttpResponse:
    """Hide a basket and end its entries."""
    basket = _writable(request, basket_id)
    services.archive_basket(
        by=request.user,
        basket=basket,
        source="page",
        address=request.META.get("REMOTE_ADDR"),
        now=datetime.now(UTC),
    )
    messages.success(request, f"{basket.name} is archived: no more entries. Open positions still exit.")
    return redirect("page-baskets")


def _writable(request: SignedInRequest, basket_id: int) -> Basket:
    basket = get_object_or_404(selectors.readable_baskets(request.user), pk=basket_id)
    try:
        selectors.require_writer(request.user, basket)
    except Forbidden as error:
        raise PermissionDenied(error.message) from error
    return basket


def _form(request: SignedInRequest, form: BasketForm, **words: object) -> HttpResponse:
    status = 422 if form.errors else 200
    return render(request, "baskets/new.html", {"form": form, **words}, status=status)
