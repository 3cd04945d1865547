"""What an account may read: its orders, trades, positions, funds, margin and events."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import orjson

from brokers.simulator import margins, positions
from brokers.simulator.checks import accept, form_of
from brokers.simulator.exchange import order_document, trade_document
from brokers.simulator.funds import standing
from brokers.simulator.ledger import Ledger, Row
from brokers.simulator.margins import Pending
from brokers.simulator.market import Market
from brokers.simulator.wire import Answer, Refusal
from market.kernel import calendar

READS = {
    "/orders": "orders",
    "/trades": "trades",
    "/positions": "positions",
    "/funds": "funds",
    "/events": "events",
}
MOST_EVENTS = 500


def route_of(method: str, path: str) -> str:
    """The name of a request, as faults know it."""
    if method == "GET" and path in READS:
        return READS[path]
    if method == "POST" and path in ("/orders", "/margin"):
        return "place" if path == "/orders" else "margin"
    if path.startswith("/orders/") and method in ("PUT", "DELETE"):
        return "modify" if method == "PUT" else "cancel"
    raise Refusal("NO_SUCH_ROUTE", f"{method} {path} is not served.", 404)


def read(  # noqa: PLR0913 - what a read may depend on
    route: str,
    ledger: Ledger,
    account: Row,
    market: Market,
    query: dict[str, str],
    document: dict[str, Any],
    wall_us: int,
) -> Any:
    """The document of one read."""
    name = account["account"]
    match route:
        case "orders":
            return {"orders": orders(ledger, name, market, query.get("tag"), wall_us)}
        case "trades":
            return {"trades": trades(ledger, name, market, wall_us)}
        case "positions":
            return {"positions": open_positions(ledger, name, market)}
        case "margin":
            return margin(ledger, name, market, document)
        case _:
            now = standing(ledger, account, market)
            return {
                "balance": str(now.balance),
                "used": str(now.used),
                "available": str(now.available),
            }


def orders(
    ledger: Ledger, account: str, market: Market, tag: str | None, wall_us: int
) -> list[dict[str, Any]]:
    """The book of this trading day and the one before; by tag, of the whole timeline."""
    where, value = ("client_ref = ?", tag) if tag else ("changed_day >= ?", _since(market))
    rows = ledger.rows(
        "SELECT * FROM orders WHERE timeline = ? AND account = ? AND arrived = 1"  # noqa: S608 - own constants
        f" AND visible_us <= ? AND {where} ORDER BY id",
        market.timeline, account, wall_us, value,
    )  # fmt: skip
    return [order_document(row) for row in rows]


def trades(ledger: Ledger, account: str, market: Market, wall_us: int) -> list[dict[str, Any]]:
    rows = ledger.rows(
        "SELECT * FROM trades WHERE timeline = ? AND account = ? AND day >= ? AND visible_us <= ?"
        " ORDER BY id",
        market.timeline, account, _since(market), wall_us,
    )  # fmt: skip
    return [trade_document(row) for row in rows]


def open_positions(ledger: Ledger, account: str, market: Market) -> list[dict[str, Any]]:
    rows = ledger.rows(
        "SELECT symbol, product, quantity, cost, realised FROM positions"
        " WHERE timeline = ? AND account = ? AND quantity != 0 ORDER BY symbol, product",
        market.timeline, account,
    )  # fmt: skip
    return [dict(row) for row in rows]


def events(ledger: Ledger, account: str, query: dict[str, str], wall_us: int) -> dict[str, Any]:
    """What happened after `after`, in order; an event that is not visible yet holds back the rest."""
    after = _whole(query.get("after", "0"))
    rows = ledger.rows(
        "SELECT seq, timeline, type, body, visible_us FROM events"
        " WHERE account = ? AND seq > ? ORDER BY seq LIMIT ?",
        account, after, MOST_EVENTS,
    )  # fmt: skip
    found: list[dict[str, Any]] = []
    for row in rows:
        if row["visible_us"] > wall_us:
            break
        head = {"seq": row["seq"], "type": row["type"], "timeline": row["timeline"]}
        found.append({**head, **orjson.loads(row["body"])})
    return {"events": found, "last": found[-1]["seq"] if found else after}


def margin(
    ledger: Ledger, account: str, market: Market, document: dict[str, Any]
) -> dict[str, str]:
    """What the account's book would block with these orders added, and without them."""
    wanted = document.get("orders")
    if not isinstance(wanted, list):
        raise Refusal("BAD_REQUEST", "orders must be a list.")
    forms = [form_of({"client_ref": "margin", **order}) for order in wanted]
    new = [
        Pending(form.symbol, form.side, form.quantity, accept(form, market).limit) for form in forms
    ]
    held = positions.net_by_symbol(ledger, market.timeline, account)
    return {
        "now": str(margins.required(held, market)),
        "with_orders": str(margins.required(margins.after(held, new), market)),
        "worst": str(margins.blocked(held, new, market)),
    }


def untagged(answer: Answer, query: dict[str, str]) -> Answer:
    """The answer of a broker that does not say tags, and so cannot find by one."""
    document = orjson.loads(answer.body)
    for name in READS.values():
        for row in document.get(name, []):
            if "client_ref" in row:
                row["client_ref"] = ""
    if query.get("tag"):
        document["orders"] = []
    return replace(answer, body=orjson.dumps(document))


def _since(market: Market) -> str:
    try:
        first: date = calendar.previous_trading_day("NSE", market.day)
    except calendar.OutsideCoverage:
        first = market.day
    return first.isoformat()


def _whole(text: str) -> int:
    if not text.isdigit():
        raise Refusal("BAD_REQUEST", "after must be a whole number.")
    return int(text)
