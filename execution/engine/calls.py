"""Taking a place among an account's calls before one is made, and giving it back with its answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from brokers.limits import limits_of
from brokers.models import BrokerAccount
from execution.models import AccountCalls, Order
from execution.moves import STOP
from execution.rates import Kind, Spent, ask
from users.prepared import Param, Prepared

SPENT = Prepared(lambda: AccountCalls.objects.select_for_update().filter(pk=Param("account")))
LANDED = """
UPDATE account_calls SET flying = flying - %(calls)s::text[], landed = landed || (
    SELECT coalesce(jsonb_agg(%(at)s::bigint), '[]') FROM unnest(%(calls)s::text[]) call WHERE flying ? call
) WHERE broker_account_id = %(account)s AND flying ?| %(calls)s::text[]
"""


def kind_of(order: Order) -> Kind:
    """How urgent it is to send or move the order; a stop for later takes nothing of the exits' reserve."""
    exits = order.action == Order.Action.CLOSE and order.order_type != STOP
    return Kind.EXIT if exits else Kind.ENTRY


def take(account: BrokerAccount, kind: Kind, call: str, wall: datetime) -> bool:
    """Whether the call may be made now; needs the account's lock, and commits with what it is for."""
    return bool(take_some(account, [(call, kind)], wall))


def take_some(account: BrokerAccount, wanted: list[tuple[str, Kind]], wall: datetime) -> set[str]:
    """Which of these calls, the most urgent first, may be made now. Needs the account's lock."""
    if not wanted:
        return set()
    row = SPENT.first(account=account.pk)
    spent = Spent() if row is None else _spent(row)
    windows, at = limits_of(account.broker).windows, microseconds(wall)
    allowed: set[str] = set()
    for call, kind in wanted:
        after = ask(spent, windows, kind, call=call, at=at)
        if after is not None:
            spent = after
            allowed.add(call)
    if allowed:
        values = {"flying": spent.flying, "landed": spent.landed, "counts": spent.counts}
        if row is None:
            AccountCalls.objects.create(pk=account.pk, **values)
        else:
            AccountCalls.objects.filter(pk=account.pk).update(**values)
    return allowed


def land(account_id: int, call: str, wall: datetime) -> None:
    """The call's answer is here, or none will come; doing it again changes nothing."""
    _land(account_id, [call], wall)


def land_all(orders: Sequence[Order], wall: datetime) -> None:
    """As `land`, of orders of one account that were sent."""
    if orders:
        _land(orders[0].broker_account_id, [order.client_ref for order in orders], wall)


def _land(account_id: int, landed: list[str], wall: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LANDED, {"account": account_id, "calls": landed, "at": microseconds(wall)})


def microseconds(wall: datetime) -> int:
    return round(wall.timestamp() * 1_000_000)


def _spent(row: AccountCalls) -> Spent:
    """JSON has words for keys where the arithmetic has numbers."""
    counts: dict[str, dict[str, Any]] = row.counts
    return Spent(
        row.flying,
        row.landed,
        {int(w): {int(part): n for part, n in parts.items()} for w, parts in counts.items()},
    )
