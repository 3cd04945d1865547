"""What docs/algorithms/expiry.md and charges.md say of settlement rules, futures and 2023, held against the code."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from execution.engine import marks
from execution.engine.settle import settlement_price
from execution.models import Position
from execution.positions import Holding, Trade, after, settled
from market.kernel import charges, settlement
from market.kernel.clock import IST
from market.kernel.contracts import parse
from market.kernel.frame import Frame, Quote
from market.kernel.money import ZERO
from market.models import Contract
from tests.unit.test_documents import money, table

EXPIRY = "docs/algorithms/expiry.md"
FUTURE = "NIFTY-20260825-FUT"


@pytest.mark.parametrize("row", table(EXPIRY, "expiry day"), ids=str)
def test_the_rule_of_a_day_is_the_one_that_the_document_states(row):
    edge = date.fromisoformat(row["expiry day"].split()[-1])
    day = {date(2026, 8, 2): date(2026, 7, 31), date(2026, 8, 3): date(2026, 8, 3)}[edge]

    rule = settlement.rule("NSE", day)

    assert rule.basis == row["official value"]
    assert [f"{at.astimezone(IST):%H:%M}" for at in (rule.begins, rule.known_at, rule.last_trade)] == [
        row["begins"], row["known at"], row["last trade"],
    ]  # fmt: skip


def future(cost, opening):
    return Position(
        contract=Contract(symbol=FUTURE), quantity=65, cost=cost, realised=ZERO, charges=ZERO,
        day_opening_pnl=opening, day_charges_before=ZERO,
    )  # fmt: skip


def frame(mark):
    now = datetime(2026, 8, 24, 9, 30, tzinfo=UTC)
    quote = Quote(bid=mark, ask=mark, ltp=mark, bid_quantity=65, ask_quantity=65, at=now)
    return Frame(timeline="t", n=1, now=now, cadence=1.0, quotes={FUTURE: quote}, spots={}, forwards={})


def test_a_carried_future_earns_each_day_the_change_of_its_mark_and_the_days_add_up():
    rows = table(EXPIRY, "day")
    holding = after(Holding(), Trade("BUY", 65, Decimal("24500.00")))
    opening, days = ZERO, []
    for row in rows[:-1]:
        mark = Decimal(row["mark or settlement"])
        position = future(holding.cost, opening)
        day = marks.day_pnl([position], frame(mark))
        gross = marks.gross_pnl([position], frame(mark))
        assert (money(holding.cost), money(gross), money(day)) == (
            row["cost of 65"], row["gross"], row["day P&L"],
        )  # fmt: skip
        opening, days = gross, [*days, day]
    last = rows[-1]
    value = Decimal(last["mark or settlement"])

    whole = settled(holding, settlement_price(parse(FUTURE), value)).realised

    assert (money(whole), money(whole - opening)) == (last["gross"], last["day P&L"])
    assert sum(days) + whole - opening == whole
    assert charges.for_settlement(parse(FUTURE), 65, value, date(2026, 8, 25)).total == 0


def test_the_order_of_2023_costs_what_the_document_says():
    (row,) = table("docs/algorithms/charges.md", "order of 2023")
    found = re.fullmatch(r"(SELL|BUY) (\d+) (\S+) at ([\d.]+)", row["order of 2023"])
    assert found is not None
    side, quantity, symbol, price = found.groups()

    cost = charges.for_order(
        "zerodha", parse(symbol), side, int(quantity), Decimal(price), date(2023, 7, 11)
    )

    for name in ("brokerage", "stt", "exchange", "sebi", "stamp", "gst", "total"):
        assert str(getattr(cost, name)) == row[name], name


def test_before_rounding_the_order_of_2023_is_the_brokers_own_example_exactly():
    premium = Decimal("35.65") * 75
    stt, exchange, sebi = premium * Decimal("0.000625"), premium * Decimal("0.0005"), premium / 10**6

    assert (stt, exchange, sebi) == (Decimal("1.67109375"), Decimal("1.336875"), Decimal("0.00267375"))
    assert (20 + exchange + sebi) * Decimal("0.18") == Decimal("3.841118775")
