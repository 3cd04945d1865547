"""The broker's own app beside us: orders without a tag, and square-off by hand, for the operator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from brokers.simulator.checks import form_of
from brokers.simulator.exchange import Exchange
from brokers.simulator.ledger import Ledger, Row
from brokers.simulator.market import Market
from brokers.simulator.wire import Refusal, text_of

PROTECTION = "5"  # percent of the reference price, as an app sends a market order


def place(ledger: Ledger, market: Market, document: dict[str, Any], wall_us: int) -> dict[str, Any]:
    """An order that the account's holder sends by hand; it bears no tag unless one is given."""
    account = _account(ledger, document)
    order = _placed(Exchange(ledger, market), account, document, wall_us)
    return {"order_id": order["order_id"]}


def square_off(
    ledger: Ledger, market: Market, document: dict[str, Any], wall_us: int
) -> dict[str, Any]:
    """Close what the account holds, of one contract or of all, at the market."""
    account, symbol = _account(ledger, document), document.get("symbol")
    held = ledger.rows(
        "SELECT symbol, product, quantity FROM positions WHERE timeline = ? AND account = ?"
        " AND quantity != 0 ORDER BY quantity, symbol",
        market.timeline, account["account"],
    )  # fmt: skip
    exchange = Exchange(ledger, market)
    placed = [
        _placed(exchange, account, _closing(row), wall_us)["order_id"]
        for row in held
        if symbol in (None, row["symbol"])
    ]
    return {"order_ids": placed}


def _placed(exchange: Exchange, account: Row, document: dict[str, Any], wall_us: int) -> Row:
    order = {"order_type": "MARKET", "market_protection": PROTECTION, "product": "NRML", **document}
    form = replace(form_of({**order, "client_ref": "byhand"}), client_ref=str(document.get("client_ref", "")))
    row = exchange.place(account, form, arrives_us=wall_us, visible_us=wall_us)
    exchange.arrive(wall_us)
    return row


def _closing(row: Row) -> dict[str, Any]:
    side = "BUY" if row["quantity"] < 0 else "SELL"
    return {
        "symbol": row["symbol"], "product": row["product"], "side": side, "quantity": abs(row["quantity"]),
    }  # fmt: skip


def _account(ledger: Ledger, document: dict[str, Any]) -> Row:
    name = text_of(document, "account")
    found = ledger.row("SELECT * FROM accounts WHERE account = ?", name)
    if found is None:
        raise Refusal("BAD_REQUEST", f"There is no account {name}.")
    return found
