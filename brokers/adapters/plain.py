"""The plain wire: JSON over HTTP, as the simulator speaks it. HTTP in, plain values out."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, TypeVar

import httpx
import orjson

from brokers.types import (
    Ack,
    BrokerEvent,
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    BrokerTrade,
    CancelAnswer,
    EventPage,
    Funds,
    NeverSent,
    OrderRequest,
    PlaceAnswer,
    Product,
    ReadFailed,
    Rejected,
    Side,
    Unknown,
)

# Only these, on a 4xx with a whole JSON body, prove that nothing was placed or changed.
REJECTIONS = frozenset({
    "ABOVE_FREEZE", "BAD_PRICE", "BAD_REQUEST", "EXPIRED_CONTRACT", "INSUFFICIENT_MARGIN",
    "MARKET_WITHOUT_PROTECTION", "NOT_A_LOT_MULTIPLE", "NOT_OPEN", "NO_LIQUIDITY", "OFF_TICK",
    "OUTSIDE_PRICE_BAND", "OUTSIDE_SESSION", "SL_M_DENIED", "TOKEN_REFUSED",
    "TOO_MANY_MODIFICATIONS", "TRIGGER_PASSED", "UNKNOWN_ORDER", "UNKNOWN_SYMBOL",
})  # fmt: skip
REFUSAL_STATUSES = frozenset({400, 401, 403, 404, 422})
TIMEOUT = httpx.Timeout(connect=2.0, read=5.0, write=5.0, pool=5.0)
LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=500)  # a listener for each account
UPSTREAM_LENGTH = 500

T = TypeVar("T")


@cache
def _tls() -> ssl.SSLContext:
    """One for all pools: each would read the whole bundle of certificates."""
    return httpx.create_ssl_context(trust_env=False)


def open_client(base_url: str, *, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """A client that never retries, never follows a redirect, and asks no proxy of the environment."""
    return httpx.Client(
        base_url=base_url, timeout=TIMEOUT, limits=LIMITS, transport=transport, trust_env=False,
        verify=_tls(),
    )  # fmt: skip


class PlainWire:
    """One account on the plain wire (types.Adapter). Writes answer, reads raise ReadFailed."""

    def __init__(self, client: httpx.Client, *, token: str) -> None:
        self._client = client
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def __repr__(self) -> str:
        return f"PlainWire({self._client.base_url})"

    def place(self, request: OrderRequest) -> PlaceAnswer:
        """Send the order once; nothing here ever sends it again."""
        try:
            response = self._send("POST", "/orders", _order_body(request))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return NeverSent(_words(error))
        except httpx.HTTPError as error:
            return Unknown(_words(error))
        return _written(response)

    def cancel(self, broker_order_id: str) -> CancelAnswer:
        return self._change("DELETE", broker_order_id, None)

    def modify(
        self, broker_order_id: str, *, price: Decimal, trigger_price: Decimal | None = None
    ) -> CancelAnswer:
        body = {"price": str(price)}
        if trigger_price is not None:
            body["trigger_price"] = str(trigger_price)
        return self._change("PUT", broker_order_id, body)

    def find(self, client_ref: str) -> BrokerOrder | None:
        """The order with this tag; the earliest when the broker has several."""
        found = self.find_all(client_ref)
        return found[0] if found else None

    def find_all(self, client_ref: str) -> list[BrokerOrder]:
        """Every order with this tag, oldest first: more than one is for a person to judge."""
        document = self._read("/orders", {"tag": client_ref})
        with _whole_body():
            return [_order(row) for row in document["orders"]]

    def orders(self) -> list[BrokerOrder]:
        document = self._read("/orders")
        with _whole_body():
            return [_order(row) for row in document["orders"]]

    def trades(self) -> list[BrokerTrade]:
        document = self._read("/trades")
        with _whole_body():
            return [_trade(row) for row in document["trades"]]

    def positions(self) -> list[BrokerPosition]:
        document = self._read("/positions")
        with _whole_body():
            return [_position(row) for row in document["positions"]]

    def funds(self) -> Funds:
        document = self._read("/funds")
        with _whole_body():
            return Funds(
                balance=_decimal(document["balance"]),
                used=_decimal(document["used"]),
                available=_decimal(document["available"]),
            )

    def events(self, after: int, wait: float) -> EventPage:
        """Order and trade events after that sequence number; waits up to `wait` seconds for one."""
        patience = httpx.Timeout(connect=2.0, read=wait + 5.0, write=5.0, pool=5.0)
        document = self._read("/events", {"after": str(after), "wait": str(wait)}, patience)
        with _whole_body():
            return EventPage(
                events=tuple(_event(row) for row in document["events"]), last=int(document["last"])
            )

    def _change(self, method: str, broker_order_id: str, body: Any) -> CancelAnswer:
        try:
            response = self._send(method, f"/orders/{broker_order_id}", body)
        except httpx.HTTPError as error:
            return Unknown(_words(error))
        return _written(response)

    def _send(self, method: str, path: str, body: Any) -> httpx.Response:
        content = None if body is None else orjson.dumps(body)
        return self._client.request(method, path, content=content, headers=self._headers)

    def _read(
        self, path: str, query: dict[str, str] | None = None, timeout: httpx.Timeout = TIMEOUT
    ) -> dict[str, Any]:
        try:
            response = self._client.get(path, params=query, headers=self._headers, timeout=timeout)
        except httpx.HTTPError as error:
            raise ReadFailed(_words(error)) from error
        document = _json_object(response)
        if response.status_code != 200 or document is None:
            raise ReadFailed(f"{response.status_code} {response.text[:UPSTREAM_LENGTH]}")
        return document


def register_login(client: httpx.Client, *, operator_token: str, login: dict[str, str]) -> None:
    """Open or renew a login at the simulator; ReadFailed when it did not confirm it."""
    headers = {"authorization": f"Bearer {operator_token}", "content-type": "application/json"}
    try:
        response = client.post("/admin/accounts", content=orjson.dumps(login), headers=headers)
    except httpx.HTTPError as error:
        raise ReadFailed(_words(error)) from error
    if response.status_code != 200:
        raise ReadFailed(f"{response.status_code} {response.text[:UPSTREAM_LENGTH]}")


def _written(response: httpx.Response) -> Ack | Rejected | Unknown:
    """What an answer to a write proves."""
    document = _json_object(response)
    upstream = f"{response.status_code} {response.text[:UPSTREAM_LENGTH]}"
    if document is None:
        return Unknown(upstream)
    order_id = document.get("order_id")
    if response.status_code == 200 and isinstance(order_id, str) and order_id:
        return Ack(order_id)
    code = document.get("code")
    if response.status_code in REFUSAL_STATUSES and code in REJECTIONS:
        return Rejected(str(code), str(document.get("message", "")))
    return Unknown(upstream)


def _json_object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        document = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _order_body(request: OrderRequest) -> dict[str, Any]:
    protection, trigger = request.market_protection, request.trigger_price
    return {
        "client_ref": request.client_ref,
        "symbol": request.symbol,
        "side": request.side.value,
        "quantity": request.quantity,
        "product": request.product.value,
        "order_type": request.order_type.value,
        "price": None if request.price is None else str(request.price),
        "market_protection": None if protection is None else str(protection),
        "trigger_price": None if trigger is None else str(trigger),
    }


@contextmanager
def _whole_body() -> Iterator[None]:
    """A body that lacks something is no book."""
    try:
        yield
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise ReadFailed(f"The answer is not what the wire promises: {error!r}") from error


def _order(row: dict[str, Any]) -> BrokerOrder:
    return BrokerOrder(
        broker_order_id=row["order_id"],
        client_ref=row["client_ref"],
        symbol=row["symbol"],
        side=Side(row["side"]),
        quantity=_units(row["quantity"]),
        product=Product(row["product"]),
        filled_quantity=_units(row["filled_quantity"]),
        average_price=_optional(_decimal, row["average_price"]),
        status=BrokerStatus(row["status"]),
        reason=row["reason"],
        at=datetime.fromisoformat(row["at"]),
        trigger_price=_optional(_decimal, row["trigger_price"]),
    )


def _trade(row: dict[str, Any]) -> BrokerTrade:
    return BrokerTrade(
        trade_id=row["trade_id"],
        broker_order_id=row["order_id"],
        client_ref=row["client_ref"],
        symbol=row["symbol"],
        side=Side(row["side"]),
        quantity=_units(row["quantity"]),
        product=Product(row["product"]),
        price=_decimal(row["price"]),
        at=datetime.fromisoformat(row["at"]),
    )


def _position(row: dict[str, Any]) -> BrokerPosition:
    return BrokerPosition(
        symbol=row["symbol"], product=Product(row["product"]), quantity=_units(row["quantity"])
    )


def _event(row: dict[str, Any]) -> BrokerEvent:
    readers: dict[str, Callable[[dict[str, Any]], BrokerOrder | BrokerTrade]] = {
        "order": _order,
        "trade": _trade,
    }
    report = readers[row["type"]](row)
    return BrokerEvent(seq=int(row["seq"]), timeline=row["timeline"], report=report)


def _units(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not a quantity")
    return value


def _decimal(value: Any) -> Decimal:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a price written as text")
    return Decimal(value)


def _optional(read: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else read(value)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:UPSTREAM_LENGTH]
