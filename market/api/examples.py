"""One answer of each operation, for the API's documentation."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample

ORIGIN = {
    "timeline": "demo", "source": "simulated", "asof": "2026-08-04T11:00:00+05:30", "frame": 210,
}  # fmt: skip
CALL = {
    "symbol": "NIFTY-20260811-24600-CE", "ltp": "182.40", "bid": "182.10", "ask": "182.70",
    "bid_quantity": 1300, "ask_quantity": 2080, "at": "2026-08-04T11:00:00+05:30", "stale": False,
    "iv_flag": "ok", "iv": 0.131, "delta": 0.5138, "gamma": 0.000887, "theta": -13.02, "vega": 13.48,
}  # fmt: skip


def _answer(name: str, value: dict[str, Any]) -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True)


CHAIN = _answer("A chain of one strike", {
    **ORIGIN, "underlying": "NIFTY", "expiry": "2026-08-11", "expiries": ["2026-08-04", "2026-08-11"],
    "lot_size": 65, "spot": "24590.15", "forward": "24621.30", "forward_by_parity": False, "notes": [],
    "data": [{"strike": "24600", "moneyness": 0.999135, "at_the_money": True, "call": CALL, "put": None}],
})  # fmt: skip
CONTRACTS = _answer("Contracts of NIFTY", {
    **ORIGIN, "underlying": "NIFTY", "exchange": "NSE", "strike_step": "50", "freeze_quantity": 1800,
    "expiries": [{"day": "2026-08-11", "kind": "weekly", "lot_size": 65, "largest_order": 1755,
                  "settles_at": "2026-08-11T15:35:00+05:30"}],
    "data": [{"symbol": "NIFTY-20260811-24600-CE", "expiry": "2026-08-11", "option_type": "CE",
              "strike": "24600", "lot_size": 65, "tick_size": "0.05"}],
    "next_cursor": "NIFTY-20260811-24600-CE",
})  # fmt: skip
CALENDAR = _answer("Two days", {
    "exchange": "NSE", "from": "2026-09-11", "to": "2026-09-14", "holidays": ["2026-09-14"],
    "sessions": [{"day": "2026-09-11", "kind": "normal", "open": "2026-09-11T09:15:00+05:30",
                  "close": "2026-09-11T15:40:00+05:30",
                  "parts": [["2026-09-11T09:15:00+05:30", "2026-09-11T15:40:00+05:30"]]}],
})  # fmt: skip
CLOCK = _answer("A simulated day at x60", {
    "timeline": "demo", "source": "simulated", "speed": 60, "market_now": "2026-08-04T11:00:00+05:30",
    "wall_now": "2026-11-22T23:10:00+05:30", "frame": 210, "cadence_seconds": 30.0,
    "feed": {"state": "playing", "age_seconds": 0.3},
    "session": {"exchange": "NSE", "open": True, "next_open": "2026-08-05T09:15:00+05:30",
                "next_close": "2026-08-04T15:40:00+05:30", "spot_is_live": True},
})  # fmt: skip
PAYOFF = _answer("A short strangle", {
    **ORIGIN, "spot": "24590.15", "exact": True, "premium": "11700.00",
    "breakevens": ["24120.00", "25080.00"], "max_profit": "11700.00", "max_loss": None,
    "legs": [{"symbol": "NIFTY-20260811-24900-CE", "quantity": -65, "price": "100.00",
              "price_given": True, "iv": 0.129}],
    "curve": [{"spot": "24600.00", "expiry": "11700.00", "today": "1105.20"}],
})  # fmt: skip
