"""The backtest report: its figures follow from the document, its page loads nothing and escapes names."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal

import pytest

from execution.headless.backtest import backtest
from execution.headless.folder import page, write
from execution.headless.pictures import equity, underwater

CONDOR, PUT = "Condor on Zerodha", "<script>alert(1)</script> on Finvasia"


def pair(name: str, broker: str, capital: str) -> dict:
    return {
        "pair": name, "strategy": name.split(" on ")[0], "basket": "Income", "broker": broker,
        "capital": capital, "orders": 2, "fills": 2,
    }  # fmt: skip


def day(row: dict, on: str, net: str, charges: str, margin: str) -> dict:
    return {
        **row,
        "day": on,
        "net": net,
        "charges": charges,
        "peak_margin": margin,
        "provisional": False,
    }


def order(row: dict, side: str, average: str | None, mid: str | None) -> dict:
    return {
        **row, "side": side, "filled_quantity": 65, "average_price": average, "arrival_mid": mid,
    }  # fmt: skip


@pytest.fixture
def document() -> dict:
    condor, put = pair(CONDOR, "zerodha", "300000.00"), pair(PUT, "finvasia", "700000.00")
    return {
        "days": ["2026-07-31", "2026-08-03", "2026-08-05"],
        "inputs": {"basket": "Income & <b>more</b>", "files": ["a.csv"]},
        "data": [],
        "provisional": True,
        "pairs": [condor, put],
        "daily": [
            day(condor, "2026-07-31", "1500.00", "100.00", "90000.00"),
            day(put, "2026-07-31", "-500.00", "20.00", "60000.00"),
            day(condor, "2026-08-05", "-4000.00", "110.00", "95000.00"),
        ],
        "orders": [
            order(condor, "SELL", "99.50", "100.00"), order(condor, "BUY", "10.10", "10.00"),
            order(put, "SELL", None, None),
        ],
        "executions": [
            {"phase": "entry", "status": "done", "code": ""}, {"phase": "entry", "status": "done", "code": ""},
            {"phase": "entry", "status": "missed", "code": "TOO_LATE"},
        ],
        "settlements": [{
            "pair": PUT, "contract": "NIFTY-20260804-24500-PE", "quantity": -65, "underlying_price": "24612.15",
            "provisional": True, "source": "parity",
        }],
        "positions": [{
            "pair": PUT, "contract": "NIFTY-20260804-24400-PE", "quantity": -65, "average_price": "50.00", "mark": None,
        }],
        "ledger": {"their_orders": 2, "our_orders": 2, "their_trades": 2, "our_trades": 2, "unexplained": 0},
    }  # fmt: skip


def test_the_total_is_of_all_pairs_on_their_capital(document):
    total = backtest(document)["total"]

    assert (total["capital"], total["net"], total["charges"], total["gross"]) == tuple(
        map(Decimal, ("1000000.00", "-3000.00", "230.00", "-2770.00"))
    )
    assert (total["on_capital"], total["peak_margin"], total["on_peak_margin"]) == tuple(
        map(Decimal, ("-0.30", "150000.00", "-2.00"))
    )
    assert (total["days_up"], total["days_down"]) == (1, 1)
    assert (total["best"], total["worst"]) == (
        (date(2026, 7, 31), Decimal("1000.00")), (date(2026, 8, 5), Decimal("-4000.00"))
    )  # fmt: skip
    assert total["drawdown"].percent == Decimal("-0.40")


def test_a_day_without_a_trade_counts_as_zero(document):
    assert [str(point.net) for point in backtest(document)["curve"]] == [
        "1000.00",
        "0.00",
        "-4000.00",
    ]


def test_what_fills_were_worse_than_the_middle_is_paid_for_the_spread(document):
    groups = backtest(document)["groups"]["pair"]

    assert [str(row["spread_paid"]) for row in groups] == ["39.00", "0.00"]  # 0.50 x 65 + 0.10 x 65


def test_groups_add_up_to_the_total(document):
    found = backtest(document)

    for rows in found["groups"].values():
        assert sum(row["net"] for row in rows) == found["total"]["net"]
        assert sum(row["capital"] for row in rows) == found["total"]["capital"]


def test_months_runs_and_gaps_are_listed(document):
    found = backtest(document)

    assert [(row["days"], str(row["net"])) for row in found["months"]] == [
        (1, "1000.00"),
        (2, "-4000.00"),
    ]
    assert found["runs"] == [
        {"phase": "entry", "status": "done", "code": "", "count": 2},
        {"phase": "entry", "status": "missed", "code": "TOO_LATE", "count": 1},
    ]
    assert found["missing_days"] == [date(2026, 8, 4)]
    assert [row["contract"] for row in found["unsettled"]] == ["NIFTY-20260804-24400-PE"]


def test_the_page_loads_nothing_escapes_names_and_says_provisional(document):
    html = page(document, backtest(document))

    assert re.findall(r"(?: src=|href|url\(|@import|<script|<link|http:|https:)", html) == []
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; on Finvasia" in html
    assert "Income &amp; &lt;b&gt;more&lt;/b&gt;" in html
    assert "light-dark(" in html
    assert "Provisional." in html
    assert "Tue 4 Aug 2026. Positions were carried over them without a mark." in html


def test_both_files_are_the_same_bytes_each_time(document, tmp_path):
    written = []
    for name in ("one", "two"):
        write(tmp_path / name, document)
        written.append(
            [(tmp_path / name / file).read_bytes() for file in ("report.html", "report.json")]
        )

    assert written[0] == written[1]
    found = json.loads(written[0][1])["backtest"]
    assert found["total"]["net"] == "-3000.00"
    assert found["curve"][0] == {
        "day": "2026-07-31",
        "net": "1000.00",
        "equity": "1001000.00",
        "drawdown": "0.00",
    }


def test_the_pictures_begin_at_the_start_and_stay_in_their_frame(document):
    found = backtest(document)
    points, capital = found["curve"], found["total"]["capital"]

    assert equity(points).line == "0.00,25.00 333.33,0.00 666.67,0.00 1000.00,100.00"
    assert (equity(points).top, equity(points).bottom) == (Decimal(1000), Decimal(-3000))
    assert underwater(points, capital).line == "0.00,0.00 333.33,0.00 666.67,0.00 1000.00,100.00"


def test_one_day_without_a_result_has_a_flat_picture(document):
    one = {**document, "days": ["2026-07-31"], "daily": []}

    assert equity(backtest(one)["curve"]).line == "0.00,0.00 1000.00,0.00"
    assert "needs two days that differ" in page(one, backtest(one))
