"""What the operator may do: logins, frames kept, settlement, reset, and reading the whole ledger."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import Any

from brokers.simulator import settlement
from brokers.simulator.exchange import order_document, trade_document
from brokers.simulator.ledger import Ledger
from brokers.simulator.market import Market
from brokers.simulator.wire import Refusal, decimal_of, text_of


def health(ledger: Ledger, market: Market | None) -> dict[str, Any]:
    """The last frame, and how often its numbers jumped."""
    if market is None:
        return {"ok": True, "timeline": None, "n": None, "now": None, "gaps": 0}
    row = ledger.row("SELECT gaps FROM frames WHERE timeline = ?", market.timeline)
    return {
        "ok": True,
        "timeline": market.timeline,
        "n": market.n,
        "now": market.now.isoformat(),
        "gaps": row["gaps"] if row else 0,
    }


def put_account(ledger: Ledger, document: dict[str, Any]) -> dict[str, Any]:
    """Create a login, or give an existing one its new capital and token."""
    account, broker = text_of(document, "account"), text_of(document, "broker")
    capital = decimal_of(document, "capital")
    if capital is None or capital < 0:
        raise Refusal("BAD_REQUEST", "capital must be 0 or more.")
    digest = sha256(text_of(document, "token").encode()).hexdigest()
    taken = ledger.row(
        "SELECT 1 FROM accounts WHERE token_digest = ? AND account != ?", digest, account
    )
    if taken is not None:
        raise Refusal("BAD_REQUEST", "token belongs to another account.")
    ledger.write(
        "INSERT INTO accounts (account, broker, capital, token_digest) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET broker = excluded.broker, capital = excluded.capital,"
        " token_digest = excluded.token_digest",
        account, broker, str(capital), digest,
    )  # fmt: skip
    return {"account": account}


def keep_frame(ledger: Ledger, market: Market, body: bytes, gap: int) -> None:
    """The newest frame of its timeline, and that timeline the current one."""
    ledger.write(
        "INSERT INTO frames (timeline, n, at, body, gaps, turn) VALUES"
        " (?, ?, ?, ?, ?, (SELECT coalesce(max(turn), 0) + 1 FROM frames))"
        " ON CONFLICT DO UPDATE SET n = excluded.n, at = excluded.at, body = excluded.body,"
        " gaps = gaps + excluded.gaps, turn = excluded.turn",
        market.timeline, market.n, market.now.isoformat(), body, gap,
    )  # fmt: skip


def settle(ledger: Ledger, document: dict[str, Any]) -> dict[str, Any]:
    """Settle one underlying's expiry."""
    price = decimal_of(document, "price")
    if price is None:
        raise Refusal("BAD_REQUEST", "price is needed.")
    try:
        day = date.fromisoformat(text_of(document, "day"))
    except ValueError as error:
        raise Refusal("BAD_REQUEST", "day must be a date such as 2026-08-04.") from error
    timeline = text_of(document, "timeline")
    kept = ledger.row("SELECT at FROM frames WHERE timeline = ?", timeline)
    booked = settlement.settle(
        ledger,
        timeline=timeline,
        underlying=text_of(document, "underlying"),
        day=day,
        price=price,
        at=kept["at"] if kept else day.isoformat(),
    )
    return {"settled": booked}


def reset(ledger: Ledger, document: dict[str, Any]) -> dict[str, Any]:
    """Forget one timeline; the logins stay."""
    timeline = text_of(document, "timeline")
    ledger.forget(timeline)
    return {"timeline": timeline}


def ledger_of(ledger: Ledger, timeline: str | None) -> dict[str, Any]:
    """Every row of a timeline by account: the witness."""
    if not timeline:
        raise Refusal("BAD_REQUEST", "timeline is needed.")
    accounts = ledger.rows("SELECT account, broker, capital FROM accounts ORDER BY account")
    return {
        "timeline": timeline,
        "accounts": [
            {**dict(row), **_account_rows(ledger, timeline, row["account"])} for row in accounts
        ],
    }


def _account_rows(ledger: Ledger, timeline: str, account: str) -> dict[str, Any]:
    def rows(table: str, order: str) -> list[Any]:
        sql = f"SELECT * FROM {table} WHERE timeline = ? AND account = ? ORDER BY {order}"  # noqa: S608 - own constants
        return ledger.rows(sql, timeline, account)

    return {
        "cash": str(ledger.cash(timeline, account)),
        "orders": [order_document(row) for row in rows("orders", "id")],
        "trades": [trade_document(row) for row in rows("trades", "id")],
        "positions": [
            {name: row[name] for name in ("symbol", "product", "quantity", "cost", "realised")}
            for row in rows("positions", "symbol, product")
        ],
        "settlements": [dict(row) for row in rows("settlements", "id")],
    }
