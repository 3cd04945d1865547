"""The scopes a user can stop: everything, each account, basket, strategy and pair; what is open in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from allocations.models import StrategyBrokerAllocation
from allocations.risk import Effective, tightest
from allocations.selectors import allocations_of, effective_states, states_of, target_id
from brokers.selectors import open_accounts_of
from execution.live.rows import Row
from execution.models import Order, Position
from execution.selectors import orders_of, positions_of
from execution.states import OPEN_STATES
from execution.views.book import book_of
from market.kernel.money import ZERO
from market.models import Timeline
from strategies.templatetags.strategy import contract_name
from users.models import User

EVERYTHING = ("user", None)


@dataclass(frozen=True, slots=True)
class Node:
    """One scope; `id` is None for everything."""

    scope: str
    id: int | None
    name: str
    kind: str
    depth: int
    held: Effective
    positions: int
    orders: int
    row: Row
    margin: Decimal | None

    @property
    def target(self) -> str:
        return "" if self.id is None else str(self.id)

    @property
    def key(self) -> str:
        return "summary:all" if self.id is None else f"summary:{self.scope}:{self.id}"


@dataclass(frozen=True, slots=True)
class Item:
    """Something open that a verb will touch."""

    contract: str
    pair: str
    quantity: int
    fate: str


@dataclass(slots=True)
class Open:
    positions: list[Item] = field(default_factory=list)
    orders: list[Item] = field(default_factory=list)


def tree_of(user: User, timeline: Timeline | None, *, valued: bool = False) -> list[Node]:
    """Everything first, then accounts, then baskets with their strategies and pairs."""
    pairs = list(allocations_of(user))
    states = effective_states(pairs)
    positions, orders = _counts(user, timeline)
    book = book_of(user, timeline, pairs, states) if valued else None
    rows = book.summary if book else {}
    margins = _margins(pairs, book.shares if book else {})
    own = _own_states(user)

    def node(scope: str, pk: int | None, name: str, kind: str, depth: int) -> Node:
        key = "all" if pk is None else f"{scope}:{pk}"
        held = states[pk] if scope == "pair" and pk else _tightest_of(own, scope, pk)
        place = (scope, pk)
        return Node(
            scope, pk, name, kind, depth, held, positions[place], orders[place],
            rows.get(key, {}), margins.get(place),
        )  # fmt: skip

    tree = [node("user", None, "Everything you run", "all accounts", 0)]
    accounts = open_accounts_of(user).order_by("pk")
    tree += [node("account", a.pk, a.label, "broker account", 1) for a in accounts]
    for basket, in_basket in _grouped(pairs, lambda pair: pair.strategy.basket):
        tree.append(node("basket", basket.pk, basket.name, "basket", 1))
        for strategy, mine in _grouped(in_basket, lambda pair: pair.strategy):
            tree.append(node("strategy", strategy.pk, strategy.name, "strategy", 2))
            tree += [
                node("pair", p.pk, f"{strategy.name} on {p.broker_account.label}", "pair", 3) for p in mine
            ]
    return tree


def open_in(user: User, timeline: Timeline | None, node: Node) -> Open:
    """Positions and unfinished orders of the scope."""
    found = Open()
    if timeline is None:
        return found
    column = _COLUMNS[node.scope]
    only = {column: node.id} if column else {}
    positions = list(positions_of(user, timeline).exclude(quantity=0).filter(**only))
    orders = list(_unfinished(user, timeline).filter(**only))
    found.positions = [_held(position) for position in positions]
    found.orders = [_waiting(order) for order in orders]
    return found


_COLUMNS = {
    "user": "",
    "account": "allocation__broker_account",
    "basket": "allocation__strategy__basket",
    "strategy": "allocation__strategy",
    "pair": "allocation",
}


def _held(position: Position) -> Item:
    side = "bought back" if position.quantity < 0 else "sold"
    return Item(contract_name(position.contract.spec), _pair(position), position.quantity, side)


def _waiting(order: Order) -> Item:
    left = order.quantity - order.filled_quantity
    signed = left if order.side == "BUY" else -left
    return Item(contract_name(order.contract.spec), _pair(order), signed, "order cancelled")


def _pair(row: Position | Order) -> str:
    return f"{row.allocation.strategy.name} on {row.allocation.broker_account.label}"


def _unfinished(user: User, timeline: Timeline) -> Any:
    rows = orders_of(user).filter(timeline=timeline, status__in=OPEN_STATES)
    return rows.select_related("allocation__broker_account")


def _counts(user: User, timeline: Timeline | None) -> tuple[Counter[Any], Counter[Any]]:
    if timeline is None:
        return Counter(), Counter()
    held = positions_of(user, timeline).exclude(quantity=0)
    return _counted(held), _counted(_unfinished(user, timeline))


def _counted(rows: Iterable[Position | Order]) -> Counter[Any]:
    counts: Counter[Any] = Counter()
    for row in rows:
        counts.update(_places(row.allocation))
    return counts


def _places(pair: StrategyBrokerAllocation) -> list[tuple[str, int | None]]:
    """Every scope that a pair counts in."""
    return [
        EVERYTHING,
        ("account", pair.broker_account_id),
        ("basket", pair.strategy.basket_id),
        ("strategy", pair.strategy_id),
        ("pair", pair.pk),
    ]


def _margins(
    pairs: Iterable[StrategyBrokerAllocation], shares: Mapping[int, Decimal | None]
) -> dict[Any, Decimal | None]:
    """The pairs' shares of their accounts' margins, summed by scope; None where one is unknown."""
    sums: dict[Any, Decimal | None] = {}
    for pair in pairs:
        share = shares.get(pair.pk, ZERO)
        for place in _places(pair) if pair.pk in shares else []:
            known = sums.get(place, ZERO)
            sums[place] = None if known is None or share is None else known + share
    return sums


def _own_states(user: User) -> Mapping[tuple[str, int | None], Effective]:
    return {
        (row.scope, target_id(row)): Effective(state=row.state, scope=row.scope, reason=row.reason)
        for row in states_of(user)
    }


def _tightest_of(
    own: Mapping[tuple[str, int | None], Effective], scope: str, pk: int | None
) -> Effective:
    places = [("installation", None), EVERYTHING, (scope, pk)]
    return tightest(own[place] for place in places if place in own)


def _grouped(
    pairs: Iterable[StrategyBrokerAllocation], by: Any
) -> list[tuple[Any, list[StrategyBrokerAllocation]]]:
    groups: dict[int, tuple[Any, list[StrategyBrokerAllocation]]] = {}
    for pair in pairs:
        obj = by(pair)
        groups.setdefault(obj.pk, (obj, []))[1].append(pair)
    return list(groups.values())
