"""What an owner may decide: settle a mismatch, adopt what was traded beside us, have the books read now."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Unpack

from django.db import transaction
from django.db.models import QuerySet

from allocations.models import StrategyBrokerAllocation
from brokers.models import BrokerAccount
from brokers.selectors import accounts_of
from execution.differences import Fix, Kind
from execution.engine import tell
from execution.engine.desk import Desk, Work, WorkKind
from execution.models import AccountPosition, Mismatch, Order, OrderEvent, Position
from execution.reconcile import adopt, books
from execution.reconcile.adopt import Part
from execution.reconcile.words import SAID, choices
from execution.selectors import mismatches_of
from execution.services import Act, pairs_in
from execution.states import OrderState
from market.kernel.money import on_tick
from users.errors import Conflict, Refused
from users.models import User
from users.services import record

#: Decisions that a later look has to carry out or confirm.
LATER = {Fix.CANCEL, Fix.LOOK_AGAIN}


def look_now(*, user: User, account_id: int | None, desk: Desk) -> list[Work]:
    """Have the books of one account, or of all that trade here, read as soon as a worker is free.

    BrokerAccount.DoesNotExist for another user's.
    """
    mine = accounts_of(user).filter(archived_at=None)
    ids = [mine.get(pk=account_id).pk] if account_id else [account.pk for account in mine]
    trading = [pk for pk, _ in books.accounts_in(desk.timeline) if pk in ids]
    books.ask(trading, desk.timeline, now=desk.wall)
    return [Work(WorkKind.RECONCILE, pk) for pk in trading]


@transaction.atomic
def settle(
    *, user: User, mismatch_id: int, fix: str, price: Decimal | None = None, desk: Desk, **act: Unpack[Act]
) -> Mismatch:
    """Carry out what the owner decided about a mismatch; Mismatch.DoesNotExist for another user's."""
    account_id = mismatches_of(user, desk.timeline).values_list("broker_account", flat=True).get(pk=mismatch_id)
    books.locked(BrokerAccount.objects.get(pk=account_id), desk)  # no look compares meanwhile
    rows = mismatches_of(user, desk.timeline).select_for_update(of=("self",), no_key=True)
    mismatch = rows.select_related("contract", "allocation", "order", "broker_account").get(pk=mismatch_id)
    if mismatch.resolved_at is not None:
        raise Conflict("already_settled", "This mismatch is settled already.", fix="Reload the page.")
    if fix not in choices(mismatch):
        allowed = ", ".join(choices(mismatch))
        raise Refused("not_a_fix", f"{fix!r} does not settle it.", fix=f"Use one of {allowed}.", field="fix")
    if (price is None) == (fix == Fix.BOOK_CLOSE):
        raise Refused("price", "A price is needed to book a close, and only for that.",
                      fix="Send the rupees a unit at which it was closed.", field="price")  # fmt: skip
    left = _apply(mismatch, Fix(fix), price, desk)
    _close(mismatch, Fix(fix), left, user, desk)
    books.ask([account_id], desk.timeline, now=desk.wall)
    _record(f"reconcile.{fix}", mismatch, user, {"subject": mismatch.subject, "price": price}, act)
    tell.book_changed(desk)
    return mismatch


@transaction.atomic
def adopt_external(  # noqa: PLR0913 - keyword only
    *, user: User, account_id: int, symbol: str, product: str, allocation_id: int, lots: int, desk: Desk,
    **act: Unpack[Act],
) -> Order:  # fmt: skip
    """Make lots that were traded beside us a pair's own; DoesNotExist for another user's account."""
    account = accounts_of(user).get(pk=account_id)
    books.locked(account, desk)
    row = _rows(desk).filter(
        broker_account=account, contract__symbol=symbol, product=product
    ).first()  # fmt: skip
    if row is None:
        raise Refused("not_external", f"Nothing of {symbol} as {product} is known in this account.",
                      fix="Look again, then choose from what is external.", field="contract")  # fmt: skip
    pair = _pair(user, account, allocation_id)
    units = lots * row.contract.lot_size
    _check_adoption(row, pair, units, desk)
    side = "BUY" if row.external > 0 else "SELL"
    parts = adopt.take(row, units, newest=False, side=side)
    if sum(part.units for part in parts) < units:
        raise Refused("no_trades", "The trades by which it was opened are not all known here.",
                      fix="Adopt fewer lots: those traded since the account was first read.", field="lots")  # fmt: skip
    order = adopt.book(pair, row, side, parts, desk)
    _less_external(row, units if side == "BUY" else -units)
    row.save()
    books.ask([account.pk], desk.timeline, now=desk.wall)
    _record("reconcile.adopt", order, user, {"pair": pair.pk, "contract": symbol, "lots": lots}, act)
    return order


def _apply(mismatch: Mismatch, fix: Fix, price: Decimal | None, desk: Desk) -> int:
    """Do it; units that are still missing afterwards."""
    acts: dict[Fix, Callable[[Mismatch, Desk], int]] = {
        Fix.ADOPT_CLOSE: _adopt_close, Fix.EXTERNAL: _external, Fix.MATCH: _match,
        Fix.NEVER_SENT: _never_sent, Fix.ENDED: _ended,
    }  # fmt: skip
    if fix is Fix.BOOK_CLOSE and price is not None:
        return _book_close(mismatch, price, desk)
    return acts[fix](mismatch, desk) if fix in acts else mismatch.missing


def _close(mismatch: Mismatch, fix: Fix, left: int, user: User, desk: Desk) -> None:
    mismatch.chosen, mismatch.chosen_by = fix, user
    mismatch.missing = left
    if fix not in LATER and not left:
        mismatch.resolved_at, mismatch.resolution = desk.wall, fix
    mismatch.save()


def _adopt_close(mismatch: Mismatch, desk: Desk) -> int:
    """The trade by hand closes the pair's position."""
    row, position = _of(mismatch, desk)
    units = min(abs(row.disputed), abs(position.quantity))
    side = "BUY" if row.disputed > 0 else "SELL"
    parts = adopt.take(row, units, newest=True, side=side)
    if not parts:
        raise Refused("no_trades", "The trades that closed it are not known here.",
                      fix=f"Choose {SAID[Fix.EXTERNAL].title.lower()!r}.", field="fix")  # fmt: skip
    adopt.book(position.allocation, row, side, parts, desk)
    done = sum(part.units for part in parts)
    _less_external(row, done if side == "BUY" else -done)
    row.save()
    return abs(row.disputed)


def _book_close(mismatch: Mismatch, price: Decimal, desk: Desk) -> int:
    """Units that are gone at the broker, closed at the price that the owner states."""
    row, position = _of(mismatch, desk)
    if price <= 0 or not on_tick(price, row.contract.tick_size):
        raise Refused("bad_price", f"{price} is not a price of {row.contract.symbol}.",
                      fix=f"Give a multiple of {row.contract.tick_size}.", field="price")  # fmt: skip
    units = min(mismatch.missing - abs(row.disputed), abs(position.quantity))
    if units <= 0:
        raise Refused("nothing_missing", "Nothing is missing without a trade.", fix="Look again.")
    side = "BUY" if position.quantity < 0 else "SELL"
    stated = Part(f"BOOKED-{mismatch.pk}", units, price, desk.now, "stated by the owner")
    adopt.book(position.allocation, row, side, [stated], desk)
    row.save()
    return mismatch.missing - units


def _external(mismatch: Mismatch, desk: Desk) -> int:
    """Nothing of it is ours; an orphan order's trades are counted so already."""
    if mismatch.kind != Kind.ORPHAN and mismatch.contract is not None:
        row = _row(mismatch.broker_account, mismatch.contract.symbol, mismatch.product, desk)
        row.external, row.disputed = row.theirs - row.ours, 0
        row.save()
    return 0


def _match(mismatch: Mismatch, desk: Desk) -> int:
    order = _order(mismatch, {OrderState.UNKNOWN, OrderState.SENDING})
    order.broker_order_id = mismatch.number
    order.save(update_fields=["broker_order_id"])
    _note(order, "matched", desk)
    return 0


def _never_sent(mismatch: Mismatch, desk: Desk) -> int:
    return _end(_order(mismatch, {OrderState.UNKNOWN}), OrderState.NEVER_SENT, desk)


def _ended(mismatch: Mismatch, desk: Desk) -> int:
    live = {OrderState.ACKED, OrderState.WORKING, OrderState.PARTIAL}
    return _end(_order(mismatch, live), OrderState.CANCELLED, desk)


def _end(order: Order, state: OrderState, desk: Desk) -> int:
    """By its owner's word; a fill that comes later still counts."""
    order.status, order.finished_at, order.next_lookup_at = state, desk.now, None
    order.pending_op = Order.PendingOp.NONE
    order.save()
    _note(order, str(state), desk)
    tell.order_changed(desk, order)
    return 0


def _order(mismatch: Mismatch, states: set[OrderState]) -> Order:
    assert mismatch.order_id is not None  # every mismatch of an order of ours names it
    order = (
        Order.objects.select_for_update(of=("self",), no_key=True)
        .select_related("broker_account")
        .get(pk=mismatch.order_id)
    )
    if order.status not in states:
        raise Conflict("order_moved", "The broker has answered about this order meanwhile.", fix="Look again.")
    return order


def _of(mismatch: Mismatch, desk: Desk) -> tuple[AccountPosition, Position]:
    """The account's row and the pair's position that a mismatch of units is about."""
    assert mismatch.contract is not None  # it is about units of a contract
    row = _row(mismatch.broker_account, mismatch.contract.symbol, mismatch.product, desk)
    held = Position.objects.filter(
        allocation=mismatch.allocation_id, timeline=desk.timeline, contract=row.contract,
        product=row.product,
    ).exclude(quantity=0)  # fmt: skip
    position = held.select_related("allocation__broker_account__user").first()
    if position is None:
        raise Conflict("position_moved", "The pair does not hold it any more.", fix="Look again.")
    StrategyBrokerAllocation.objects.select_for_update(no_key=True).get(pk=position.allocation_id)
    return row, position


def _row(account: BrokerAccount, symbol: str, product: str, desk: Desk) -> AccountPosition:
    return _rows(desk).get(broker_account=account, contract__symbol=symbol, product=product)


def _rows(desk: Desk) -> QuerySet[AccountPosition]:
    rows = AccountPosition.objects.select_for_update(of=("self",), no_key=True)
    return rows.filter(timeline=desk.timeline).select_related("contract")


def _pair(user: User, account: BrokerAccount, allocation_id: int) -> StrategyBrokerAllocation:
    """The user's pair, locked; it must be one of the account."""
    found = [p.pk for p in pairs_in(user=user, scope="account", target=account.pk)]
    rows = StrategyBrokerAllocation.objects.select_for_update(of=("self",), no_key=True)
    rows = rows.filter(pk__in=found, archived_at=None).select_related("strategy", "broker_account__user")
    pair = rows.filter(pk=allocation_id).first()
    if pair is None:
        raise Refused("unknown_pair", "That is no pair of this account.",
                      fix="Choose a pair of yours on it.", field="allocation_id")  # fmt: skip
    return pair


def _check_adoption(
    row: AccountPosition, pair: StrategyBrokerAllocation, units: int, desk: Desk
) -> None:
    contract = row.contract
    if not 0 < units <= abs(row.external):
        most = abs(row.external) // contract.lot_size
        raise Refused("too_many_lots", f"{most} lots of {contract.symbol} are external.",
                      fix=f"Adopt 1 to {most}." if most else "Look again: nothing of it is external.",
                      field="lots")  # fmt: skip
    if contract.underlying != pair.strategy.underlying or row.product != pair.product:
        raise Refused(
            "other_pair", f"The pair trades {pair.strategy.underlying} as {pair.product}, this is "
            f"{contract.underlying} as {row.product}.", fix="Choose a pair that trades the same.",
            field="allocation_id",
        )  # fmt: skip
    if contract.expiry < desk.day:
        raise Refused("expired", f"{contract.symbol} has expired.", fix="There is nothing to adopt.")


def _less_external(row: AccountPosition, signed: int) -> None:
    """So many units of the external ones are a pair's now, disputed ones first."""
    row.external -= signed
    if row.disputed * signed > 0:
        taken = min(abs(row.disputed), abs(signed))
        row.disputed -= taken if signed > 0 else -taken


def _note(order: Order, kind: str, desk: Desk) -> None:
    event = OrderEvent(
        order=order, kind=kind, source="user", dedupe_key=f"user:{kind}", payload={}, at=desk.now
    )
    OrderEvent.objects.bulk_create([event], ignore_conflicts=True)


def _record(action: str, obj: Mismatch | Order, owner: User, after: dict[str, object], act: Act) -> None:
    record(
        actor=act["by"], owner=owner, action=action, obj=obj, source=act["source"], now=act["now"],
        address=act.get("address"),
        after={name: str(value) for name, value in after.items() if value is not None},
    )  # fmt: skip
