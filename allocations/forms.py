"""The allocation matrix as a form: a cell is a strategy on a broker account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from django import forms

from allocations.models import StrategyBrokerAllocation
from allocations.risk import PairTerms
from allocations.selectors import wanted_terms
from brokers.models import BrokerAccount
from strategies.models import Strategy, Trail
from users.errors import Refused
from users.forms import DeskForm

#: What an empty limit of a new cell means, as a share of the account's capital.
USUAL_DAY_LOSS = Decimal("0.02")
USUAL_POSITIONS = 12
EXITS = ("stop_loss", "take_profit", "trail", "trail_every", "trail_by")
LIMITS = ("max_lots", "max_day_loss", "max_margin", "max_open_positions")
GREEKS = ("max_delta", "max_vega")


def _rupees(label: str) -> forms.DecimalField:
    return forms.DecimalField(label=label, max_digits=14, decimal_places=2, required=False)


class CellForm(DeskForm):
    """Lots, product, limits and own exits of one pair; no lots means that there is no pair."""

    lots = forms.IntegerField(label="Lots", min_value=0, max_value=10000, required=False)
    product = forms.ChoiceField(
        label="Product", choices=StrategyBrokerAllocation.Product.choices, required=False
    )
    max_lots = forms.IntegerField(label="Most lots", min_value=0, required=False)
    max_day_loss = forms.DecimalField(
        label="Day loss", min_value=0, max_digits=14, decimal_places=2, required=False
    )
    max_margin = forms.DecimalField(
        label="Margin", min_value=0, max_digits=16, decimal_places=2, required=False
    )
    max_open_positions = forms.IntegerField(label="Open legs", min_value=0, required=False)
    max_delta = forms.DecimalField(
        label="Delta, rupees a point", min_value=0, max_digits=14, decimal_places=2, required=False
    )
    max_vega = forms.DecimalField(
        label="Vega, rupees a vol point", min_value=0, max_digits=14, decimal_places=2, required=False
    )
    square_off_at_loss = forms.BooleanField(label="Square off at the day loss", required=False)
    stop_loss = _rupees("Stop")
    take_profit = _rupees("Target")
    trail = forms.ChoiceField(
        label="Trails", required=False, choices=[("", "As the strategy"), *Trail.choices]
    )
    trail_every = _rupees("Every")
    trail_by = _rupees("By")

    def __init__(self, *args: Any, account: BrokerAccount, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.usual = {
            "max_lots": self.lots_now or 1,
            "max_day_loss": (account.capital * USUAL_DAY_LOSS).quantize(Decimal(1)),
            "max_margin": account.capital.quantize(Decimal(1)),
            "max_open_positions": USUAL_POSITIONS,
        }
        for name in GREEKS:
            self.fields[name].widget.attrs["placeholder"] = "no limit"
        for name, value in self.usual.items():
            self.fields[name].widget.attrs["placeholder"] = "= lots" if name == "max_lots" else value

    def suggest(self, limits: dict[str, Any]) -> None:
        """Show other limits as what an empty field means."""
        for name, value in limits.items():
            if value is not None:
                self.fields[name].widget.attrs["placeholder"] = _shown(value)

    @property
    def lots_now(self) -> int:
        return self.initial.get("lots") or 0

    @property
    def limit_errors(self) -> bool:
        return any(name in self.errors for name in (*LIMITS, *GREEKS)) if self.is_bound else False

    @property
    def exit_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in EXITS]

    @property
    def exits_open(self) -> bool:
        """Whether the pair has an exit of its own, or what was entered is wrong."""
        wrong = self.is_bound and any(name in self.errors for name in EXITS)
        return wrong or any(self[name].value() not in (None, "") for name in EXITS)

    def terms(self) -> PairTerms | None:
        """What was entered, an empty limit at its usual value; None for an empty cell."""
        entered = self.cleaned_data
        if entered["lots"] is None:
            return None
        usual = {**self.usual, "max_lots": entered["lots"] or 1}
        limits: dict[str, Any] = {n: usual[n] if entered[n] is None else entered[n] for n in LIMITS}
        own = {name: entered[name] for name in (*GREEKS, "square_off_at_loss", *EXITS)}
        return PairTerms(lots=entered["lots"], product=entered["product"] or "NRML", **limits, **own)


@dataclass(frozen=True, slots=True)
class Cell:
    strategy: Strategy
    account: BrokerAccount
    pair: StrategyBrokerAllocation | None
    form: CellForm


@dataclass(frozen=True, slots=True)
class Row:
    strategy: Strategy
    cells: list[Cell]

    @property
    def total(self) -> int:
        return sum(cell.pair.lots for cell in self.cells if cell.pair)


class MatrixForm:
    """Every cell's form; saved together or not at all."""

    def __init__(
        self,
        data: Any,
        *,
        strategies: Sequence[Strategy],
        accounts: Sequence[BrokerAccount],
        pairs: Sequence[StrategyBrokerAllocation],
    ) -> None:
        held = {(pair.strategy_id, pair.broker_account_id): pair for pair in pairs}
        self.errors: list[str] = []
        self.sent: list[Cell] = []
        self.rows = [
            Row(s, [_cell(data, s, a, held.get((s.pk, a.pk))) for a in accounts]) for s in strategies
        ]

    @property
    def cells(self) -> list[Cell]:
        return [cell for row in self.rows for cell in row.cells]

    def is_valid(self) -> bool:
        wrong = [cell for cell in self.cells if not cell.form.is_valid()]
        if wrong:
            self.errors.append("The marked cells need a change.")
        return not wrong

    def filled(self) -> list[tuple[Cell, PairTerms]]:
        """The cells with lots, and what was entered; their order is that of a refusal's rows."""
        found = [(cell, terms) for cell in self.cells if (terms := cell.form.terms()) is not None]
        self.sent = [cell for cell, _ in found]
        return found

    def refuse(self, error: Refused) -> None:
        """Show the refusal in the cell that it names (rows/<n>/<field>), or above the matrix."""
        parts = error.field.split("/")
        if parts[0] != "rows" or len(parts) < 2:
            self.errors.append(f"{error.message} {error.fix}")
            return
        cell = self.sent[int(parts[1])]
        cell.form.refuse(error)
        self.errors.append(f"{cell.strategy.name} on {cell.account.label}: {error.message} {error.fix}")


def _cell(
    data: Any, strategy: Strategy, account: BrokerAccount, pair: StrategyBrokerAllocation | None
) -> Cell:
    initial = {} if pair is None else {n: _shown(v) for n, v in asdict(wanted_terms(pair)).items()}
    prefix = f"c{strategy.pk}-{account.pk}"
    return Cell(strategy, account, pair, CellForm(data, prefix=prefix, initial=initial, account=account))


def _shown(value: Any) -> Any:
    """Whole rupees without their paise."""
    whole = isinstance(value, Decimal) and value == value.to_integral_value()
    return value.quantize(Decimal(1)) if whole else value
