"""Our side of a comparison, read in a constant number of queries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from brokers.models import BrokerAccount
from brokers.types import BrokerOrder, BrokerStatus
from execution.differences import OurOrder
from execution.engine.desk import Desk
from execution.models import Fill, Order, Position
from execution.states import AT_BROKER, OrderState
from users.prepared import Param, Prepared

Key = tuple[str, str]  # contract and product
JUST_SENT = timedelta(seconds=5)
ADOPTED = "adopt"  # the cause of runs whose fills no order of ours made


def _orders(condition: Q) -> QuerySet[Order]:
    mine = {"broker_account": Param("account"), "timeline": Param("timeline")}
    return Order.objects.filter(condition, **mine).select_related("contract")


LIVE = Prepared(lambda: _orders(Q(status__in=AT_BROKER)))
UNANSWERED = Prepared(
    lambda: _orders(Q(status__in=(OrderState.SENDING, OrderState.UNKNOWN), broker_order_id=""))
)
CONCERNED = Prepared(
    lambda: _orders(
        Q(status__in=AT_BROKER)
        | Q(client_ref__among=Param("tags"))
        | Q(broker_order_id__among=Param("numbers"))
        | Q(sending_at__gte=Param("since"))
    )
)
FILLS = Prepared(
    lambda: Fill.objects.filter(
        broker_account=Param("account"), timeline=Param("timeline"), trading_day=Param("day")
    ).exclude(order__execution__cause=ADOPTED).values_list("trade_id", flat=True)
)  # fmt: skip
HELD = Prepared(
    lambda: Position.objects.filter(
        allocation__broker_account=Param("account"), timeline=Param("timeline")
    ).exclude(quantity=0).values_list("contract__symbol", "product", "allocation_id", "quantity")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Before:
    """What we knew before the books were asked for: whoever moved since is given time."""

    live: dict[int, tuple[Key, int]]
    fills: frozenset[str]


@dataclass(slots=True)
class Ours:
    """What we hold and have at the broker, after the books were applied."""

    orders: list[OurOrder]
    rows: dict[str, Order]
    in_flight: Counter[Key]
    held: Counter[Key] = field(default_factory=Counter)
    pairs: dict[Key, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def largest(self, key: Key) -> int | None:
        """The pair that holds most of it."""
        of_pairs = self.pairs.get(key, {})
        return max(of_pairs, key=lambda pair: (abs(of_pairs[pair]), -pair), default=None)


def before(account: BrokerAccount, desk: Desk) -> Before:
    """Two queries."""
    mine = {"account": account.pk, "timeline": desk.timeline.pk}
    rows = LIVE.rows(**mine)
    return Before(
        {order.pk: (_key(order), order.quantity - order.filled_quantity) for order in rows},
        frozenset(FILLS.rows(**mine, day=desk.day)),
    )


def after(account: BrokerAccount, theirs: list[BrokerOrder], earlier: Before, desk: Desk) -> Ours:
    """Two queries: orders that are live or in the broker's book, and positions."""
    tags = {row.client_ref for row in theirs if row.client_ref}
    numbers = {row.broker_order_id for row in theirs if not row.client_ref}
    rows = CONCERNED.rows(
        account=account.pk, timeline=desk.timeline.pk, tags=list(tags), numbers=list(numbers),
        since=desk.wall - JUST_SENT,
    )  # fmt: skip
    ours = Ours(
        [_plain(order, earlier, desk.wall) for order in rows],
        {order.client_ref: order for order in rows},
        _in_flight(rows, earlier, desk.wall, _pending(theirs)),
    )
    _count_positions(ours, account, desk)
    return ours


def unanswered(account: BrokerAccount, desk: Desk) -> list[OurOrder]:
    """Orders without an answer whose number at the broker is not known."""
    rows = UNANSWERED.rows(account=account.pk, timeline=desk.timeline.pk)
    return [_plain(order, None, desk.wall) for order in rows]


def _count_positions(ours: Ours, account: BrokerAccount, desk: Desk) -> None:
    rows = HELD.rows(account=account.pk, timeline=desk.timeline.pk)
    for symbol, product, pair, quantity in rows:
        ours.held[symbol, product] += quantity
        ours.pairs[symbol, product][pair] = quantity


def _pending(theirs: list[BrokerOrder]) -> set[str]:
    """Tags and numbers of stops whose trigger has not come: they explain nothing. One that fills
    between two of the books is found by the second look."""
    waiting = [row for row in theirs if row.status is BrokerStatus.TRIGGER_PENDING]
    return {row.client_ref or row.broker_order_id for row in waiting}


def _in_flight(
    rows: Iterable[Order], earlier: Before, wall: datetime, pending: set[str]
) -> Counter[Key]:
    """Units that may have filled at the broker, or here, while the books were read."""
    units: Counter[Key] = Counter()
    waiting = {o.pk for o in rows if o.client_ref in pending or o.broker_order_id in pending}
    for pk, (key, left) in earlier.live.items():
        if pk not in waiting:
            units[key] += left
    for order in rows:
        if order.pk in earlier.live or order.pk in waiting:
            continue
        just_sent = order.sending_at is not None and order.sending_at >= wall - JUST_SENT
        if order.status in AT_BROKER or just_sent:
            units[_key(order)] += order.quantity
    return units


def _plain(order: Order, earlier: Before | None, wall: datetime) -> OurOrder:
    return OurOrder(
        ref=order.client_ref,
        number=order.broker_order_id,
        state=OrderState(order.status),
        symbol=order.contract.symbol,
        product=order.product,
        side=order.side,
        quantity=order.quantity,
        created_at=order.created_at,
        age=wall - order.sending_at if order.sending_at else timedelta(0),
        was_live=earlier is None or order.pk in earlier.live,
    )


def _key(order: Order) -> Key:
    return order.contract.symbol, order.product
