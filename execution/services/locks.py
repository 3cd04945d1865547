"""One at a time decides: advisory locks of PostgreSQL, until the transaction ends."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

ACCOUNT_LOCK = 7101  # the class of PostgreSQL's advisory locks on broker accounts
USER_LOCK = 7102  # on users; taken before an account's


def lock_account(account_id: int) -> None:
    """One at a time decides for a broker account, until the transaction ends."""
    _lock(ACCOUNT_LOCK, [account_id])


def lock_accounts(account_ids: Iterable[int]) -> None:
    """As `lock_account`, in the order in which everybody takes several."""
    _lock(ACCOUNT_LOCK, sorted(set(account_ids)))


def lock_user(user_id: int) -> None:
    """One at a time decides over all that a user trades, until the transaction ends."""
    _lock(USER_LOCK, [user_id])


def _lock(kind: int, ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s, id) from unnest(%s::int[]) id", [kind, ids])
