"""Filters of the lists, and the confirmation of a risk verb."""

from __future__ import annotations

from typing import Any, TypeVar

from django import forms
from django.db.models import Model, QuerySet

from allocations.risk import LIMITS, LOOSENABLE, ScopeTerms
from baskets.selectors import visible_baskets
from brokers.selectors import open_accounts_of
from execution.models import StrategyExecution
from execution.states import OrderState
from users.forms import DeskForm
from users.models import User

Row = TypeVar("Row", bound=Model)


class Filter(DeskForm):
    """What a list is narrowed to; anything unknown narrows nothing."""

    lookups: dict[str, str] = {}

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        accounts = [(a.pk, a.label) for a in open_accounts_of(user).order_by("pk")]
        baskets = [(b.pk, b.name) for b in visible_baskets(user).order_by("name")]
        for name, choices in (("account", accounts), ("basket", baskets)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", "All"), *choices]

    @property
    def chosen(self) -> dict[str, str]:
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def in_use(self) -> bool:
        return bool(self.chosen)

    @property
    def query(self) -> str:
        return "&".join(f"{name}={value}" for name, value in self.chosen.items())

    def narrowed(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        return rows.filter(**{self.lookups[name]: value for name, value in self.chosen.items()})


class RunFilter(Filter):
    status = forms.ChoiceField(
        label="Result", required=False, choices=[("", "All"), *StrategyExecution.Status.choices]
    )
    basket = forms.ChoiceField(label="Basket", required=False)
    account = forms.ChoiceField(label="Account", required=False)
    lookups = {
        "status": "status",
        "basket": "allocation__strategy__basket",
        "account": "allocation__broker_account",
    }


class OrderFilter(Filter):
    status = forms.ChoiceField(
        label="State", required=False,
        choices=[("", "All"), *((s.value, s.value.replace("_", " ").capitalize()) for s in OrderState)],
    )  # fmt: skip
    basket = forms.ChoiceField(label="Basket", required=False)
    account = forms.ChoiceField(label="Account", required=False)
    lookups = {
        "status": "status",
        "basket": "allocation__strategy__basket",
        "account": "broker_account",
    }


class ScopeLimitForm(DeskForm):
    """Limits of one scope; an empty field is no limit."""

    max_lots = forms.IntegerField(label="Most lots", min_value=0, required=False)
    max_day_loss = forms.DecimalField(label="Day loss, rupees", required=False, decimal_places=2, max_digits=14)
    max_margin = forms.DecimalField(label="Margin, rupees", required=False, decimal_places=2, max_digits=16)
    max_open_positions = forms.IntegerField(
        label="Open legs", min_value=0, max_value=100_000, required=False
    )
    max_delta = forms.DecimalField(
        label="Delta, rupees a point", min_value=0, required=False, decimal_places=2, max_digits=14
    )
    max_vega = forms.DecimalField(
        label="Vega, rupees a vol point", min_value=0, required=False, decimal_places=2, max_digits=14
    )
    square_off_at_loss = forms.BooleanField(
        label="Square off at the day loss", required=False,
        help_text="Exits everything in the scope when the day loss is reached; entries stop either way.",
    )  # fmt: skip
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in LIMITS:
            self.fields[name].widget.attrs["placeholder"] = "no limit"

    def terms(self) -> ScopeTerms:
        return ScopeTerms(**{name: self.cleaned_data[name] for name in LOOSENABLE})


class ScopeForm(DeskForm):
    """Which scope a risk verb is about."""

    scope = forms.ChoiceField(
        choices=[(s, s) for s in ("user", "account", "basket", "strategy", "pair")]
    )
    target = forms.IntegerField(required=False)
