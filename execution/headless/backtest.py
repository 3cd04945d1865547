"""The backtest of a headless run: its document read as daily results on capital."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from execution.headless import returns
from execution.headless.days import missing
from execution.headless.returns import ZERO, Result
from market.kernel.contracts import parse

Document = dict[str, Any]
GROUPINGS = ("pair", "strategy", "basket", "broker")


def backtest(document: Document) -> Document:
    """Curve, totals, groups, months, runs and gaps; money is Decimal, a day is a date.

    Capital is what the pairs were allocated: the margin limit of each, summed.
    """
    days = [date.fromisoformat(day) for day in document["days"]]
    total = _figures("All", document, days, {row["pair"] for row in document["pairs"]})
    results = _results(document["daily"], days)
    return {
        "total": total,
        "curve": returns.curve(results, total["capital"]),
        "groups": {key: _group(key, document, days) for key in GROUPINGS},
        "months": _months(document["daily"], days),
        "runs": _runs(document["executions"]),
        "missing_days": missing(days),
        "provisional": [row for row in document["settlements"] if row["provisional"]],
        "unsettled": [row for row in document["positions"] if _expired(row, days[-1])],
        "final": not (document["provisional"] or document["positions"]),
    }


def _group(key: str, document: Document, days: Sequence[date]) -> list[Document]:
    """One row a pair, strategy, basket or broker, in the story's order."""
    members: dict[str, set[str]] = defaultdict(set)
    for row in document["pairs"]:
        members[row[key]].add(row["pair"])
    return [_figures(name, document, days, pairs) for name, pairs in members.items()]


def _figures(name: str, document: Document, days: Sequence[date], pairs: set[str]) -> Document:
    mine = {key: [row for row in document[key] if row["pair"] in pairs]
            for key in ("pairs", "daily", "orders")}  # fmt: skip
    capital = _sum(mine["pairs"], "capital")
    results = _results(mine["daily"], days)
    curve = returns.curve(results, capital)
    net, charges, margin = (
        _sum(mine["daily"], "net"),
        _sum(mine["daily"], "charges"),
        _peak(mine["daily"]),
    )
    return {
        "name": name,
        "capital": capital,
        "gross": net + charges,
        "charges": charges,
        "net": net,
        "on_capital": returns.percent(net, capital),
        "peak_margin": margin,
        "on_peak_margin": returns.percent(net, margin) if margin else None,
        "sharpe": returns.sharpe(results, capital),
        "drawdown": returns.worst_drawdown(curve, capital),
        "best": max(results, key=lambda result: result[1]),
        "worst": min(results, key=lambda result: result[1]),
        "days_up": sum(1 for _, each in results if each > 0),
        "days_down": sum(1 for _, each in results if each < 0),
        "orders": sum(row["orders"] for row in mine["pairs"]),
        "fills": sum(row["fills"] for row in mine["pairs"]),
        "spread_paid": _spread_paid(mine["orders"]),
    }


def _results(rows: Sequence[Document], days: Sequence[date]) -> list[Result]:
    """The net of every day that was played; 0 where nothing was held."""
    nets: dict[date, Decimal] = dict.fromkeys(days, ZERO)
    for row in rows:
        nets[date.fromisoformat(row["day"])] += Decimal(row["net"])
    return list(nets.items())


def _peak(rows: Sequence[Document]) -> Decimal:
    """The highest day's margin, over all its pairs."""
    days: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        days[row["day"]] += Decimal(row["peak_margin"])
    return max(days.values(), default=ZERO)


def _spread_paid(orders: Sequence[Document]) -> Decimal:
    """What fills were worse than the middle of the quote when their order was made; signed, in rupees."""
    paid = ZERO
    for row in orders:
        if row["average_price"] is None or row["arrival_mid"] is None:
            continue
        worse = Decimal(row["average_price"]) - Decimal(row["arrival_mid"])
        paid += worse * row["filled_quantity"] * (1 if row["side"] == "BUY" else -1)
    return paid.quantize(returns.CENT)


def _months(rows: Sequence[Document], days: Sequence[date]) -> list[Document]:
    months: dict[str, Document] = {}
    for day in days:
        month = months.setdefault(
            f"{day:%Y-%m}", {"first": day, "days": 0, "net": ZERO, "charges": ZERO}
        )
        month["days"] += 1
    for row in rows:
        month = months[row["day"][:7]]
        month["net"] += Decimal(row["net"])
        month["charges"] += Decimal(row["charges"])
    return list(months.values())


def _runs(rows: Sequence[Document]) -> list[Document]:
    """How runs ended, by phase, status and reason: what was denied or missed is part of the result."""
    counts = Counter((row["phase"], row["status"], row["code"]) for row in rows)
    return [
        {"phase": phase, "status": status, "code": code, "count": count}
        for (phase, status, code), count in sorted(counts.items())
    ]


def _expired(position: Document, last: date) -> bool:
    """Whether it should have been settled, and no value was known."""
    return parse(position["contract"]).expiry <= last


def _sum(rows: Sequence[Document], column: str) -> Decimal:
    return sum((Decimal(row[column]) for row in rows), ZERO)
