"""The broker and exchange as one synchronous object: a request in, an answer out, no clock of its own."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from brokers.simulator import admin, app, books, dated
from brokers.simulator import faults as injected
from brokers.simulator import market as exchange_market
from brokers.simulator.checks import form_of
from brokers.simulator.exchange import Exchange
from brokers.simulator.faults import Fault, Faults
from brokers.simulator.ledger import Ledger, Row
from brokers.simulator.market import Market
from brokers.simulator.rates import Rates
from brokers.simulator.wire import Answer, Refusal, decimal_of, document_of, microseconds, reply
from market.kernel.calendar import OutsideCoverage

Query = dict[str, str]
CALLS = ("place", "modify", "cancel")


class Simulator:
    """`handle` commits before it answers. `latency` passes between an order and its arrival in the book.

    `orders_per_second` is what one account may send (placed, changed, cancelled); None: any number.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        token: str,
        latency: timedelta = timedelta(0),
        orders_per_second: int | None = None,
    ) -> None:
        self.ledger = ledger
        self.faults = Faults()
        self._echoes_tags = True  # some brokers do not say the tag of an order
        self._rates = Rates(orders_per_second)
        self._token = token
        self._latency_us = round(latency.total_seconds() * 1_000_000)
        self._lock = Lock()
        self._market = self._remembered()

    @property
    def has_latency(self) -> bool:
        return self._latency_us > 0

    def is_account(self, authorization: str) -> bool:
        """Whether this header is an account's; what it asks changes nobody else's events."""
        return authorization != f"Bearer {self._token}"

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, wall: datetime
    ) -> Answer:
        """Answer one request made at that wall time; `path` carries its query."""
        parts = urlsplit(path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        token = headers.get("authorization", "").removeprefix("Bearer ")
        with self._lock:
            try:
                return self._route(method, unquote(parts.path), query, token, body, wall)
            except Refusal as refusal:
                return refusal.answer()
            except OutsideCoverage as gap:
                return Refusal("UNKNOWN_SYMBOL", str(gap)).answer()

    def advance(self, wall: datetime) -> int:
        """Let orders whose latency is over arrive; how many did."""
        with self._lock:
            return self._arrive(microseconds(wall))

    def _route(
        self, method: str, path: str, query: Query, token: str, body: bytes, wall: datetime
    ) -> Answer:
        if (method, path) == ("GET", "/healthz"):
            return reply(admin.health(self.ledger, self._market))
        if path == "/frames" or path.startswith("/admin/"):
            self._require_operator(token)
            return self._operate(method, path, query, body, wall)
        account = self._account(token)
        self._arrive(microseconds(wall))
        return self._serve(method, path, query, account, body, microseconds(wall))

    def _operate(self, method: str, path: str, query: Query, body: bytes, wall: datetime) -> Answer:
        routes: dict[tuple[str, str], Callable[[], Any]] = {
            ("POST", "/frames"): lambda: self._frame(body, microseconds(wall), query.get("facts")),
            ("POST", "/admin/facts"): lambda: dated.take(document_of(body)),
            ("POST", "/admin/accounts"): lambda: self._committed(
                lambda: admin.put_account(self.ledger, document_of(body))
            ),
            ("POST", "/admin/faults"): lambda: self._arm(document_of(body)),
            ("GET", "/admin/faults"): lambda: {"faults": self.faults.documents()},
            ("DELETE", "/admin/faults"): lambda: self._disarm(),
            ("GET", "/admin/ledger"): lambda: admin.ledger_of(self.ledger, query.get("timeline")),
            ("POST", "/admin/reset"): lambda: self._reset(document_of(body)),
            ("POST", "/admin/settle"): lambda: self._committed(
                lambda: admin.settle(self.ledger, document_of(body))
            ),
            ("POST", "/admin/tags"): lambda: self._set_tags(document_of(body)),
            ("POST", "/admin/app/orders"): lambda: self._by_hand(app.place, body, wall),
            ("POST", "/admin/app/square-off"): lambda: self._by_hand(app.square_off, body, wall),
        }
        if (method, path) not in routes:
            raise Refusal("NO_SUCH_ROUTE", f"{method} {path} is not served.", 404)
        return reply(routes[method, path]())

    def _serve(
        self, method: str, path: str, query: Query, account: Row, body: bytes, wall_us: int
    ) -> Answer:
        order_id = path.removeprefix("/orders/") if path.startswith("/orders/") else ""
        route = books.route_of(method, path)
        document = document_of(body) if method in ("POST", "PUT") else {}
        if route in CALLS:
            self._rates.count(account["account"], wall_us)
            self._note_call(account["account"], route, document, wall_us)
        met = self.faults.take(route, account["account"], document.get("symbol"))
        if (instead := injected.instead(met)) is not None:
            return instead
        if route == "place":
            answer = self._place(account, document, wall_us, met)
        elif route == "modify":
            prices = decimal_of(document, "price"), decimal_of(document, "trigger_price")
            answer = self._change(order_id, lambda x: x.modify(account, order_id, *prices, wall_us))
        elif route == "cancel":
            name = account["account"]
            answer = self._change(order_id, lambda x: x.cancel(name, order_id, wall_us))
        elif route == "events":  # there are none before the first frame, which is no failure
            answer = reply(books.events(self.ledger, account["account"], query, wall_us))
        else:
            answer = reply(
                books.read(
                    route, self.ledger, account, self._open_market(), query, document, wall_us
                )
            )
        return injected.spoilt(answer if self._echoes_tags else books.untagged(answer, query), met)

    def _note_call(
        self, account: str, route: str, document: dict[str, Any], wall_us: int
    ) -> None:
        """Every call that a limit of rate counts, as it came in, whatever becomes of it."""
        tag = str(document.get("client_ref", ""))
        self.ledger.insert("calls", account=account, route=route, at_us=wall_us, client_ref=tag)

    def _place(
        self, account: Row, document: dict[str, Any], wall_us: int, met: list[Fault]
    ) -> Answer:
        form = form_of(document)
        arrives = wall_us + self._latency_us
        visible = arrives + round(injected.hidden_for(met) * 1_000_000)
        with self.ledger.transaction():
            exchange = Exchange(self.ledger, self._open_market())
            order = exchange.place(account, form, arrives_us=arrives, visible_us=visible)
            if any(fault.kind == "forget_tag" for fault in met):
                self.ledger.write("UPDATE orders SET client_ref = '' WHERE id = ?", order["id"])
            exchange.arrive(wall_us)
        return reply({"order_id": order["order_id"]})

    def _change(self, order_id: str, change: Callable[[Exchange], None]) -> Answer:
        with self.ledger.transaction():
            change(Exchange(self.ledger, self._open_market()))
        return reply({"order_id": order_id})

    def _frame(self, body: bytes, wall_us: int, facts: str | None) -> dict[str, int]:
        """Arrivals meet the old frame, then the new one is matched; a repeated frame does nothing."""
        dated.require(facts)
        after = exchange_market.read(body, self._market)
        last = self.ledger.row("SELECT n FROM frames WHERE timeline = ?", after.timeline)
        if last is not None and after.n <= last["n"]:
            return {"n": after.n}
        gap = 0 if last is None or after.n == last["n"] + 1 else 1
        with self.ledger.transaction():
            if self._market is not None:
                Exchange(self.ledger, self._market).arrive(wall_us)
            admin.keep_frame(self.ledger, after, body, gap)
            Exchange(self.ledger, after).new_frame()
        self._market = after
        return {"n": after.n}

    def _arrive(self, wall_us: int) -> int:
        market = self._market
        waiting = market is not None and self.ledger.row(
            "SELECT 1 FROM orders WHERE timeline = ?"
            " AND status IN ('OPEN', 'PARTIAL', 'TRIGGER_PENDING') AND arrived = 0 AND arrives_us <= ?",
            market.timeline, wall_us,
        )  # fmt: skip
        if market is None or not waiting:
            return 0
        with self.ledger.transaction():
            return Exchange(self.ledger, market).arrive(wall_us)

    def _by_hand(self, act: Callable[..., dict[str, Any]], body: bytes, wall: datetime) -> dict[str, Any]:
        with self.ledger.transaction():
            return act(self.ledger, self._open_market(), document_of(body), microseconds(wall))

    def _set_tags(self, document: dict[str, Any]) -> dict[str, Any]:
        echo = document.get("echo")
        if not isinstance(echo, bool):
            raise Refusal("BAD_REQUEST", "echo must be true or false.")
        self._echoes_tags = echo
        return {"echo": echo}

    def _arm(self, document: dict[str, Any]) -> dict[str, Any]:
        self.faults.arm(injected.fault_of(document))
        return {"armed": len(self.faults.documents())}

    def _disarm(self) -> dict[str, Any]:
        self.faults.clear()
        return {"armed": 0}

    def _reset(self, document: dict[str, Any]) -> dict[str, Any]:
        done: dict[str, Any] = self._committed(lambda: admin.reset(self.ledger, document))
        self._market = self._remembered()
        return done

    def _committed(self, act: Callable[[], Any]) -> Any:
        with self.ledger.transaction():
            return act()

    def _require_operator(self, token: str) -> None:
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise Refusal("TOKEN_REFUSED", "The simulator's own token is needed here.", 401)

    def _account(self, token: str) -> Row:
        digest = sha256(token.encode()).hexdigest()
        found = self.ledger.row("SELECT * FROM accounts WHERE token_digest = ?", digest)
        if found is None:
            raise Refusal("TOKEN_REFUSED", "The access token is unknown or was replaced.", 401)
        return found

    def _open_market(self) -> Market:
        if self._market is None:
            raise Refusal("NO_MARKET", "No frame has arrived yet.", 503)
        return self._market

    def _remembered(self) -> Market | None:
        """The last frame that was committed, after a restart."""
        row = self.ledger.row("SELECT body FROM frames ORDER BY turn DESC LIMIT 1")
        return None if row is None else exchange_market.read(row["body"], None)
