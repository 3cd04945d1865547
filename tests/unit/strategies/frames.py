"""A small NIFTY market of Monday 3 August 2026, 09:20, written by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from market.kernel.clock import IST
from market.kernel.contracts import Contract
from market.kernel.frame import Frame, Quote
from strategies.rules import LegRule, ResolvedLeg

DAY = date(2026, 8, 3)
NOW = datetime(2026, 8, 3, 9, 20, tzinfo=IST)
WEEK, NEXT_WEEK, MONTH = date(2026, 8, 4), date(2026, 8, 11), date(2026, 8, 25)
FORWARD = Decimal("24512.30")

# strike: call mid, put mid; 24750 is not listed
WEEKLY = {
    24300: ("260", "47.7"), 24350: ("221", "58.7"), 24400: ("185", "72.7"), 24450: ("152", "89.7"),
    24500: ("122", "109.7"), 24550: ("96", "133.7"), 24600: ("74", "161.7"), 24650: ("56", "193.7"),
    24700: ("42", "229.7"), 24800: ("24", "311.7"),
}  # fmt: skip
LATER = {24400: ("300", "170"), 24500: ("240", "210"), 24600: ("190", "260"), 24700: ("150", "320")}


def make_frame(**changes) -> Frame:
    quotes = {}
    for expiry, table in ((WEEK, WEEKLY), (NEXT_WEEK, LATER), (MONTH, LATER)):
        for strike, mids in table.items():
            for option_type, mid in zip(("CE", "PE"), mids, strict=True):
                symbol = Contract("NIFTY", expiry, option_type, Decimal(strike)).symbol
                quotes[symbol] = make_quote(mid)
    quotes[Contract("NIFTY", MONTH, "FUT").symbol] = make_quote("24580")
    frame = Frame(
        timeline="hand", n=1, now=NOW, cadence=1.0, quotes=quotes,
        spots={"NIFTY": Decimal("24490")},
        forwards={
            ("NIFTY", WEEK): FORWARD,
            ("NIFTY", NEXT_WEEK): Decimal("24530"),
            ("NIFTY", MONTH): Decimal("24580"),
        },
    )  # fmt: skip
    return replace(frame, **changes)


def make_quote(mid: str, *, at: datetime = NOW) -> Quote:
    middle, half = Decimal(mid), Decimal("0.50")
    return Quote(middle - half, middle + half, middle, 650, 650, at)


def make_stale(frame: Frame, symbol: str) -> Frame:
    old = frame.quotes[symbol]._replace(at=NOW - timedelta(seconds=11))
    return replace(frame, quotes={**frame.quotes, symbol: old})


def make_leg(**changes) -> LegRule:
    leg = LegRule(
        number=1, side="SELL", ratio=1, option_type="CE", strike_rule="atm",
        strike_value=Decimal(0), expiry_rule="this_week", expiry_date=None,
    )  # fmt: skip
    return replace(leg, **changes)


def make_resolved(number=1, side="SELL", option_type="CE", strike=24500, expiry=WEEK, ratio=1):
    contract = Contract("NIFTY", expiry, option_type, None if option_type == "FUT" else Decimal(strike))
    return ResolvedLeg(
        number=number, side=side, ratio=ratio, contract=contract, reference=Decimal("100")
    )
