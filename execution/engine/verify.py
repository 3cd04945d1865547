"""Whether what was to be closed is closed at the broker too: its own books are read and compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta

from brokers.types import ALIVE, BrokerOrder, BrokerPosition, ReadFailed
from execution import services
from execution.engine import closes
from execution.engine.desk import Desk, Work
from execution.engine.wires import open_wire
from execution.models import Order, Position, ReceiptAccount
from execution.states import OPEN_STATES

WHILE_CLOSING = timedelta(seconds=1)
LONGEST_WAIT = timedelta(seconds=60)
Units = Mapping[tuple[str, str], int]


def verify(part_id: int, desk: Desk) -> list[Work]:
    """Look at one account of a receipt: flat in our books first, then by the broker's word. Worthless
    longs may be left to expire: the broker must have these units and no others.
    """
    part = ReceiptAccount.objects.select_related("receipt__user", "broker_account").get(pk=part_id)
    if part.verified_at is not None:
        return []
    pairs = {pair.pk for pair in services.pairs_in(
        user=part.receipt.user, scope=part.receipt.scope, target=part.receipt.target)}  # fmt: skip
    ours = _positions(part)
    mine = [row for row in ours if row.allocation_id in pairs]
    if not all(closes.is_worthless(row, desk) for row in mine) or _working(part, pairs):
        return _again(part, desk, wait=WHILE_CLOSING, said=[])
    try:
        wire = open_wire(desk, part.broker_account)
        positions, orders = wire.positions(), wire.orders()
    except ReadFailed as error:
        return _again(part, desk, said=[f"The broker's book could not be read: {error}"])
    expected = _units((row.contract.symbol, row.product, row.quantity) for row in ours)
    differs, foreign = compare(set(part.symbols), expected, _broker(positions))
    differs += _open_at_broker(orders, pairs)
    if differs:
        return _again(part, desk, said=[*differs, *foreign])
    ReceiptAccount.objects.filter(pk=part.pk, verified_at=None).update(
        verified_at=desk.now, said=foreign, checks=part.checks + 1,
        left_to_expire=[f"{row.quantity:+d} {row.contract.symbol}" for row in mine],
    )
    return []


def compare(symbols: set[str], ours: Units, broker: Units) -> tuple[list[str], list[str]]:
    """(differences in these contracts, what of other contracts is not ours), in words.

    `ours` is what our other pairs hold, and what is left to expire: in a contract that was to be closed
    nothing else may be left.
    """
    differs, foreign = [], []
    for symbol, product in sorted(broker.keys() | ours.keys()):
        units = broker.get((symbol, product), 0) - ours.get((symbol, product), 0)
        if units and symbol in symbols:
            differs.append(f"{units:+d} {symbol} ({product}) at the broker are in none of our books")
        elif units:
            foreign.append(f"{units:+d} {symbol} ({product}) is not ours and was left alone")
    return differs, foreign


def _open_at_broker(orders: Iterable[BrokerOrder], pairs: set[int]) -> list[str]:
    """Orders of these pairs that the broker still works on."""
    resting = {o.client_ref: o for o in orders if o.status in ALIVE}
    refs = Order.objects.filter(client_ref__in=resting, allocation__in=pairs).order_by("pk")
    return [
        f"the order {ref} in {resting[ref].symbol} is still open at the broker"
        for ref in refs.values_list("client_ref", flat=True)
    ]


def _again(part: ReceiptAccount, desk: Desk, *, said: list[str], wait: timedelta | None = None) -> list[Work]:
    """Ask again after a while: it doubles while the broker's book and ours differ."""
    grown = min(timedelta(seconds=2 ** min(part.checks, 6)), LONGEST_WAIT)
    checks = part.checks + (1 if wait is None else 0)
    ReceiptAccount.objects.filter(pk=part.pk, verified_at=None).update(
        next_check_at=desk.wall + (wait or grown), checks=checks, said=said
    )
    return []


def _positions(part: ReceiptAccount) -> list[Position]:
    rows = Position.objects.filter(
        timeline=part.receipt.timeline_id, allocation__broker_account=part.broker_account_id
    ).exclude(quantity=0)
    return list(rows.select_related("contract").order_by("contract__symbol", "pk"))


def _working(part: ReceiptAccount, pairs: set[int]) -> bool:
    return Order.objects.filter(
        timeline=part.receipt.timeline_id, broker_account=part.broker_account_id,
        allocation__in=pairs, status__in=OPEN_STATES,
    ).exists()  # fmt: skip


def _broker(positions: Iterable[BrokerPosition]) -> Units:
    return _units((row.symbol, row.product.value, row.quantity) for row in positions)


def _units(rows: Iterable[tuple[str, str, int]]) -> Units:
    units: dict[tuple[str, str], int] = defaultdict(int)
    for symbol, product, quantity in rows:
        units[symbol, product] += quantity
    return units
