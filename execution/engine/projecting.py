"""Positions written anew from fills and settlements, several at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from decimal import Decimal

import pgbulk

from execution.engine import tell
from execution.engine.desk import Desk
from execution.models import Fill, Order, Position, Settlement
from execution.positions import Holding, Trade, project, settled
from market.kernel.money import ZERO, rupees
from market.models import Timeline
from users.prepared import Param, Prepared, insert

Key = tuple[int, int, str]  # pair, contract, product
WRITTEN = [
    "leg_number", "quantity", "cost", "average_price", "realised", "charges", "opened_at", "updated_at",
    "day_opening_pnl", "day_charges_before",
]  # fmt: skip


LOCKED = Prepared(
    lambda: Position.objects.select_for_update(no_key=True)
    .filter(
        timeline=Param("timeline"), allocation__among=Param("pairs"), contract__among=Param("contracts")
    )
    .order_by("pk")
)
SETTLED = Prepared(
    lambda: Settlement.objects.filter(position__among=Param("ids")).order_by("-provisional")
)
FILLED = Prepared(
    lambda: Order.objects.filter(
        timeline=Param("timeline"), allocation__among=Param("pairs"), contract__among=Param("contracts"),
        filled_quantity__gt=0,
    ).values_list("pk", "allocation_id", "contract_id", "product", "charges")
)  # fmt: skip
DEALT = Prepared(
    lambda: Fill.objects.filter(order__among=Param("orders"))
    .order_by("at", "trade_id")
    .values_list("order_id", "side", "quantity", "price")
)


def rebuild(orders: Collection[Order], desk: Desk) -> list[Position]:
    """Project each pair's fills of these orders' contracts, in exchange order, onto its position."""
    if not orders:
        return []
    newest = {_key(order): order for order in orders}
    held = _locked(newest.keys(), desk.timeline)
    missing = newest.keys() - {_key(position) for position in held}
    if missing:
        fresh = [_new(newest[key], desk) for key in sorted(missing)]
        insert(fresh, ignore_conflicts=True)
        held = _locked(newest.keys(), desk.timeline)
    for position in held:
        if position.quantity == 0:  # a leg of another run may have held this contract before
            position.leg_number = newest[_key(position)].leg_number
    return project_all(held, desk)


def project_position(position: Position, desk: Desk) -> Position:
    """Write the locked position anew from its fills and settlements."""
    (written,) = project_all([position], desk)
    return written


def project_all(positions: list[Position], desk: Desk) -> list[Position]:
    """Write the locked positions anew; three reads, however many."""
    wanted = {_key(position) for position in positions}
    fills, spent = _fills(wanted, desk.timeline)
    settlements: dict[int, Settlement] = {}
    for row in SETTLED.rows(ids=[position.pk for position in positions]):
        settlements[row.position_id] = row  # the final one comes last
    for position in positions:
        key = _key(position)
        _write(position, project(fills[key]), spent[key], settlements.get(position.pk), desk)
    pgbulk.update(Position, positions, WRITTEN)
    tell.book_changed(desk)
    return positions


def _fills(wanted: set[Key], timeline: Timeline) -> tuple[dict[Key, list[Trade]], dict[Key, Decimal]]:
    """By position, its trades in exchange order and the charges of its orders."""
    pairs, contracts = {pair for pair, _, _ in wanted}, {contract for _, contract, _ in wanted}
    rows = FILLED.rows(timeline=timeline.pk, pairs=list(pairs), contracts=list(contracts))
    key_of: dict[int, Key] = {}
    spent: dict[Key, Decimal] = defaultdict(Decimal)
    for pk, pair, contract, product, charges in rows:
        key_of[pk] = (pair, contract, product)
        spent[key_of[pk]] += charges
    trades: dict[Key, list[Trade]] = defaultdict(list)
    for order_id, side, quantity, price in DEALT.rows(orders=list(key_of)):
        trades[key_of[order_id]].append(Trade(side, quantity, price))
    return trades, spent


def _write(
    position: Position, holding: Holding, charges: Decimal, settlement: Settlement | None, desk: Desk
) -> None:
    if settlement is not None:
        holding = settled(holding, settlement.price)
        charges += settlement.charges
    if position.quantity == 0 and holding.quantity:
        position.opened_at = desk.now
    position.quantity = holding.quantity
    position.cost = rupees(holding.cost)
    position.average_price = holding.average_price
    position.realised = rupees(holding.realised)
    position.charges = charges or ZERO
    position.updated_at = desk.now


def _locked(keys: Iterable[Key], timeline: Timeline) -> list[Position]:
    wanted = set(keys)
    rows = LOCKED.rows(
        timeline=timeline.pk,
        pairs=list({pair for pair, _, _ in wanted}),
        contracts=list({contract for _, contract, _ in wanted}),
    )
    return [position for position in rows if _key(position) in wanted]


def _new(order: Order, desk: Desk) -> Position:
    return Position(
        allocation_id=order.allocation_id, contract_id=order.contract_id, product=order.product,
        timeline=desk.timeline, leg_number=order.leg_number, day=desk.day,
    )  # fmt: skip


def _key(row: Order | Position) -> Key:
    return (row.allocation_id, row.contract_id, row.product)
