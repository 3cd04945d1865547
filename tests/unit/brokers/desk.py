"""A small broker desk for tests: the real simulator, one account, and frames made by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import orjson

from brokers.adapters.plain import PlainWire, open_client
from brokers.simulator.inprocess import Transport
from brokers.simulator.ledger import Ledger
from brokers.simulator.simulator import Simulator
from brokers.types import OrderRequest, OrderType, Product, Side
from market.kernel.clock import IST
from market.kernel.frame import Frame, Quote, encode

OPERATOR = "operator-token"
TIMELINE = "test"
EXPIRY = date(2026, 8, 11)
CALL = "NIFTY-20260811-24500-CE"
WING = "NIFTY-20260811-24700-CE"
FUTURE = "NIFTY-20260825-FUT"
LOT = 65
MORNING = datetime(2026, 8, 5, 9, 20, tzinfo=IST)
WALL = datetime(2026, 8, 5, 4, 0, tzinfo=UTC)


def quote(
    bid: str | None, ask: str | None, *, size: int = 10 * LOT, ltp: str | None = None
) -> Quote:
    last = ltp or bid or ask or "100"
    return Quote(
        Decimal(bid) if bid else None,
        Decimal(ask) if ask else None,
        Decimal(last),
        size,
        size,
        MORNING,
    )


QUOTES = {
    CALL: quote("100.00", "100.50", ltp="100.00"),
    WING: quote("40.00", "40.40", ltp="40.00"),
    FUTURE: quote("24550.0", "24552.0", ltp="24551.0"),
}


def frame(n: int = 1, *, now: datetime = MORNING, timeline: str = TIMELINE, **quotes: Any) -> Frame:
    """A frame of the usual three contracts; `quotes` replaces rows by their constant's name."""
    changed = {globals()[name]: row for name, row in quotes.items()}
    return Frame(
        timeline=timeline,
        n=n,
        now=now,
        cadence=5.0,
        quotes={symbol: row for symbol, row in {**QUOTES, **changed}.items() if row is not None},
        spots={"NIFTY": Decimal("24500")},
        forwards={("NIFTY", EXPIRY): Decimal("24520")},
    )


class Desk:
    """Simulator, its operator's routes, and one account's adapter over the in-process transport."""

    def __init__(
        self,
        *,
        capital: str = "1000000",
        latency: float = 0,
        path: str = ":memory:",
        rate: int | None = None,
    ) -> None:
        self.wall = WALL
        self.simulator = Simulator(
            Ledger(path),
            token=OPERATOR,
            latency=timedelta(seconds=latency),
            orders_per_second=rate,
        )
        self.transport = Transport(self.simulator, lambda: self.wall)
        self.client = open_client("http://simulator.test", transport=self.transport)
        self.wire = self.login("ZD1", capital=capital)
        self._tags = 0

    def login(self, account: str, *, capital: str = "1000000") -> PlainWire:
        token = f"token-{account}"
        self.admin(
            "POST",
            "/admin/accounts",
            account=account,
            broker="zerodha",
            capital=capital,
            token=token,
        )
        return PlainWire(self.client, token=token)

    def admin(self, method: str, path: str, **document: Any) -> Any:
        answer = self.ask(method, path, orjson.dumps(document) if document else b"", OPERATOR)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        token: str = "token-ZD1",  # noqa: S107 - a test's
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        return self.client.request(method, path, content=body, headers=headers)

    def push(self, new: Frame) -> Any:
        return self.ask("POST", "/frames", orjson.dumps(encode(new)), OPERATOR).json()

    def pass_time(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)

    def fault(self, kind: str, **more: Any) -> None:
        self.admin("POST", "/admin/faults", kind=kind, **more)

    def order(self, **changes: Any) -> OrderRequest:
        """A one-lot limit buy of the call at its ask, changed as asked; a new tag each time."""
        self._tags += 1
        fields: dict[str, Any] = {
            "client_ref": f"TAG{self._tags:017d}",
            "symbol": CALL,
            "side": Side.BUY,
            "quantity": LOT,
            "product": Product.NRML,
            "order_type": OrderType.LIMIT,
            "price": Decimal("100.50"),
        }
        return OrderRequest(**{**fields, **changes})

    def ledger(self, account: str = "ZD1", timeline: str = TIMELINE) -> dict[str, Any]:
        found = self.admin("GET", f"/admin/ledger?timeline={timeline}")
        return next(row for row in found["accounts"] if row["account"] == account)


def open_desk(**options: Any) -> Desk:
    """A desk with the usual first frame."""
    desk = Desk(**options)
    desk.push(frame())
    return desk
