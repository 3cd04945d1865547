"""The exchange's view of the last frame: raw rows, turned into numbers only when asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from brokers.simulator.matching import Offer
from brokers.simulator.wire import Refusal
from market.kernel.clock import IST, ist_day
from market.kernel.contracts import exchange_of
from market.kernel.spot import spot_lives

BID, ASK, LAST, BID_QUANTITY, ASK_QUANTITY = range(5)


@dataclass(slots=True)
class Market:
    """One frame of a timeline. `seen` also keeps the last row of contracts absent from this frame."""

    timeline: str
    n: int
    now: datetime
    day: date
    quotes: dict[str, list[Any]]
    seen: dict[str, list[Any]]
    spots: dict[str, str]
    forwards: dict[tuple[str, str], str]
    vols: dict[str, float] = field(default_factory=dict)  # implied in this frame, once computed

    def lists(self, symbol: str) -> bool:
        """Whether the contract was quoted today."""
        return symbol in self.seen

    def last(self, symbol: str) -> Decimal | None:
        row = self.seen.get(symbol)
        return None if row is None else Decimal(row[LAST])

    def traded(self, symbol: str) -> Decimal | None:
        """The last price that this very frame shows."""
        row = self.quotes.get(symbol)
        return None if row is None else Decimal(row[LAST])

    def offer(self, symbol: str, side: str) -> Offer:
        """What an order of that side can hit in this frame."""
        row = self.quotes.get(symbol)
        if row is None:
            return Offer(None, 0)
        price, quantity = (
            (row[ASK], row[ASK_QUANTITY]) if side == "BUY" else (row[BID], row[BID_QUANTITY])
        )
        return Offer(None if price is None else Decimal(price), quantity)

    def mid(self, symbol: str) -> Decimal | None:
        row = self.seen.get(symbol)
        if row is None:
            return None
        if row[BID] is None or row[ASK] is None:
            return Decimal(row[LAST])
        return (Decimal(row[BID]) + Decimal(row[ASK])) / 2

    def forward(self, underlying: str, expiry: date) -> Decimal | None:
        found = self.forwards.get((underlying, expiry.isoformat()))
        return None if found is None else Decimal(found)

    def index(self, underlying: str) -> Decimal | None:
        """The spot, or once that is dead the nearest forward."""
        if underlying in self.spots and spot_lives(exchange_of(underlying), self.now):
            return Decimal(self.spots[underlying])
        nearest = min((key for key in self.forwards if key[0] == underlying), default=None)
        return None if nearest is None else Decimal(self.forwards[nearest])


def read(body: bytes, before: Market | None) -> Market:
    """The market after this frame; contracts quoted earlier the same day stay listed."""
    try:
        wire = orjson.loads(body)
        now = datetime.fromisoformat(wire["now"]).astimezone(IST)
        day = ist_day(now)
        quotes = wire["quotes"]
        same_day = before is not None and (before.timeline, before.day) == (wire["timeline"], day)
        seen = {**before.seen, **quotes} if before is not None and same_day else quotes
        return Market(
            timeline=wire["timeline"],
            n=wire["n"],
            now=now,
            day=day,
            quotes=quotes,
            seen=seen,
            spots=wire["spots"],
            forwards={(u, e): price for u, e, price in wire["forwards"]},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal("BAD_REQUEST", f"The body is not a frame: {error!r}") from error
