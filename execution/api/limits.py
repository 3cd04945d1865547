"""How much of each pair's limits is used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from allocations.models import StrategyBrokerAllocation
from brokers.selectors import accounts_of
from execution.api import examples
from execution.api.bodies import PairShape
from execution.api.positions import last_frame
from execution.api.runs import PairFilter, list_of, narrowed, parameters
from execution.engine import exposures, greeks, margins, marks
from execution.models import Position
from execution.selectors import positions_of
from market.api.feeds import timeline_or_problem
from market.kernel.contracts import Contract
from market.kernel.frame import Frame
from market.kernel.money import ZERO
from market.models import Timeline
from users.api.authentication import caller
from users.api.fields import Money
from users.api.lists import CursorPages
from users.models import User

COLUMNS = {"basket": "strategy__basket", "strategy": "strategy", "allocation": "pk"}


class Counted(serializers.Serializer):
    used = serializers.IntegerField()
    limit = serializers.IntegerField()


class Rupees(serializers.Serializer):
    used = Money(allow_null=True, help_text="null while there are no prices")
    limit = Money()


class Greek(serializers.Serializer):
    used = Money(allow_null=True, help_text="null while it is not known")
    limit = Money(allow_null=True, help_text="null: no limit")


class PairLimitBody(PairShape):
    """A pair's limits, and what of each is used at the last frame."""

    asof = serializers.DateTimeField(allow_null=True, help_text="market time of the prices")
    lots = Counted()
    day_loss = Rupees(help_text="of the trading day, after charges; 0 in profit")
    margin = Rupees(help_text="of the pair standing alone")
    margin_share = Money(
        allow_null=True,
        help_text="its part of the account's margin: stand-alone scaled to the portfolio's; "
        "null while there are no prices",
    )
    open_positions = Counted()
    delta = Greek(help_text="rupees an index point, without its sign")
    vega = Greek(help_text="rupees a vol point, without its sign")


class Limits(APIView):
    """Your pairs, newest first; an archived one as long as it holds something."""

    @extend_schema(
        summary="Limits of the pairs with what is used", parameters=parameters(PairFilter),
        responses=list_of(PairLimitBody), examples=[examples.listed("A condor", examples.LIMITS)],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        user, timeline = caller(request), timeline_or_problem()
        rows = narrowed(_pairs(user, timeline), PairFilter, COLUMNS, request)
        pages = CursorPages()
        pairs = pages.paginate_queryset(rows, request)
        held = _positions(user, timeline, pairs)
        frame = last_frame(timeline)
        shares = _shares(held, frame)
        used = [_used(pair, held[pair.pk], frame, shares.get(pair.pk, ZERO)) for pair in pairs]
        return pages.get_paginated_response(PairLimitBody(used, many=True).data)


def _pairs(user: User, timeline: Timeline) -> QuerySet[StrategyBrokerAllocation]:
    holding = Position.objects.filter(allocation=OuterRef("pk"), timeline=timeline).exclude(quantity=0)
    rows = StrategyBrokerAllocation.objects.filter(
        Q(archived_at=None) | Exists(holding), broker_account__in=accounts_of(user)
    )
    return rows.select_related("strategy__basket", "broker_account").prefetch_related(
        "strategy_version__legs"
    )


def _positions(
    user: User, timeline: Timeline, pairs: list[StrategyBrokerAllocation]
) -> dict[int, list[Position]]:
    """Of every pair of these pairs' accounts: a share needs the whole account."""
    found: dict[int, list[Position]] = defaultdict(list)
    accounts = {pair.broker_account_id for pair in pairs}
    for position in positions_of(user, timeline).filter(allocation__broker_account__in=accounts):
        found[position.allocation_id].append(position)
    return found


def _shares(
    positions: Mapping[int, list[Position]], frame: Frame | None
) -> dict[int, Decimal | None]:
    held = {pk: [(p.contract.spec, p.quantity) for p in rows] for pk, rows in positions.items()}
    if frame is None:
        return dict.fromkeys(held)
    accounts = {pk: rows[0].allocation.broker_account_id for pk, rows in positions.items() if rows}
    return margins.shares({pk: held[pk] for pk in accounts}, accounts, frame)


def _used(
    pair: StrategyBrokerAllocation,
    positions: list[Position],
    frame: Frame | None,
    share: Decimal | None,
) -> dict[str, Any]:
    held = [position for position in positions if position.quantity]
    day = marks.day_pnl(positions, frame) if frame else None
    delta, vega = greeks.amounts(_units(held), frame) if frame else greeks.UNKNOWN
    return {
        "allocation": pair,
        "asof": frame.now if frame else None,
        "lots": {"used": exposures.lots_held(pair, held), "limit": pair.max_lots},
        "day_loss": {"used": None if day is None else max(-day, ZERO), "limit": pair.max_day_loss},
        "margin": {"used": _margin(held, frame), "limit": pair.max_margin},
        "margin_share": share,
        "open_positions": {"used": len(held), "limit": pair.max_open_positions},
        "delta": {"used": delta, "limit": pair.max_delta},
        "vega": {"used": vega, "limit": pair.max_vega},
    }


def _units(held: list[Position]) -> dict[Contract, int]:
    units: dict[Contract, int] = defaultdict(int)
    for position in held:
        units[position.contract.spec] += position.quantity
    return units


def _margin(held: list[Position], frame: Frame | None) -> Decimal | None:
    if not held:
        return ZERO
    if frame is None:
        return None
    try:
        return margins.requirement([(p.contract.spec, p.quantity) for p in held], frame)
    except margins.NoMargin:
        return None
