"""What the API gives for runs, orders, fills, events and positions."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from execution.lanes import slippage
from execution.models import Fill, Order, OrderEvent, Position, StopWatch, StrategyExecution
from execution.views.words import ORDER_WORDS, event_words, fix, reason, why
from users.api.fields import Money

PAIR = (
    "allocation_id", "basket_id", "basket", "strategy_id", "strategy", "broker_account_id", "broker",
    "label", "mode",
)  # fmt: skip


class PairShape(serializers.Serializer):
    """Which pair a row is about; read through its `allocation`."""

    allocation_id = serializers.IntegerField(source="allocation.pk")
    basket_id = serializers.IntegerField(source="allocation.strategy.basket_id")
    basket = serializers.CharField(source="allocation.strategy.basket.name")
    strategy_id = serializers.IntegerField(source="allocation.strategy_id")
    strategy = serializers.CharField(source="allocation.strategy.name")
    broker_account_id = serializers.IntegerField(source="allocation.broker_account_id")
    broker = serializers.CharField(source="allocation.broker_account.broker")
    label = serializers.CharField(source="allocation.broker_account.label")  # type: ignore[assignment]  # a declared field
    mode = serializers.CharField(source="allocation.broker_account.mode")


class RunBody(PairShape, serializers.ModelSerializer):
    """One run. `why` says the code in plain words."""

    timeline = serializers.CharField(source="timeline.key")
    strategy_version = serializers.IntegerField(source="strategy_version.number")
    why = serializers.SerializerMethodField()
    fix = serializers.SerializerMethodField(help_text="what can be done about it")
    only_legs = serializers.ListField(
        child=serializers.IntegerField(), allow_null=True,
        help_text="an exit of these legs alone; null: of everything",
    )  # fmt: skip
    margin = Money(allow_null=True)
    waiting = serializers.BooleanField(read_only=True, help_text="armed: `detail` says for what price")

    class Meta:
        model = StrategyExecution
        fields = (
            "id", *PAIR, "timeline", "trading_day", "phase", "cycle", "strategy_version", "lots",
            "status", "cause", "only_legs", "code", "why", "fix", "detail", "due_at", "armed_at", "waiting",
            "started_at", "finished_at", "margin",
        )  # fmt: skip

    def get_why(self, run: StrategyExecution) -> str:
        return why(run.code)

    def get_fix(self, run: StrategyExecution) -> str:
        return fix(run.code)


class StopBody(PairShape, serializers.ModelSerializer):
    """What the stops of one leg, or with leg_number 0 of the whole trade, stand at now.

    `stop` and `target` are prices of what stop_of and target_of say: the leg, the underlying, or
    rupees a lot of profit. `locked` is profit a lot that is kept. A level that is `crossed` has been
    so for `crossed_frames` frames; the strategy's confirm_frames decide. `unjudged_since`: the leg has
    had no usable price since then, so neither its stops nor those of the whole trade are judged.
    """

    timeline = serializers.CharField(source="timeline.key")
    contract = serializers.CharField(source="symbol", help_text="empty: the whole trade")
    stop = Money(source="stop_at", allow_null=True)
    target = Money(source="target_at", allow_null=True)
    locked = Money(allow_null=True)

    class Meta:
        model = StopWatch
        fields = (
            "id", *PAIR, "timeline", "leg_number", "contract", "since", "stop", "stop_of", "target",
            "target_of", "locked", "at_cost", "crossed", "crossed_frames",
            "unjudged_since", "updated_at",
        )  # fmt: skip


class EventBody(serializers.ModelSerializer):
    """One thing that was said of an order, by us or by the broker."""

    words = serializers.SerializerMethodField()

    class Meta:
        model = OrderEvent
        fields = ("id", "kind", "source", "words", "at")

    def get_words(self, event: OrderEvent) -> str:
        order = self.context["order"]
        return event_words(event, f"{order.side} {order.contract.symbol}")


class FillBody(serializers.ModelSerializer):
    """One trade of the exchange."""

    class Meta:
        model = Fill
        fields = ("id", "trade_id", "exchange", "trading_day", "side", "quantity", "price", "at")


class OrderBody(PairShape, serializers.ModelSerializer):
    """One slice of a leg. `slippage` is rupees against the mid at arrival, negative is a cost."""

    execution_id = serializers.IntegerField()
    timeline = serializers.CharField(source="timeline.key")
    contract = serializers.CharField(source="contract.symbol")
    state = serializers.SerializerMethodField(help_text="the status in words")
    why = serializers.SerializerMethodField()
    fix = serializers.SerializerMethodField(help_text="what can be done about it")
    slippage = serializers.SerializerMethodField()
    charges = Money()

    class Meta:
        model = Order
        fields = (
            "id", "execution_id", *PAIR, "timeline", "contract", "leg_number", "action", "wave",
            "slice", "attempt", "side", "product", "quantity", "order_type", "price", "trigger_price",
            "status", "state", "pending_op", "client_ref", "broker_order_id", "filled_quantity", "average_price",
            "arrival_mid", "slippage", "charges", "code", "why", "fix", "upstream", "created_at",
            "finished_at",
        )  # fmt: skip

    def get_state(self, order: Order) -> str:
        return ORDER_WORDS[order.status][0]

    def get_why(self, order: Order) -> str:
        return reason(order)

    def get_fix(self, order: Order) -> str:
        return fix(order.code)

    def get_slippage(self, order: Order) -> str | None:
        lost = slippage(order)
        return None if lost is None else str(lost)


class OrderWithEvents(OrderBody):
    """An order with everything that was said of it, oldest first. The events must be prefetched."""

    events = serializers.SerializerMethodField()

    class Meta(OrderBody.Meta):
        fields = (*OrderBody.Meta.fields, "events")  # type: ignore[assignment]  # one field more than the parent

    @extend_schema_field(EventBody(many=True))
    def get_events(self, order: Order) -> Any:
        rows = sorted(order.events.all(), key=lambda event: (event.at, event.pk))
        return EventBody(rows, many=True, context={"order": order}).data


class OrderWithFills(OrderWithEvents):
    fills = FillBody(many=True)

    class Meta(OrderWithEvents.Meta):
        fields = (*OrderWithEvents.Meta.fields, "fills")  # type: ignore[assignment]  # one field more than the parent


class RunWithOrders(RunBody):
    orders = serializers.SerializerMethodField()

    class Meta(RunBody.Meta):
        fields = (*RunBody.Meta.fields, "orders")  # type: ignore[assignment]  # one field more than the parent

    @extend_schema_field(OrderWithEvents(many=True))
    def get_orders(self, run: StrategyExecution) -> Any:
        return OrderWithEvents(self.context["orders"], many=True).data


class PositionBody(PairShape, serializers.ModelSerializer):
    """What a pair holds of a contract. Values are null while they are not known, never guessed."""

    timeline = serializers.CharField(source="timeline.key")
    contract = serializers.CharField(source="contract.symbol")
    lots = serializers.SerializerMethodField(help_text="negative is short")
    average_price = serializers.DecimalField(max_digits=18, decimal_places=2)
    realised = Money()
    charges = Money()
    mark = serializers.SerializerMethodField(help_text="where it could be closed: bid of a long, ask of a short")
    stale = serializers.SerializerMethodField()
    pnl = serializers.SerializerMethodField(help_text="before charges")
    day_pnl = serializers.SerializerMethodField(help_text="of the trading day, after charges")
    delta = serializers.SerializerMethodField()
    gamma = serializers.SerializerMethodField()
    theta = serializers.SerializerMethodField()
    vega = serializers.SerializerMethodField()
    iv = serializers.SerializerMethodField()
    asof = serializers.SerializerMethodField(help_text="market time of the prices")

    class Meta:
        model = Position
        fields = (
            "id", *PAIR, "timeline", "contract", "leg_number", "product", "quantity", "lots",
            "average_price", "mark", "stale", "pnl", "day_pnl", "realised", "charges", "delta", "gamma",
            "theta", "vega", "iv", "opened_at", "asof",
        )  # fmt: skip

    def _value(self, position: Position, name: str) -> Any:
        return self.context["values"][position.pk][name]

    def get_lots(self, position: Position) -> int:
        lots = abs(position.quantity) // position.contract.lot_size
        return lots if position.quantity >= 0 else -lots

    def get_mark(self, position: Position) -> str | None:
        return self._value(position, "mark")

    def get_stale(self, position: Position) -> bool:
        return self._value(position, "stale")

    def get_pnl(self, position: Position) -> str | None:
        return self._value(position, "pnl")

    def get_day_pnl(self, position: Position) -> str | None:
        return self._value(position, "day_pnl")

    def get_delta(self, position: Position) -> float | None:
        return self._value(position, "delta")

    def get_gamma(self, position: Position) -> float | None:
        return self._value(position, "gamma")

    def get_theta(self, position: Position) -> float | None:
        return self._value(position, "theta")

    def get_vega(self, position: Position) -> float | None:
        return self._value(position, "vega")

    def get_iv(self, position: Position) -> float | None:
        return self._value(position, "iv")

    def get_asof(self, position: Position) -> str | None:
        return self._value(position, "asof")
