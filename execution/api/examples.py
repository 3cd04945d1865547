"""One answer of each operation, for the API's documentation."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample

PAIR = {
    "allocation_id": 3, "basket_id": 1, "basket": "Conservative Income Strategies", "strategy_id": 1,
    "strategy": "Iron Condor", "broker_account_id": 1, "broker": "zerodha", "label": "Zerodha paper",
    "mode": "paper",
}  # fmt: skip
RUN = {
    "id": 41, **PAIR, "timeline": "demo", "trading_day": "2026-08-04", "phase": "entry", "cycle": 1,
    "strategy_version": 2, "lots": 2, "status": "done", "cause": "schedule", "only_legs": None,
    "code": "", "why": "", "fix": "",
    "detail": "", "due_at": "2026-08-04T09:20:00+05:30", "armed_at": None, "waiting": False,
    "started_at": "2026-08-04T09:20:01+05:30",
    "finished_at": "2026-08-04T09:20:04+05:30", "margin": "154210.00",
}  # fmt: skip
EVENT = {
    "id": 7, "kind": "Ack", "source": "answer", "words": "BUY NIFTY-20260804-24800-CE: the broker accepted it.",
    "at": "2026-08-04T09:20:01+05:30",
}  # fmt: skip
FILL = {
    "id": 5, "trade_id": "T17", "exchange": "NSE", "trading_day": "2026-08-04", "side": "BUY",
    "quantity": 130, "price": "21.40", "at": "2026-08-04T09:20:01+05:30",
}  # fmt: skip
ORDER = {
    "id": 90, "execution_id": 41, **PAIR, "timeline": "demo", "contract": "NIFTY-20260804-24800-CE",
    "leg_number": 3, "action": "open", "wave": 1, "slice": 1, "attempt": 1, "side": "BUY",
    "product": "NRML", "quantity": 130, "order_type": "LIMIT", "price": "21.80",
    "trigger_price": None, "status": "FILLED", "state": "Filled", "pending_op": "",
    "client_ref": "4J0Z8Q2M6T1XK7VB3N9C", "broker_order_id": "260804000017", "filled_quantity": 130, "average_price": "21.4000",
    "arrival_mid": "21.3500", "slippage": "-6.50", "charges": "27.11", "code": "", "why": "", "fix": "",
    "upstream": "", "created_at": "2026-08-04T09:20:01+05:30", "finished_at": "2026-08-04T09:20:01+05:30",
}  # fmt: skip
PAIR_LANES = {
    "execution_id": 41, "allocation_id": 3, "broker": "zerodha", "label": "Zerodha paper", "lots": 2,
    "status": "done", "orders_sent": 4, "orders_filled": 4, "slippage": "-31.20",
    "legs": [{
        "leg_number": 3, "action": "open", "side": "BUY", "contract": "NIFTY-20260804-24800-CE",
        "slices": [{
            "order_id": 90, "slice": 1, "attempt": 1, "quantity": 130, "filled_quantity": 130,
            "sent": True, "status": "FILLED", "state": "Filled", "code": "", "why": "", "fix": "",
            "ready_at": "2026-08-04T09:20:01+05:30", "answered_at": "2026-08-04T09:20:01+05:30",
            "finished_at": "2026-08-04T09:20:02+05:30", "slippage": "-6.50", "fills": [FILL],
        }],
    }],
}  # fmt: skip
CODE = {
    "code": "INSUFFICIENT_FUNDS", "group": "Denied by us",
    "why": "The account does not have enough free money.", "fix": "Add funds, or enter fewer lots.",
}  # fmt: skip
POSITION = {
    "id": 12, **PAIR, "timeline": "demo", "contract": "NIFTY-20260804-24600-CE", "leg_number": 4,
    "product": "NRML", "quantity": -130, "lots": -2, "average_price": "71.20", "mark": "70.05",
    "stale": False, "pnl": "149.50", "day_pnl": "88.15", "realised": "0.00", "charges": "61.35",
    "delta": -31.2, "gamma": -0.12, "theta": 410.5, "vega": -260.1, "iv": 0.131,
    "opened_at": "2026-08-04T09:20:03+05:30", "asof": "2026-08-04T11:00:00+05:30",
}  # fmt: skip
STOP = {
    "id": 3, **PAIR, "timeline": "demo", "leg_number": 4, "contract": "NIFTY-20260804-24600-CE",
    "since": "2026-08-04T09:20:03+05:30", "stop": "92.55", "stop_of": "leg", "target": "35.60",
    "target_of": "leg", "locked": None, "at_cost": False, "crossed": "", "crossed_frames": 0,
    "unjudged_since": None, "updated_at": "2026-08-04T10:41:00+05:30",
}  # fmt: skip
SUM = {
    "key": "1", "name": "Iron Condor", "net": "2310.15", "gross": "2480.00", "charges": "169.85",
    "orders": 12, "fills": 14,
}  # fmt: skip
DAY = {
    "key": "2026-08-04", "name": "2026-08-04", "net": "2310.15", "gross": "2480.00",
    "charges": "169.85", "orders": 12, "fills": 14, "peak_margin": "310000.00", "provisional": False,
}  # fmt: skip
SCOPE = {
    "scope": "pair", "target": 3, "name": "Iron Condor on Zerodha paper", "state": "active",
    "state_scope": "", "reason": "", "open_positions": 4, "open_orders": 0,
}  # fmt: skip
RECEIPT_HEAD = {
    "id": 7, "verb": "kill", "scope": "user", "target": None, "name": "everything you run",
    "timeline": "demo", "at": "2026-08-04T11:00:00+05:30", "verified_flat": True,
}  # fmt: skip
RECEIPT = {
    **RECEIPT_HEAD,
    "accounts": [{
        "account": "Zerodha paper", "positions_closed": 4, "positions_open": 0, "orders_ended": 1,
        "orders_open": 0, "left": [], "said": [], "left_to_expire": [],
        "verified_at": "2026-08-04T11:00:03+05:30",
    }],
}  # fmt: skip
SCOPE_LIMIT = {
    "scope": "account", "target": 1, "name": "account Zerodha paper", "version": 2,
    "max_lots": 8, "max_day_loss": "8000.00", "max_margin": "800000.00", "max_open_positions": 20,
    "max_delta": "500.00", "max_vega": None, "square_off_at_loss": True,
    "pending": [{"limit": "max_day_loss", "value": "10000.00", "asked_on": "2026-08-04"}],
    "used": {"lots": 2, "day_loss": "0.00", "margin": "154210.00", "open_positions": 4,
             "delta": "12.40", "vega": "260.10"},
}  # fmt: skip
LIMITS = {
    **PAIR, "asof": "2026-08-04T11:00:00+05:30",
    "lots": {"used": 2, "limit": 4}, "day_loss": {"used": "0.00", "limit": "25000.00"},
    "margin": {"used": "154210.00", "limit": "400000.00"}, "margin_share": "149655.20", "open_positions": {"used": 4, "limit": 8},
    "delta": {"used": "12.40", "limit": "500.00"}, "vega": {"used": "260.10", "limit": None},
}  # fmt: skip
ACT = {
    "verb": "kill", "scope": "pair", "target": 3,
    "exits": [{**RUN, "phase": "exit", "cause": "kill", "status": "due"}], "receipt_id": 7,
}  # fmt: skip
MISMATCH = {
    "id": 4, "kind": "squared_off", "subject": "NIFTY-20260804-24600-CE NRML",
    "title": "a position of ours was traded by hand",
    "body": "NIFTY-20260804-24600-CE: a trade in the broker's own app went against what we hold.",
    "contract": "NIFTY-20260804-24600-CE", "allocation_id": 3, "order_id": None, "platform": -130,
    "broker": -65, "missing": 65, "opened_at": "2026-08-04T11:00:00+05:30", "chosen": "",
    "choices": [{"fix": "adopt_close", "title": "Book it as our close",
                 "meaning": "The pair's position is closed by that trade, at its price."}],
    "resolved_at": None, "resolution": "",
}  # fmt: skip
RECONCILED = {
    "broker_account_id": 1, "label": "Zerodha paper", "broker": "zerodha", "mode": "paper",
    "agrees": False, "read_at": "2026-08-04T11:00:00+05:30", "failing_since": None, "why": "",
    "positions": [{"contract": "NIFTY-20260804-24600-CE", "product": "NRML", "platform": -130,
                   "external": 65, "broker": -65, "disputed": 65, "agrees": False}],
    "mismatches": [MISMATCH],
}  # fmt: skip
ADOPTED = {**ORDER, "events": [EVENT], "fills": [FILL]}
DENIAL = {"code": "LOTS_ABOVE_LIMIT", "why": "This entry would go above the maximum lots.",
          "detail": "Close open lots, enter fewer, or raise max_lots."}  # fmt: skip
PLANNED = {
    "leg_number": 3, "wave": 1, "side": "BUY", "contract": "NIFTY-20260804-24800-CE", "quantity": 130,
    "slices": [130], "limit_price": "21.80", "mid": "21.35", "premium": "2775.50",
    "charges": "27.11", "margin_after": "0.00",
}  # fmt: skip
PREVIEW = {
    "preview_id": "f3c1b6a0e4d94a64", "hash": "6f1f0c1b2d3e4f50", "expires_in": 300,
    "timeline": "demo", "asof": "2026-08-04T11:00:00+05:30", "basket_id": 1,
    "pairs": [{**PAIR, "lots": 2, "strategy_version": 2, "enters": True, "denial": None,
               "margin": "154210.00", "margin_peak": "154210.00", "charges": "108.44",
               "orders": [PLANNED]}],
    "brokers": [{"broker_account_id": 1, "broker": "zerodha", "label": "Zerodha paper", "pairs": 1,
                 "orders": 4, "margin": "154210.00", "premium": "-9120.00",
                 "charges": "108.44", "available": "2500000.00", "enough": True}],
}  # fmt: skip
ADJUSTMENT = {
    **PAIR, "goes": True, "denial": None, "margin_before": "154210.00", "margin_after": "149800.00",
    "premium": "2405.00", "charges": "54.10",
    "orders": [
        {**PLANNED, "leg_number": 4, "contract": "NIFTY-20260804-24600-CE", "premium": "9230.00",
         "margin_after": "96400.00"},
        {**PLANNED, "leg_number": 4, "wave": 2, "side": "SELL", "contract": "NIFTY-20260804-24700-CE",
         "limit_price": "51.40", "mid": "52.50", "premium": "-6825.00", "margin_after": "149800.00"},
    ],
}  # fmt: skip
EXECUTED = {"hash": "6f1f0c1b2d3e4f50", "executions": [{**RUN, "status": "due"}]}
PROPOSAL = {
    **PAIR, "lots": 2, "proposed": 3, "days": 12, "net": "412.50", "drawdown": "900.00",
    "slippage": "18.20", "fill_rate": "1.0000", "open_trade": False,
    "reason": "More lots: net ₹412.50 a lot and day, worst drawdown ₹900.00 a lot, slippage ₹18.20 a lot, 100% filled.",
}  # fmt: skip


def answer(name: str, value: dict[str, Any], status: str = "200") -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True, status_codes=[status])


def listed(name: str, row: dict[str, Any]) -> OpenApiExample:
    return answer(name, {"data": [row], "next_cursor": None})


def asked(name: str, value: dict[str, Any]) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True)
