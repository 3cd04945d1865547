"""Cash settlement at expiry: at the official value when it is known, else provisionally by the
expiring series' own parity. No order is sent; a final value later corrects a provisional one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from execution.engine import tell
from execution.engine.desk import Desk
from execution.engine.kept_rows import provisional
from execution.engine.projecting import project_position
from execution.engine.snapshot import Snapshot
from execution.models import PerformanceMetric, Position, Settlement
from market.kernel import charges, settlement
from market.kernel.clock import ist_day
from market.kernel.contracts import Contract
from market.kernel.money import ZERO, rupees
from market.models import SettlementPrice

Official = dict[tuple[str, date], SettlementPrice]


@dataclass(frozen=True, slots=True)
class Value:
    """The underlying's settlement value and where it is from."""

    price: Decimal
    provisional: bool
    source: str


def settle_expired(desk: Desk, seen: Snapshot) -> None:
    """Settle what has expired and correct provisional settlements whose official value has come."""
    held = (position for rows in seen.held.values() for position in rows)
    expired = [position for position in held if _is_over(position.contract.spec, desk)]
    corrigible = seen.corrigible
    if not expired and not corrigible:
        return
    official = {
        (row.underlying, row.day): row
        for row in SettlementPrice.objects.filter(timeline=desk.timeline)
    }
    for position in expired:
        value = _value(position.contract.spec, official, desk)
        if value is None:
            _tell_missing(position, desk)
        else:
            settle(position.pk, value, desk)
    for early in corrigible:
        contract = early.position.contract
        row = official.get((contract.underlying, contract.expiry))
        if row is not None:
            settle(early.position_id, Value(row.price, provisional=False, source=row.source), desk)


@transaction.atomic
def settle(position_id: int, value: Value, desk: Desk) -> Position:
    """Write the settlement row of a position, and the position and its P&L anew."""
    position = (
        Position.objects.select_for_update(of=("self",), no_key=True)
        .select_related("contract", "allocation__broker_account__user")
        .get(pk=position_id)
    )
    earlier = Settlement.objects.filter(position=position).order_by("provisional").first()
    if earlier is not None and (value.provisional or not earlier.provisional):
        return position
    if earlier is None and position.quantity == 0:  # closed since it was read
        return position
    quantity = earlier.quantity if earlier else position.quantity
    contract = position.contract.spec
    price = settlement_price(contract, value.price)
    cost = position.cost
    if earlier is not None:
        cost = earlier.quantity * earlier.price - earlier.amount
    written = Settlement.objects.create(
        position=position,
        trading_day=contract.expiry,
        quantity=quantity,
        price=price,
        underlying_price=value.price,
        provisional=value.provisional,
        source=value.source,
        amount=rupees(quantity * price - cost),
        charges=charges.for_settlement(contract, quantity, value.price, contract.expiry).total,
        at=desk.now,
    )
    if earlier is not None:
        _restate(position, earlier, written, desk)
    return project_position(position, desk)


def _restate(position: Position, before: Settlement, after: Settlement, desk: Desk) -> None:
    """The difference belongs to the expiry day: its metric is corrected, today's P&L is not."""
    change = after.amount - before.amount
    charges_change = after.charges - before.charges
    if position.day is not None and position.day > after.trading_day:
        position.day_opening_pnl += change
        position.day_charges_before += charges_change
    metric = PerformanceMetric.objects.filter(
        allocation=position.allocation, timeline=desk.timeline, trading_day=after.trading_day
    )
    waiting = provisional(desk.timeline).filter(position__allocation=position.allocation)
    metric.update(
        realised=F("realised") + change,
        charges=F("charges") + charges_change,
        net=F("net") + change - charges_change,
        provisional=waiting.exclude(position=position).filter(trading_day=after.trading_day).exists(),
    )


def settlement_price(contract: Contract, underlying: Decimal) -> Decimal:
    """What one unit is worth at settlement: intrinsic value of an option, the value for a future."""
    if contract.strike is None:
        return underlying
    gap = underlying - contract.strike
    return max(gap if contract.is_call else -gap, ZERO)


def _is_over(contract: Contract, desk: Desk) -> bool:
    """Whether the contract's last session has closed."""
    return desk.has_closed(contract.exchange, contract.expiry)


def _value(contract: Contract, official: Official, desk: Desk) -> Value | None:
    row = official.get((contract.underlying, contract.expiry))
    if row is not None:
        return Value(row.price, provisional=False, source=row.source)
    forward = desk.frame.forwards.get((contract.underlying, contract.expiry))
    if forward is None or ist_day(desk.frame.now) != contract.expiry:
        return None
    basis = settlement.rule(contract.exchange, contract.expiry).basis
    source = f"parity of the expiring series at the last frame; the {basis} is not known yet"
    return Value(rupees(forward), provisional=True, source=source)


def _tell_missing(position: Position, desk: Desk) -> None:
    contract = position.contract
    tell.tell(
        desk,
        position.allocation,
        kind="settlement_missing",
        severity=tell.Severity.WARNING,
        title=f"{contract.underlying} {contract.expiry:%d %b} has no settlement value",
        body="The expired position cannot be settled until an operator enters the official value, the "
        f"{settlement.rule(contract.spec.exchange, contract.expiry).basis} (admin: Settlement prices).",
        dedupe_key=f"settlement:{contract.underlying}:{contract.expiry}",
    )
