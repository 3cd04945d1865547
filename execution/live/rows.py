"""Values as the rows that sockets get: money as strings, quantities as integers, Greeks as floats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from execution.live.valuation import GREEKS, NO_FORWARD, NOT_QUOTED, Book, Totals, Values
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
    for n, line in enumerate(book.lines):
        row = _position(book, values, n)
        row["stale"] = row["stale"] or (silent and line.quantity != 0)
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
    for n, (owner, key) in enumerate(book.groups):
        channels[str(owner), "summary"][key] = _total(sums, n)
    for owner, ids in accounts.items():
        rows = channels[str(owner), "summary"]
        known = {account: margins.get(account) for account in ids}
        for account, margin in known.items():
            rows[f"account:{account}"]["margin"] = None if margin is None else str(margin)
        parts = list(known.values())
        rows["all"]["margin"] = None if None in parts else str(sum(parts, Decimal("0.00")))
    return dict(channels)


def market(frame: Frame) -> Channels:
    """A row an underlying (spot, nearest forward, session), and `now`: market time."""
    now = {"at": _time(frame.now), "timeline": frame.timeline, "notes": list(frame.notes)}
    rows: dict[str, Row] = {"now": now, "market": {"now": now["at"]}}
    nearest: dict[str, Any] = {}
    for underlying, expiry in sorted(frame.forwards):
        nearest.setdefault(underlying, expiry)
    for underlying in sorted(nearest.keys() | frame.spots.keys()):
        expiry = nearest.get(underlying)
        spot = frame.spots.get(underlying)
        rows[underlying] = {
            "spot": None if spot is None else str(spot),
            "forward": None if expiry is None else f"{frame.forwards[underlying, expiry]:.2f}",
            "expiry": None if expiry is None else expiry.isoformat(),
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


def _position(book: Book, values: Values, n: int) -> Row:
    line = book.lines[n]
    symbol = book.symbol[n]
    priced = bool(values.priced[n])
    return {
        "symbol": book.symbols[symbol],
        "quantity": line.quantity,
        "lots": line.quantity // line.lot_size if line.quantity >= 0 else -(-line.quantity // line.lot_size),
        "average": f"{line.average_price:.2f}",
        "ltp": _price(values.ltp[n]),
        "mark": _price(values.mark[n]),
        "mark_is_ltp": bool(values.from_ltp[n]),
        "pnl": _paise(values.gross[n]) if priced else None,
        "day_pnl": _paise(values.day[n]) if priced and values.day_known[n] else None,
        "realised": _paise(book.realised[n]),
        "charges": _paise(book.charges[n]),
        **{name: _greek(values.greeks[name][n], name) for name in GREEKS},
        "iv": None if np.isnan(values.iv[n]) else round(float(values.iv[n]), 4),
        "iv_note": REASONS[int(values.flag[n])] if line.quantity else "",
        "stale": bool(values.stale[n]),
        "asof": _time(values.asof[symbol]),
    }


def _total(sums: Totals, n: int) -> Row:
    return {
        "pnl": _paise(sums.gross[n]),
        "day_pnl": None if sums.day_unknown[n] else _paise(sums.day[n]),
        "charges": _paise(sums.charges[n]),
        "net": _paise(sums.gross[n] - sums.charges[n]),
        **{name: _greek(sums.greeks[name][n], name) for name in GREEKS},
        "unpriced": int(sums.unpriced[n]),
        "without_greeks": int(sums.without_greeks[n]),
    }


def _paise(value: np.int64) -> str:
    whole, rest = divmod(abs(int(value)), 100)
    return f"{'-' if value < 0 else ''}{whole}.{rest:02d}"


def _price(value: float) -> str | None:
    return None if np.isnan(value) else f"{value:.2f}"


def _greek(value: float, name: str) -> float | None:
    return None if np.isnan(value) else round(float(value), DIGITS[name])


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(IST).isoformat(timespec="seconds")
