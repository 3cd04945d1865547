"""What a settlement point is worth on expiry day: the net delta of what expires, in rupees."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from execution.live.expiring import at_settlement, slope
from execution.live.lines import build
from execution.live.valuation import revalue
from market.kernel.contracts import parse
from tests.unit.execution.live.worlds import EXPIRY, frame, line, quote

TODAY = date(2026, 8, 4)
CALL, PUT = "NIFTY-20260804-24600-CE", "NIFTY-20260804-24400-PE"
DEEP = "NIFTY-20260804-24300-CE"
LATER = "NIFTY-20260811-24700-CE"
QUOTES = {
    CALL: quote("20.00", "20.50", "20.25"),
    PUT: quote("18.00", "18.50", "18.25"),
    LATER: quote("70.90", "71.20", "71.00"),
}


def today(quotes=QUOTES):
    seen = frame(quotes)
    return replace(seen, forwards={("NIFTY", TODAY): Decimal("24500.00"), ("NIFTY", EXPIRY): Decimal(24530)})


def test_a_point_is_worth_the_net_delta_of_what_expires_today_over_all_pairs():
    book = build([line(CALL, -130), line(CALL, -65, id=2), line(PUT, -65, id=3), line(LATER, 650, id=4)])
    seen = today()

    found = at_settlement(book, seen, "NIFTY", TODAY)

    deltas = revalue(book, seen).greeks["delta"]
    assert [(row.contract.symbol, row.quantity) for row in found.rows] == [(PUT, -65), (CALL, -195)]
    assert found.per_point == pytest.approx(float(deltas[0] + deltas[1] + deltas[2]))
    assert found.rows[1].per_point == pytest.approx(float(deltas[0] + deltas[1]))
    assert found.rows[1].per_point < 0 < found.rows[0].per_point
    assert (found.per_point_settled, found.unknown) == (0, 0)  # both out of the money


def test_settled_in_the_money_a_point_counts_every_unit():
    book = build([line(DEEP, -65), line(PUT, 130, id=2)])

    found = at_settlement(book, today(QUOTES | {DEEP: quote("199.00", "201.00", "200.00")}), "NIFTY", TODAY)

    assert found.per_point_settled == -65


def test_a_contract_whose_price_implies_no_volatility_is_left_out_and_counted():
    book = build([line(DEEP, -65), line(CALL, -65, id=2)])

    found = at_settlement(book, today(QUOTES | {DEEP: quote("1.00", "1.05", "1.00")}), "NIFTY", TODAY)

    assert [row.per_point is None for row in found.rows] == [True, False]
    assert found.unknown == 1
    assert found.per_point == found.rows[1].per_point


def test_closed_positions_and_other_series_are_nothing_of_today():
    book = build([line(CALL, 0), line(LATER, -65, id=2)])

    found = at_settlement(book, today(), "NIFTY", TODAY)

    assert (found.rows, found.per_point, found.per_point_settled) == ((), 0, 0)


def test_without_a_forward_what_it_is_worth_settled_is_not_known():
    book = build([line(CALL, -65)])

    found = at_settlement(book, replace(today(), forwards={}), "NIFTY", TODAY)

    assert (found.per_point, found.per_point_settled, found.unknown) == (None, None, 1)


@pytest.mark.parametrize(
    ("symbol", "level", "expected"),
    [(CALL, 24600.05, 1), (CALL, 24600, 0), (PUT, 24399.95, -1), (PUT, 24400, 0), ("NIFTY-20260825-FUT", 1, 1)],
)
def test_the_slope_of_what_a_contract_pays(symbol, level, expected):
    assert slope(parse(symbol), level) == expected


