"""Daily results read as return, drawdown and Sharpe."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from math import sqrt
from pathlib import Path
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.headless.returns import Drawdown, curve, sharpe, worst_drawdown

PAGE = Path(__file__).resolve().parents[4] / "docs" / "algorithms" / "backtest.md"
CAPITAL = Decimal(100_000)
nets = st.lists(st.decimals(-90_000, 90_000, places=2), min_size=1, max_size=60)


def results(*amounts):
    return [(date(2026, 8, 1) + timedelta(days=n), Decimal(net)) for n, net in enumerate(amounts)]


def worked() -> list[list[str]]:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines()]
    return [row for row in rows if len(row) == 4 and row[0].isdigit()]


def test_the_worked_table_of_the_page():
    days = results(*(row[1] for row in worked()))
    points = curve(days, CAPITAL)

    assert len(points) == 4
    assert [[str(p.equity), str(p.drawdown)] for p in points] == [row[2:] for row in worked()]
    assert worst_drawdown(points, CAPITAL) == Drawdown(
        amount=Decimal(-3000), percent=Decimal("-3.00"), high=date(2026, 8, 1), low=date(2026, 8, 2),
        recovered=date(2026, 8, 4),
    )  # fmt: skip
    assert sharpe(days, CAPITAL) == Decimal("2.39")


def test_a_loss_from_the_start_is_a_drawdown_from_the_start():
    found = worst_drawdown(curve(results(-500, 100), CAPITAL), CAPITAL)

    assert (found.amount, found.high, found.recovered) == (Decimal(-500), None, None)


def test_what_never_fell_has_no_drawdown():
    assert worst_drawdown(curve(results(0, 10, 0, 5), CAPITAL), CAPITAL) is None


@pytest.mark.parametrize("amounts", [(500,), (500, 500, 500)])
def test_one_day_or_equal_days_have_no_sharpe(amounts):
    assert sharpe(results(*amounts), CAPITAL) is None


@given(nets)
def test_the_curve_ends_at_capital_and_all_nets_and_is_never_above_its_high(amounts):
    points = curve(results(*amounts), CAPITAL)

    assert points[-1].equity == CAPITAL + sum(amounts)
    assert all(point.drawdown <= 0 for point in points)
    high = max([CAPITAL, *(point.equity for point in points)])
    assert points[-1].drawdown == points[-1].equity - high


@given(nets)
def test_sharpe_is_that_of_floats(amounts):
    found = sharpe(results(*amounts), CAPITAL)
    floats = [float(net) for net in amounts]
    if found is None:
        assert len(set(amounts)) == 1 or len(amounts) == 1
    else:
        assert float(found) == pytest.approx(
            mean(floats) / stdev(floats) * sqrt(252), abs=0.006, rel=1e-6
        )
