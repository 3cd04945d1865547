"""One answer of each operation, for the API's documentation."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample

ORIGIN = {
    "timeline": "demo", "source": "simulated", "asof": "2026-08-04T11:00:00+05:30", "frame": 210,
}  # fmt: skip
CALL = {
    "symbol": "NIFTY-20260811-24600-CE", "ltp": "182.40", "bid": "182.10", "ask": "182.70",
    "bid_quantity": 1300, "ask_quantity": 2080, "oi": 4257500, "volume": 18811000,
    "in_the_money": True, "at": "2026-08-04T11:00:00+05:30", "stale": False, "iv_flag": "ok", "iv": 0.131,
    "delta": 0.5138, "gamma": 0.000887, "theta": -13.02, "vega": 13.48,
}  # fmt: skip


def _answer(name: str, value: dict[str, Any]) -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True)


CHAIN = _answer("A chain of one strike", {
    **ORIGIN, "underlying": "NIFTY", "expiry": "2026-08-11", "expiries": ["2026-08-04", "2026-08-11"],
    "lot_size": 65, "spot": "24590.15", "spot_is_live": True, "forward": "24621.30", "forward_is_synthetic": False,
    "day_count": "calendar/365",
    "interest": {"call_oi": 61719450, "put_oi": 54609555, "pcr_oi": 0.8848, "call_volume": 31068765,
                 "put_volume": 27489735, "pcr_volume": 0.8848, "max_pain": "24500", "oi_unknown": 0},
    "notes": [],
    "data": [{"strike": "24600", "moneyness": 0.999135, "at_the_money": True, "call": CALL, "put": None}],
    "next_cursor": None,
})  # fmt: skip
SMILE = _answer("A smile of two strikes", {
    **ORIGIN, "underlying": "NIFTY", "expiry": "2026-08-11", "forward": "24621.30",
    "day_count": "calendar/365", "data": [
        {"strike": "24600", "moneyness": 0.999135, "iv": 0.131, "weak": False},
        {"strike": "24650", "moneyness": 1.001166, "iv": 0.1304, "weak": False}],
    "next_cursor": None,
})  # fmt: skip
TERM = _answer("A term structure, on a day without expiry", {
    **ORIGIN, "underlying": "NIFTY", "day_count": "calendar/365", "expiring": None, "data": [
        {"expiry": "2026-08-11", "days": 7.1, "forward": "24621.30", "forward_is_synthetic": False,
         "strike": "24600", "iv": 0.131, "iv_flag": "ok"}],
    "next_cursor": None,
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
    **ORIGIN, "spot": "24590.15", "expiry": "2026-08-11", "exact": True, "searched_to": None,
    "premium": "11700.00", "breakevens": ["24120.00", "25080.00"], "max_profit": "11700.00",
    "max_loss": None, "probability_of_profit": 0.7109,
    "probability_definition": "lognormal on the forward at the at-the-money implied volatility",
    "day_count": "calendar/365", "atm_iv": 0.131,
    "bands": [{"sigma": 1, "low": "24168.63", "high": "25073.97", "probability": 0.6827},
              {"sigma": 2, "low": "23728.29", "high": "25539.28", "probability": 0.9545}],
    "target": {"day": "2026-08-07", "at": "2026-08-07T15:35:00+05:30", "bands": [
        {"sigma": 1, "low": "24302.62", "high": "24905.32", "probability": 0.6827},
        {"sigma": 2, "low": "24006.76", "high": "25212.25", "probability": 0.9545}]},
    "legs": [{"symbol": "NIFTY-20260811-24900-CE", "quantity": -65, "price": "100.00",
              "price_given": True, "iv": 0.129}],
    "curve": [{"spot": "24600.00", "expiry": "11700.00", "target": "5310.45", "today": "1105.20"}],
    "scenarios": {"spots": ["24590.15"], "days": [0], "points": [0.0], "profit": [[["0.00"]]]},
})  # fmt: skip
