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


class SettleForm(DeskForm):
    """A decision about a mismatch; the price only to book a close."""

    fix = forms.CharField(max_length=16)
    price = forms.DecimalField(max_digits=12, decimal_places=2, required=False)


class AdoptForm(DeskForm):
    """Lots of a contract that was traded by hand, into a pair."""

    symbol = forms.CharField(max_length=40)
    product = forms.CharField(max_length=4)
    allocation_id = forms.IntegerField(min_value=1)
    lots = forms.IntegerField(min_value=1, max_value=100_000)


class AdjustForm(DeskForm):
    """A change of one leg; `confirmed` once its plan has been seen."""

    act = forms.ChoiceField(choices=[("shift", "Shift"), ("exit", "Exit"), ("add", "Add")])
    contract = forms.CharField(max_length=40, label="Contract", help_text="NIFTY-20260804-24900-CE")
    steps = forms.IntegerField(required=False, min_value=-200, max_value=200)
    next_expiry = forms.BooleanField(required=False)
    side = forms.ChoiceField(choices=[("BUY", "Buy"), ("SELL", "Sell")], required=False, label="Side")
    lots = forms.IntegerField(required=False, min_value=1, max_value=10_000, label="Lots")
    confirmed = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("act") == "add" and not data.get("lots"):
            self.add_error("lots", "Say how many lots of the new leg.")
        return data

    def asked(self) -> dict[str, Any]:
        """What the engine is asked, without the confirmation."""
        entered = {name: self.cleaned_data[name] for name in self.fields if name != "confirmed"}
        return {**entered, "steps": entered["steps"] or 0, "lots": entered["lots"] or 0}

    @property
    def sent(self) -> list[tuple[str, Any]]:
        """The fields as they are sent again with the confirmation."""
        return [(name, value) for name, value in self.asked().items() if value]

    @property
    def added(self) -> list[forms.BoundField]:
        return [self[name] for name in ("contract", "side", "lots")]
