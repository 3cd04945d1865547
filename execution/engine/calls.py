"""Taking a place among an account's calls before one is made, and giving it back with its answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection

from brokers.limits import limits_of
from brokers.models import BrokerAccount
from execution.models import AccountCalls, Order
from execution.rates import Kind, Spent, ask

LANDED = (
    "UPDATE account_calls SET flying = flying - %s, landed = landed || to_jsonb(%s::bigint)"
    " WHERE broker_account_id = %s AND flying ? %s"
)


def kind_of(order: Order) -> Kind:
    """How urgent it is to send or move the order."""
    return Kind.EXIT if order.action == Order.Action.CLOSE else Kind.ENTRY


def take(account: BrokerAccount, kind: Kind, call: str, wall: datetime) -> bool:
    """Whether the call may be made now; needs the account's lock, and commits with what it is for."""
    row = AccountCalls.objects.filter(pk=account.pk).select_for_update().first()
    row = row or AccountCalls(pk=account.pk)
    windows = limits_of(account.broker).windows
    spent = ask(_spent(row), windows, kind, call=call, at=microseconds(wall))
    if spent is None:
        return False
    row.flying, row.landed, row.counts = spent.flying, spent.landed, spent.counts
    row.save()
    return True


def land(account_id: int, call: str, wall: datetime) -> None:
    """The call's answer is here, or none will come; doing it again changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(LANDED, [call, microseconds(wall), account_id, call])


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
