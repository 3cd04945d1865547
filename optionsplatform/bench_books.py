"""Both ledgers of a running stack side by side: what is there twice, missing, invented or naked.

Imported once Django is set up. The simulator's own books are the witness.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from brokers.types import ALIVE
from execution.models import Fill, Order, OrderEvent, Position, StrategyExecution
from execution.moves import STOP
from execution.states import OrderState
from market.kernel.contracts import parse
from market.selectors import active_timeline

NEVER_LEFT = (OrderState.DRAFT, OrderState.READY, OrderState.DENIED, OrderState.NEVER_SENT)
Rows = list[dict[str, Any]]


@dataclass
class Findings:
    """Each list must be empty, but `unknown`: orders that wait for the broker, seen and told."""

    duplicates: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    phantoms: list[str] = field(default_factory=list)
    naked_shorts: list[str] = field(default_factory=list)
    stops_left: list[str] = field(default_factory=list)
    lost_fills: list[str] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)
    unexplained_unknown: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not any(found for name, found in vars(self).items() if name != "unknown")


class Books:
    """Reads both ledgers; the same connection to the simulator each time."""

    def __init__(self, simulator_url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=simulator_url, timeout=20, trust_env=False,
            headers={"authorization": f"Bearer {token}"},
        )  # fmt: skip

    def arm(self, kind: str, **which: Any) -> None:
        """A failure at the simulator."""
        self._client.post("/admin/faults", json={"kind": kind, **which}).raise_for_status()

    def disarm(self) -> None:
        self._client.delete("/admin/faults").raise_for_status()

    def theirs(self) -> Rows:
        answer = self._client.get("/admin/ledger", params={"timeline": active_timeline().key})
        answer.raise_for_status()
        accounts: Rows = answer.json()["accounts"]
        return accounts

    def placed(self) -> int:
        return sum(len(account["orders"]) for account in self.theirs())

    def compare(self) -> Findings:
        """Everything that one side has and the other does not, and shorts that were ever naked."""
        theirs, found = self.theirs(), Findings()
        ours = {
            order.client_ref: order
            for order in Order.objects.filter(timeline__active=True).select_related(
                "allocation__strategy_version", "execution"
            )
        }
        at_broker = [order for account in theirs for order in account["orders"]]
        trades = [trade for account in theirs for trade in account["trades"]]
        _orders(ours, at_broker, found)
        _fills(trades, found)
        _net(theirs, found)
        _prefixes(ours, trades, found)
        count_stops_left(ours, at_broker, trades, found)
        return found


def stops_at_broker() -> dict[str, int]:
    """What became of the stops that were placed at the broker."""
    stops = Order.objects.filter(timeline__active=True, order_type=STOP).exclude(broker_order_id="")
    moved = OrderEvent.objects.filter(order__in=stops, kind="follow", payload__answer__startswith="Ack")
    filled = stops.filter(filled_quantity__gt=0)
    return {
        "placed": stops.count(),
        "moved": moved.count(),
        "filled": filled.count(),
        "withdrawn": stops.filter(status=OrderState.CANCELLED).count(),
        "filled while withdrawn": filled.exclude(code="").count(),
    }


def is_quiet() -> bool:
    """No order is on its way, and no run is under way but those that wait for an UNKNOWN order."""
    mine = Order.objects.filter(timeline__active=True)
    waiting = mine.filter(status=OrderState.UNKNOWN).values("allocation")
    running = StrategyExecution.objects.filter(timeline__active=True, status__in=["due", "running"])
    return not (
        mine.filter(status=OrderState.SENDING).exists() or running.exclude(allocation__in=waiting).exists()
    )


def _orders(ours: dict[str, Order], at_broker: Rows, found: Findings) -> None:
    counts = Counter(order["client_ref"] for order in at_broker)
    found.duplicates += [f"{ref} is {count} times at the broker" for ref, count in counts.items() if count > 1]
    for ref in counts:
        order = ours.get(ref)
        if order is None or order.status in NEVER_LEFT:
            found.orphans.append(f"{ref} at the broker, {order.status if order else 'no row'} here")
        elif order.status == OrderState.UNKNOWN:
            found.unexplained_unknown.append(f"{ref} is UNKNOWN and at the broker")
    for ref, order in ours.items():
        if order.broker_order_id and ref not in counts:
            found.phantoms.append(f"{ref} {order.status} is not at the broker")
        elif order.status == OrderState.UNKNOWN and ref not in counts:
            found.unknown.append(f"{ref}: never arrived, looked up {order.lookups} times")


def _fills(trades: Rows, found: Findings) -> None:
    rows = Fill.objects.filter(timeline__active=True)
    here = Counter(
        (ref, trade_id, quantity, str(price))
        for ref, trade_id, quantity, price in rows.values_list(
            "order__client_ref", "trade_id", "quantity", "price"
        )
    )
    there = Counter((t["client_ref"], t["trade_id"], t["quantity"], t["price"]) for t in trades)
    found.lost_fills += [str(trade) for trade in (there - here)]
    found.phantoms += [f"fill {trade}" for trade in (here - there)]


def _net(theirs: Rows, found: Findings) -> None:
    here: Counter[tuple[str, str]] = Counter()
    rows = Position.objects.filter(timeline__active=True).exclude(quantity=0)
    for client, symbol, quantity in rows.values_list(
        "allocation__broker_account__broker", "contract__symbol", "quantity"
    ):
        here[client, symbol] += quantity
    there: Counter[tuple[str, str]] = Counter()
    for account in theirs:
        for position in account["positions"]:
            there[account["broker"], position["symbol"]] += position["quantity"]
    for key in sorted(here.keys() | there.keys()):
        if here[key] != there[key]:
            found.positions.append(f"{key}: {here[key]} here, {there[key]} at the broker")


def _prefixes(ours: dict[str, Order], trades: Rows, found: Findings) -> None:
    """After every trade of a pair its shorts were covered or declared naked."""
    held: dict[int, Counter[str]] = defaultdict(Counter)
    for trade in trades:
        order = ours.get(trade["client_ref"])
        if order is None:
            continue
        signed = trade["quantity"] if trade["side"] == "BUY" else -trade["quantity"]
        book = held[order.allocation_id]
        book[trade["symbol"]] += signed
        version, lots = order.allocation.strategy_version, order.execution.lots
        if order.execution.phase != "entry":
            lots = order.allocation.lots
        declared = {"CE": version.naked_calls * lots, "PE": version.naked_puts * lots}
        for kind, naked in declared.items():
            if (units := _uncovered(book.items(), kind)) > naked * parse(trade["symbol"]).lot_size:
                found.naked_shorts.append(f"{trade['trade_id']} left {units} short {kind} of pair {order.allocation_id}")


def count_stops_left(ours: dict[str, Order], at_broker: Rows, trades: Rows, found: Findings) -> None:
    """A stop at the broker never covers more than its pair is short there; flat, it has none."""
    short: Counter[tuple[int, str]] = Counter()
    for trade in trades:
        if (order := ours.get(trade["client_ref"])) is not None:
            signed = trade["quantity"] if trade["side"] == "SELL" else -trade["quantity"]
            short[order.allocation_id, trade["symbol"]] += signed
    resting: Counter[tuple[int, str]] = Counter()
    for row in at_broker:
        order = ours.get(row["client_ref"])
        if order is not None and row["order_type"] == STOP and row["status"] in ALIVE:
            resting[order.allocation_id, row["symbol"]] += row["quantity"] - row["filled_quantity"]
    for (pair, symbol), units in resting.items():
        if units > max(0, short[pair, symbol]):
            found.stops_left.append(
                f"stops for {units} {symbol} of pair {pair}, which is short {short[pair, symbol]}"
            )


def _uncovered(book: Iterable[tuple[str, int]], kind: str) -> int:
    """Short units of calls or puts beyond the longs, and the futures that cover them."""
    total = 0
    future = 1 if kind == "CE" else -1
    for symbol, units in book:
        option_type = parse(symbol).option_type
        if option_type == kind:
            total -= units
        elif option_type == "FUT":
            total -= max(0, units * future)
    return total
