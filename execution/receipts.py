"""Receipts of acts that close: written with the act, read while it runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from allocations.models import StrategyBrokerAllocation
from execution.models import Order, Position, Receipt, ReceiptAccount
from execution.states import OPEN_STATES
from market.models import Timeline
from users.models import User


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one account has come; `left` names what is open in our books, `said` what the broker adds."""

    account: str
    positions_closed: int
    positions_open: int
    orders_ended: int
    orders_open: int
    left: list[str]
    said: list[str]
    left_to_expire: list[str]
    verified_at: datetime | None

    @property
    def verdict(self) -> str:
        """Verified flat, or except what is left to expire."""
        return f"Verified flat{besides(self.left_to_expire)}"


def write(  # noqa: PLR0913 - keyword only
    *,
    user: User,
    verb: str,
    scope: str,
    target: int | None,
    name: str,
    pairs: Sequence[StrategyBrokerAllocation],
    now: datetime,
) -> Receipt | None:
    """The receipt of an act over these pairs, in the act's transaction; None while no market runs."""
    timeline = Timeline.objects.filter(active=True).first()
    if timeline is None:
        return None
    receipt = Receipt.objects.create(
        user=user, verb=verb, scope=scope, target=target, name=name[:200], timeline=timeline, at=now
    )
    held = _symbols(_held(pairs, timeline), "allocation__broker_account_id")
    working = _symbols(_working(pairs, timeline), "broker_account_id")
    ReceiptAccount.objects.bulk_create(
        ReceiptAccount(
            receipt=receipt, broker_account_id=account,
            positions=len(held[account]), orders=len(working[account]),
            symbols=sorted({*held[account], *working[account]}),
        )
        for account in sorted({pair.broker_account_id for pair in pairs})
    )  # fmt: skip
    return receipt


def _symbols(rows: QuerySet[Any], account: str) -> dict[int, list[str]]:
    """By account, the contract of each row."""
    found: dict[int, list[str]] = defaultdict(list)
    for pk, symbol in rows.values_list(account, "contract__symbol"):
        found[pk].append(symbol)
    return found


def receipts_of(user: User) -> QuerySet[Receipt]:
    """The user's receipts, newest first."""
    rows = Receipt.objects.filter(user=user).select_related("timeline", "user")
    return rows.prefetch_related("accounts__broker_account").order_by("-pk")


def newest(user: User, *, verb: str, scope: str, target: int | None) -> Receipt | None:
    return receipts_of(user).filter(verb=verb, scope=scope, target=target).first()


def progress(receipt: Receipt, pairs: Sequence[StrategyBrokerAllocation]) -> list[Progress]:
    """By account, from our books as they are now; `pairs` are those of the receipt's scope."""
    held = list(_held(pairs, receipt.timeline).select_related("contract", "allocation"))
    working = list(_working(pairs, receipt.timeline))
    return [_progress(part, held, working) for part in receipt.accounts.all()]


def besides(left_to_expire: Sequence[str]) -> str:
    """ except 2 worthless longs left to expire; nothing where there are none."""
    count = len(left_to_expire)
    return f" except {count} worthless long{'' if count == 1 else 's'} left to expire" if count else ""


def _progress(
    part: ReceiptAccount, held: Iterable[Position], working: Iterable[Order]
) -> Progress:
    mine = [p for p in held if p.allocation.broker_account_id == part.broker_account_id]
    waiting = [o for o in working if o.broker_account_id == part.broker_account_id]
    return Progress(
        account=part.broker_account.label,
        positions_closed=max(part.positions - len(mine), 0),
        positions_open=len(mine),
        orders_ended=max(part.orders - len(waiting), 0),
        orders_open=len(waiting),
        left=[f"{p.quantity:+d} {p.contract.symbol}" for p in mine],
        said=part.said,
        left_to_expire=part.left_to_expire,
        verified_at=part.verified_at,
    )


def _held(pairs: Sequence[StrategyBrokerAllocation], timeline: Timeline) -> QuerySet[Position]:
    rows = Position.objects.filter(timeline=timeline, allocation__in=pairs).exclude(quantity=0)
    return rows.order_by("pk")


def _working(pairs: Sequence[StrategyBrokerAllocation], timeline: Timeline) -> QuerySet[Order]:
    rows = Order.objects.filter(timeline=timeline, allocation__in=pairs, status__in=OPEN_STATES)
    return rows.order_by("pk")
