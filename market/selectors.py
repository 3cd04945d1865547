"""Reads of the market that belong to nobody: timelines, contracts, snapshots, settlement values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from market.kernel.contracts import parse
from market.kernel.frame import Frame
from market.kernel.frame import Quote as QuoteValue
from market.models import Contract, Quote, SettlementPrice, Timeline
from users.prepared import Param, Prepared

RESTORED = "restored from the saved snapshot: spots and the other forwards come with the next frame"


ACTIVE = Prepared(lambda: Timeline.objects.filter(active=True).order_by("pk"))


def active_timeline() -> Timeline:
    """The world that runs; Timeline.DoesNotExist says what to do when there is none."""
    timeline = ACTIVE.first()
    if timeline is None:
        raise Timeline.DoesNotExist(
            "No timeline is active: create one and activate it (admin > Timelines, or bin/start)."
        )
    return timeline


BY_SYMBOL = Prepared(lambda: Contract.objects.filter(symbol__among=Param("symbols")))


def contracts_by_symbol(symbols: Iterable[str]) -> dict[str, Contract]:
    """The stored contracts among these symbols."""
    return {row.symbol: row for row in BY_SYMBOL.rows(symbols=list(set(symbols)))}


def settlement_price(timeline: Timeline, underlying: str, day: date) -> SettlementPrice | None:
    """The official settlement value, or None while it is unknown (P&L is provisional then)."""
    return SettlementPrice.objects.filter(timeline=timeline, underlying=underlying, day=day).first()


def saved_quotes(timeline: Timeline, *, wall: datetime) -> dict[str, QuoteValue]:
    """The quotes of the saved snapshot that have not expired by the wall clock."""
    rows = Quote.objects.filter(timeline=timeline, expires_at__gt=wall)
    return {
        row.symbol: QuoteValue(*(getattr(row, name) for name in QuoteValue._fields))
        for row in rows
    }


def restored_frame(timeline: Timeline, *, wall: datetime, cadence: float) -> Frame | None:
    """What the timeline last knew, for a warm restart; None when nothing saved is fresh enough."""
    quotes = saved_quotes(timeline, wall=wall)
    if not quotes or timeline.market_now is None:
        return None
    return Frame(
        timeline=timeline.key,
        n=timeline.frame,
        now=timeline.market_now,
        cadence=cadence,
        quotes=quotes,
        spots={},
        forwards=_futures(quotes),
        notes=(RESTORED,),
    )


def _futures(quotes: dict[str, QuoteValue]) -> dict[tuple[str, date], Decimal]:
    found = {}
    for symbol, quote in quotes.items():
        if symbol.endswith("-FUT"):
            contract = parse(symbol)
            found[contract.underlying, contract.expiry] = quote.mid
    return found
