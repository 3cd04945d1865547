"""Values as the rows that sockets get: money as strings, quantities as integers, Greeks as floats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from math import isnan
from typing import Any

import numpy as np

from execution.live.lines import Book, Line
from execution.live.valuation import GREEKS, NO_FORWARD, NOT_QUOTED, Totals, Values
from market.kernel import calendar, contracts
from market.kernel.clock import IST, ist_day
from market.kernel.frame import Frame
from market.kernel.implied import Flag

Row = dict[str, Any]
#: Rows by (owner, channel); the owner "all" is everybody.
Channels = dict[tuple[str, str], dict[str, Row]]

EVERYBODY = "all"
DIGITS = {"delta": 4, "gamma": 6, "theta": 2, "vega": 2}
#: Why a row has no implied vol, or one that deserves little trust.
REASONS = {
    Flag.OK: "",
    Flag.EXPIRED: "expired",
    Flag.BELOW_INTRINSIC: "price below intrinsic value",
    Flag.ABOVE_MAX: "price above the forward",
    Flag.AT_INTRINSIC: "price at intrinsic value",
    Flag.ILL_CONDITIONED: "price hardly depends on volatility",
    Flag.INVALID: "inputs not usable",
    NO_FORWARD: "no forward for this expiry",
    NOT_QUOTED: "not quoted",
}


def positions(book: Book, values: Values, *, silent: bool) -> Channels:
    """`positions` of each owner and `positions:<basket>`; `silent`: no frame comes, all is stale."""
    channels: Channels = defaultdict(dict)
    moving = _moving(book, values, silent=silent)
    for line, row in zip(book.lines, moving, strict=True):
        owner, key = str(line.scope.owner), f"p{line.id}"
        channels[owner, "positions"][key] = row
        channels[owner, f"positions:{line.scope.basket}"][key] = row
    return dict(channels)


def summary(book: Book, sums: Totals, margins: Mapping[int, Decimal | None]) -> Channels:
    """`summary` of each owner: everything, and each basket, strategy, pair and account."""
    channels: Channels = defaultdict(dict)
    accounts: dict[int, set[int]] = defaultdict(set)
    for line in book.lines:
        accounts[line.scope.owner].add(line.scope.account)
    for (owner, key), row in zip(book.groups, _sums(sums), strict=True):
        channels[str(owner), "summary"][key] = row
    for owner, ids in accounts.items():
        rows = channels[str(owner), "summary"]
        known = {account: margins.get(account) for account in ids}
        for account, margin in known.items():
            rows[f"account:{account}"]["margin"] = None if margin is None else str(margin)
        parts = [margin for margin in known.values() if margin is not None]
        complete = len(parts) == len(known)
        rows["all"]["margin"] = str(sum(parts, Decimal("0.00"))) if complete else None
    return dict(channels)


def market(frame: Frame) -> Channels:
    """A row an underlying (spot, nearest forward, session), and `now`: market time."""
    now = {"at": _time(frame.now), "timeline": frame.timeline, "notes": list(frame.notes)}
    rows: dict[str, Row] = {"now": now, "market": {"now": now["at"]}}
    nearest: dict[str, Any] = {}
    expiries: dict[str, list[str]] = defaultdict(list)
    for underlying, expiry in sorted(frame.forwards):
        nearest.setdefault(underlying, expiry)
        expiries[underlying].append(expiry.isoformat())
    for underlying in sorted(nearest.keys() | frame.spots.keys()):
        near = nearest.get(underlying)
        spot = frame.spot(underlying)
        rows[underlying] = {
            "spot": None if spot is None else str(spot),
            "forward": None if near is None else f"{frame.forwards[underlying, near]:.2f}",
            "expiry": None if near is None else near.isoformat(),
            "expiries": expiries[underlying],
            **session(underlying, frame.now),
        }
    return {(EVERYBODY, "market"): rows}


def session(underlying: str, now: datetime) -> Row:
    """Whether its exchange trades at this market time, and when that ends."""
    try:
        today = calendar.session(contracts.exchange_of(underlying), ist_day(now))
    except calendar.OutsideCoverage:
        return {"state": "unknown", "closes": None}
    if today is None or now >= today.close:
        return {"state": "closed", "closes": None}
    return {"state": "open" if today.is_open(now) else "not open", "closes": _time(today.close)}


def _moving(book: Book, values: Values, *, silent: bool) -> list[Row]:
    """A row a line. Built by column: this runs for every position at every frame."""
    times = [_time(at) for at in values.asof]
    priced = values.priced
    stale = values.stale | (silent & (book.quantity != 0))
    columns = {
        "symbol": [book.symbols[n] for n in book.symbol.tolist()],
        "quantity": book.quantity.tolist(),
        "lots": [_lots(line) for line in book.lines],
        "average": [f"{line.average_price:.2f}" for line in book.lines],
        "ltp": _prices(values.ltp),
        "mark": _prices(values.mark),
        "mark_is_ltp": values.from_ltp.tolist(),
        "pnl": _paise(values.gross, priced),
        "day_pnl": _paise(values.day, priced & values.day_known),
        "realised": _paise(book.realised),
        "charges": _paise(book.charges),
        **{name: _floats(values.greeks[name], DIGITS[name]) for name in GREEKS},
        "iv": _floats(values.iv, 4),
        "iv_note": [
            REASONS[flag] if held else ""
            for flag, held in zip(values.flag.tolist(), book.quantity.tolist(), strict=True)
        ],
        "stale": stale.tolist(),
        "asof": [times[n] for n in book.symbol.tolist()],
    }
    return _rows(columns)


def _sums(sums: Totals) -> list[Row]:
    columns = {
        "pnl": _paise(sums.gross),
        "day_pnl": _paise(sums.day, sums.day_unknown == 0),
        "charges": _paise(sums.charges),
        "net": _paise(sums.gross - sums.charges),
        **{name: _floats(sums.greeks[name], DIGITS[name]) for name in GREEKS},
        "unpriced": sums.unpriced.tolist(),
        "without_greeks": sums.without_greeks.tolist(),
    }
    return _rows(columns)


def _rows(columns: dict[str, list[Any]]) -> list[Row]:
    names = tuple(columns)
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _lots(line: Line) -> int:
    lots = abs(line.quantity) // line.lot_size
    return lots if line.quantity >= 0 else -lots


def _paise(values: np.ndarray, known: np.ndarray | None = None) -> list[str | None]:
    if known is None:
        return [_rupees(value) for value in values.tolist()]
    pairs = zip(values.tolist(), known.tolist(), strict=True)
    return [_rupees(value) if is_known else None for value, is_known in pairs]


def _rupees(paise: int) -> str:
    whole, rest = divmod(abs(paise), 100)
    return f"{'-' if paise < 0 else ''}{whole}.{rest:02d}"


def _prices(values: np.ndarray) -> list[str | None]:
    return [None if isnan(value) else f"{value:.2f}" for value in values.tolist()]


def _floats(values: np.ndarray, digits: int) -> list[float | None]:
    return [None if isnan(value) else round(value, digits) for value in values.tolist()]


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(IST).isoformat(timespec="seconds")
