"""A ticket opens one socket once, within 30 seconds: programs have no session cookie."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Any

import orjson

from execution.live.logins import Login
from market.quotes import connection

TICKET_SECONDS = 30


def issue(*, user_id: int, key_id: int | None) -> str:
    """A new ticket; Valkey holds only its hash."""
    ticket = secrets.token_urlsafe(32)
    document = orjson.dumps({"user": user_id, "key": key_id})
    connection().set(_key(ticket), document, ex=TICKET_SECONDS)
    return ticket


async def redeem(client: Any, ticket: str) -> Login | None:
    """Who asked for it; None when it is unknown, used or too old. It works once."""
    document = await client.getdel(_key(ticket))
    if document is None:
        return None
    found = orjson.loads(document)
    return Login(found["user"], key_id=found["key"])


def _key(ticket: str) -> str:
    return f"live:ticket:{sha256(ticket.encode()).hexdigest()}"
