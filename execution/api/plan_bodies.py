"""What the API gives for previews, entries made from them, and proposed lots."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from execution.api.bodies import PairShape, RunBody
from execution.engine.entry import Stop
from execution.engine.preview import PairPlan
from execution.views.words import why
from users.api.fields import Money, Price


class PlannedOrderBody(serializers.Serializer):
    """One leg as it would be ordered now; every slice is an order within the freeze quantity."""

    leg_number = serializers.IntegerField()
    wave = serializers.IntegerField(help_text="1 goes first, 2 is gated on its fills")
    side = serializers.ChoiceField(choices=["BUY", "SELL"])
    contract = serializers.CharField()
    quantity = serializers.IntegerField(help_text="units")
    slices = serializers.ListField(child=serializers.IntegerField())
    limit_price = Price()
    mid = Price(decimal_places=4)
    premium = Money(help_text="rupees at the mid; negative is received")
    charges = Money(help_text="estimated at the touch")
    margin_after = Money(
        allow_null=True, help_text="blocked once this and the orders before it have filled, alone"
    )


class DenialBody(serializers.Serializer):
    code = serializers.CharField()
    why = serializers.CharField()
    detail = serializers.CharField()


class PairPlanBody(PairShape):
    """One pair: what it would order, and why it would not."""

    lots = serializers.IntegerField(source="allocation.lots")
    strategy_version = serializers.IntegerField(allow_null=True)
    enters = serializers.BooleanField()
    denial = DenialBody(allow_null=True)
    margin = Money(allow_null=True, help_text="of this entry standing alone")
    margin_peak = Money(allow_null=True, help_text="the most that is blocked on the way there")
    charges = Money()
    orders = PlannedOrderBody(many=True)


class BrokerBody(serializers.Serializer):
    """What the entering pairs of one account need together."""

    broker_account_id = serializers.IntegerField()
    broker = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a declared field
    pairs = serializers.IntegerField()
    orders = serializers.IntegerField()
    margin = Money()
    premium = Money(help_text="of all legs together; negative is received")
    charges = Money()
    available = Money(allow_null=True, help_text="free at the broker; null when it did not say")
    enough = serializers.BooleanField(
        allow_null=True, help_text="for margin, charges and paid premium of these pairs together"
    )


class PreviewBody(serializers.Serializer):
    """The hash is over pairs, contracts, sides and quantities, not over prices."""

    preview_id = serializers.CharField()
    hash = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="seconds")
    timeline = serializers.CharField()
    asof = serializers.DateTimeField(help_text="market time")
    basket_id = serializers.IntegerField()
    pairs = PairPlanBody(many=True)
    brokers = BrokerBody(many=True)


class ExecutedBody(serializers.Serializer):
    hash = serializers.CharField()
    executions = RunBody(many=True)


class ProposalBody(PairShape):
    """Proposed lots of a pair with the record behind them; rupees are a lot (and day)."""

    lots = serializers.IntegerField(source="proposal.lots")
    proposed = serializers.IntegerField(source="proposal.proposed")
    days = serializers.IntegerField(source="record.days")
    net = Money(source="record.net")
    drawdown = Money(source="record.drawdown")
    slippage = Money(source="record.slippage")
    fill_rate = serializers.DecimalField(source="record.fill_rate", max_digits=5, decimal_places=4)
    open_trade = serializers.BooleanField(source="record.open_trade")
    reason = serializers.CharField(source="proposal.reason")


def pair_row(planned: PairPlan) -> dict[str, Any]:
    """A plan as the body reads it."""
    return {
        "allocation": planned.pair,
        "strategy_version": planned.version.number if planned.version else None,
        "enters": planned.enters,
        "denial": _denial(planned.stop),
        "margin": planned.margin,
        "margin_peak": planned.margin_peak,
        "charges": planned.charges,
        "orders": planned.orders,
    }


def _denial(stop: Stop | None) -> dict[str, str] | None:
    if stop is None:
        return None
    return {"code": str(stop.code), "why": why(stop.code), "detail": stop.detail}
