"""A frame: every quote of one instant of market time. Pure values and their wire form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from market.kernel.contracts import exchange_of
from market.kernel.spot import spot_lives

Wire = dict[str, Any]


class Quote(NamedTuple):
    """Prices in rupees; bid or ask None when that side is empty; quantities in units; `at` market time.

    Open interest and the day's volume are in units too, None where the source does not tell them.
    """

    bid: Decimal | None
    ask: Decimal | None
    ltp: Decimal
    bid_quantity: int
    ask_quantity: int
    at: datetime
    oi: int | None = None
    volume: int | None = None

    @property
    def mid(self) -> Decimal:
        """Middle of a two-sided quote, else the last price."""
        if self.bid is None or self.ask is None:
            return self.ltp
        return (self.bid + self.ask) / 2

    def stale(self, now: datetime, cadence: float) -> bool:
        """Older than max(10 s, twice the source's cadence), both in market time."""
        return now - self.at > timedelta(seconds=max(10.0, 2 * cadence))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One published instant of a timeline; `n` counts up by one, `cadence` is seconds between frames.

    `spots` holds the live continuous spot by underlying (absent when it is dead or unknown);
    `forwards` the forward by (underlying, expiry); `synthetic` the forwards that are neither a
    listed future nor parity; `notes` says openly what the source lacked at this instant. `vix` is the
    volatility index and `gaps` the day's opening gap by underlying, in per cent of the close before;
    None and absent where the source does not know them.
    """

    timeline: str
    n: int
    now: datetime
    cadence: float
    quotes: Mapping[str, Quote]
    spots: Mapping[str, Decimal]
    forwards: Mapping[tuple[str, date], Decimal]
    synthetic: frozenset[tuple[str, date]] = frozenset()
    notes: tuple[str, ...] = ()
    vix: Decimal | None = None
    gaps: Mapping[str, Decimal] = field(default_factory=dict)

    def quote(self, symbol: str) -> Quote | None:
        return self.quotes.get(symbol)

    def spot(self, underlying: str) -> Decimal | None:
        """The index while it is continuous: None from 15:15 on auction days, whatever a source sends."""
        found = self.spots.get(underlying)
        if found is None or not spot_lives(exchange_of(underlying), self.now):
            return None
        return found


def encode(frame: Frame) -> Wire:
    """The JSON form that the simulator and Valkey get; prices are strings."""
    now, stamp = frame.now, frame.now.isoformat()  # most quotes are of now: written once
    return {
        "timeline": frame.timeline,
        "n": frame.n,
        "now": stamp,
        "cadence": frame.cadence,
        "spots": {name: str(value) for name, value in frame.spots.items()},
        "forwards": [[u, e.isoformat(), str(f)] for (u, e), f in frame.forwards.items()],
        "synthetic": [[u, e.isoformat()] for u, e in sorted(frame.synthetic)],
        "notes": list(frame.notes),
        "vix": None if frame.vix is None else str(frame.vix),
        "gaps": {name: str(value) for name, value in frame.gaps.items()},
        "quotes": {
            symbol: _encode_quote(quote, stamp if quote.at is now else quote.at.isoformat())
            for symbol, quote in frame.quotes.items()
        },
    }


def decode(wire: Wire) -> Frame:
    """The frame again; KeyError or ValueError when the document is not one."""
    return Frame(
        timeline=wire["timeline"],
        n=wire["n"],
        now=datetime.fromisoformat(wire["now"]),
        cadence=wire["cadence"],
        spots={name: Decimal(value) for name, value in wire["spots"].items()},
        forwards={(u, date.fromisoformat(e)): Decimal(f) for u, e, f in wire["forwards"]},
        synthetic=frozenset((u, date.fromisoformat(e)) for u, e in wire["synthetic"]),
        notes=tuple(wire["notes"]),
        vix=None if wire["vix"] is None else Decimal(wire["vix"]),
        gaps={name: Decimal(value) for name, value in wire["gaps"].items()},
        quotes={symbol: _decode_quote(row) for symbol, row in wire["quotes"].items()},
    )


def _encode_quote(quote: Quote, at: str) -> list[str | int | None]:
    return [
        None if quote.bid is None else str(quote.bid),
        None if quote.ask is None else str(quote.ask),
        str(quote.ltp),
        quote.bid_quantity,
        quote.ask_quantity,
        at,
        quote.oi,
        quote.volume,
    ]


def _decode_quote(row: list[Any]) -> Quote:
    bid, ask, ltp, bid_quantity, ask_quantity, at, oi, volume = row
    return Quote(
        None if bid is None else Decimal(bid),
        None if ask is None else Decimal(ask),
        Decimal(ltp),
        bid_quantity,
        ask_quantity,
        datetime.fromisoformat(at),
        oi,
        volume,
    )
