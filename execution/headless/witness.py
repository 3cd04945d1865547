"""The simulator's ledger against ours: every order and trade of either must be explained by the other."""

from __future__ import annotations

from collections import Counter
from typing import Any

from execution.headless.play import Player
from execution.models import Fill, Order, Position
from execution.states import OrderState

NEVER_LEFT = (OrderState.DRAFT, OrderState.READY, OrderState.DENIED)


def compare(player: Player) -> dict[str, Any]:
    """Counts of both books; `unexplained` is how many rows of either the other does not have."""
    timeline = player.timeline
    theirs = player.ledger()["accounts"]
    their_orders = Counter(o["client_ref"] for a in theirs for o in a["orders"])
    our_orders = Counter(
        Order.objects.filter(timeline=timeline)
        .exclude(status__in=NEVER_LEFT)
        .exclude(broker_order_id="")
        .values_list("client_ref", flat=True)
    )
    their_trades = Counter(
        (t["client_ref"], t["quantity"], t["price"]) for a in theirs for t in a["trades"]
    )
    our_trades = Counter(
        (ref, quantity, str(price))
        for ref, quantity, price in Fill.objects.filter(timeline=timeline).values_list(
            "order__client_ref", "quantity", "price"
        )
    )
    their_net = Counter[str]()
    for account in theirs:
        for position in account["positions"]:
            their_net[f"{account['account']} {position['symbol']}"] += position["quantity"]
    differences = [
        *_apart(their_orders, our_orders),
        *_apart(their_trades, our_trades),
        *_apart(_nonzero(sorted(their_net.values())), _nonzero(_our_net(player))),
    ]
    return {
        "their_orders": their_orders.total(),
        "our_orders": our_orders.total(),
        "their_trades": their_trades.total(),
        "our_trades": our_trades.total(),
        "sent_twice": sum(count - 1 for count in their_orders.values()),
        "unexplained": len(differences),
        "differences": [str(difference) for difference in differences],
    }


def _our_net(player: Player) -> list[int]:
    net: Counter[tuple[int, int]] = Counter()
    rows = Position.objects.filter(timeline=player.timeline)
    for account, contract, quantity in rows.values_list(
        "allocation__broker_account_id", "contract_id", "quantity"
    ):
        net[account, contract] += quantity
    return sorted(net.values())


def _nonzero(quantities: list[int]) -> Counter[int]:
    return Counter(quantity for quantity in quantities if quantity)


def _apart(one: Counter[Any], other: Counter[Any]) -> list[Any]:
    return [*(one - other).elements(), *(other - one).elements()]
