"""What the API takes and gives for pairs and their matrix."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from allocations.models import PendingLimit, StrategyBrokerAllocation
from allocations.risk import PairTerms
from allocations.selectors import TERM_FIELDS
from strategies.models import Trail
from users.api.fields import Lots, Money
from users.api.serializers import StrictSerializer

Product = StrategyBrokerAllocation.Product


def own_exit(words: str) -> Money:
    return Money(max_digits=14, required=False, allow_null=True, default=None, help_text=words)


class GreekLimits(StrictSerializer):
    """Limits of delta and vega, null for none; and whether a reached day loss closes what is open."""

    max_delta = Money(max_digits=14, min_value=0, required=False, allow_null=True, default=None,
                      help_text="rupees an index point (delta x quantity), whatever its sign")  # fmt: skip
    max_vega = Money(max_digits=14, min_value=0, required=False, allow_null=True, default=None,
                     help_text="rupees a vol point, whatever its sign")  # fmt: skip
    square_off_at_loss = serializers.BooleanField(required=False, default=False)


class PairBody(GreekLimits):
    """Lots, product and limits of a pair: all of them; and exits of its own, else the strategy's."""

    lots = Lots()
    product = serializers.ChoiceField(choices=Product.choices, required=False, default="NRML")
    max_lots = Lots()
    max_day_loss = Money(max_digits=14, min_value=0, help_text="rupees, above 0")
    max_margin = Money(max_digits=16, min_value=0, help_text="rupees, above 0")
    max_open_positions = serializers.IntegerField(min_value=1, max_value=1000)
    stop_loss = own_exit("rupees a lot; null: the strategy's")
    take_profit = own_exit("rupees a lot; null: the strategy's")
    trail = serializers.ChoiceField(
        choices=Trail.choices, required=False, allow_blank=True, default="",
        help_text="of stop_loss; empty: the strategy's",
    )  # fmt: skip
    trail_every = own_exit("stepped: rupees a lot")
    trail_by = own_exit("stepped: rupees a lot")


class PairChange(StrictSerializer):
    """PATCH: only what is to change."""

    lots = Lots(required=False)
    product = serializers.ChoiceField(choices=Product.choices, required=False)
    max_lots = Lots(required=False)
    max_day_loss = Money(max_digits=14, min_value=0, required=False)
    max_margin = Money(max_digits=16, min_value=0, required=False)
    max_open_positions = serializers.IntegerField(min_value=1, max_value=1000, required=False)
    max_delta = Money(max_digits=14, min_value=0, required=False, allow_null=True)
    max_vega = Money(max_digits=14, min_value=0, required=False, allow_null=True)
    square_off_at_loss = serializers.BooleanField(required=False)
    stop_loss = Money(max_digits=14, required=False, allow_null=True)
    take_profit = Money(max_digits=14, required=False, allow_null=True)
    trail = serializers.ChoiceField(choices=Trail.choices, required=False, allow_blank=True)
    trail_every = Money(max_digits=14, required=False, allow_null=True)
    trail_by = Money(max_digits=14, required=False, allow_null=True)


class NewPair(PairBody):
    broker_account_id = serializers.IntegerField(min_value=1)


class Cell(NewPair):
    strategy_id = serializers.IntegerField(min_value=1)


class Matrix(StrictSerializer):
    """Every pair that the basket is to have; a pair that is left out is removed."""

    rows = Cell(many=True, allow_empty=True)


class StateBody(serializers.Serializer):
    """The tightest trading state of all scopes; scope is empty when nothing was ever set."""

    state = serializers.ChoiceField(choices=["active", "reducing", "frozen", "halted"])
    scope = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)


class PendingBody(serializers.ModelSerializer):
    """A looser limit that was asked for, or lots that need it: in force from the next trading day."""

    limit = serializers.CharField(source="name")
    value = Money(allow_null=True, help_text="null: no limit; 0 and 1 for no and yes")

    class Meta:
        model = PendingLimit
        fields = ("limit", "value", "asked_on")


class AllocationBody(serializers.ModelSerializer):
    """One pair. `version` is its ETag; `state` is what applies, wherever it was set."""

    strategy_id = serializers.IntegerField(read_only=True)
    strategy = serializers.CharField(source="strategy.name", read_only=True)
    broker_account_id = serializers.IntegerField(read_only=True)
    broker = serializers.CharField(source="broker_account.broker", read_only=True)
    label = serializers.CharField(source="broker_account.label", read_only=True)  # type: ignore[assignment]  # a declared field
    mode = serializers.CharField(source="broker_account.mode", read_only=True)
    strategy_version = serializers.IntegerField(source="strategy_version.number", read_only=True)
    max_day_loss = Money()
    max_margin = Money()
    max_delta = Money(allow_null=True, help_text="rupees an index point")
    max_vega = Money(allow_null=True, help_text="rupees a vol point")
    pending = PendingBody(many=True, read_only=True)
    stop_loss = Money(allow_null=True)
    take_profit = Money(allow_null=True)
    trail_every = Money(allow_null=True)
    trail_by = Money(allow_null=True)
    state = serializers.SerializerMethodField()

    class Meta:
        model = StrategyBrokerAllocation
        fields = (
            "id", "strategy_id", "strategy", "broker_account_id", "broker", "label", "mode",
            "strategy_version", "lots", "product", "max_lots", "max_day_loss", "max_margin",
            "max_open_positions", "max_delta", "max_vega", "square_off_at_loss", "stop_loss", "take_profit",
            "trail", "trail_every", "trail_by", "pending", "version", "state", "created_at", "updated_at",
        )  # fmt: skip

    def get_state(self, pair: StrategyBrokerAllocation) -> StateBody:
        return StateBody(self.context["states"][pair.pk]).data  # type: ignore[return-value]  # .data is typed for many=True too


class MatrixBody(serializers.Serializer):
    basket_id = serializers.IntegerField()
    version = serializers.CharField(help_text="the ETag of the whole matrix")
    rows = AllocationBody(many=True)


def as_terms(data: dict[str, Any], base: PairTerms | None = None) -> PairTerms:
    """Sent fields, over the pair's present ones when given."""
    held = {} if base is None else {name: getattr(base, name) for name in TERM_FIELDS}
    sent = {name: value for name, value in data.items() if name in TERM_FIELDS}
    return PairTerms(**(held | sent))
