"""Small frames and books for the live feed's tests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from execution.live.lines import Line, Scope
from market.kernel.contracts import Contract, parse
from market.kernel.frame import Frame, Quote

NOW = datetime(2026, 8, 4, 4, 30, tzinfo=UTC)  # 10:00 in India
EXPIRY = date(2026, 8, 11)
CALL = "NIFTY-20260811-24700-CE"
PUT = "NIFTY-20260811-24300-PE"
FUTURE = "NIFTY-20260825-FUT"


def quote(bid, ask, ltp, *, age=0.0, now=NOW) -> Quote:
    return Quote(
        None if bid is None else Decimal(bid),
        None if ask is None else Decimal(ask),
        Decimal(ltp),
        650,
        650,
        now - timedelta(seconds=age),
    )


def frame(quotes=None, *, n=1, now=NOW, forward="24500.00", cadence=1.0, timeline="sim", **others) -> Frame:
    forwards = {} if forward is None else {("NIFTY", EXPIRY): Decimal(forward)}
    return Frame(
        timeline=timeline,
        n=n,
        now=now,
        cadence=cadence,
        quotes=quotes or {},
        spots={"NIFTY": Decimal("24490.15")},
        forwards=forwards,
        **others,
    )


def line(symbol=CALL, quantity=-130, *, id=1, average="100", realised="0", charges="0", opening="0", before="0", scope=None) -> Line:
    contract: Contract = parse(symbol)
    return Line(
        id=id,
        scope=scope or Scope(owner=1, basket=10, strategy=20, allocation=30, account=40),
        contract=contract,
        lot_size=65,
        quantity=quantity,
        average_price=Decimal(average),
        cost=Decimal(average) * quantity,
        realised=Decimal(realised),
        charges=Decimal(charges),
        day_opening=None if opening is None else Decimal(opening),
        day_charges_before=Decimal(before),
    )
