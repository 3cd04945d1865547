"""Recompute a headless day from its printed fills, with nothing of the project.

    python manage.py trade_day FILE... --json | python3 -I tests/end_to_end/recompute.py
    python3 -I tests/end_to_end/recompute.py report.json

Exit code 0 and a table when every pair's P&L and charges, every sum and every lot agree to the paisa;
else 1 and one line for each difference. The rates are those of 2026 in docs/algorithms/charges.md.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

D = Decimal
Document = dict[str, Any]
ZERO, PAISA = D(0), D("0.01")
BSE = {"SENSEX", "BANKEX"}
LOTS = {"NIFTY": 65, "BANKNIFTY": 30, "FINNIFTY": 60, "MIDCPNIFTY": 120, "SENSEX": 20, "BANKEX": 30}
BROKERAGE = {"zerodha": D(20), "angelone": D(20), "finvasia": D(5)}
FUTURES_SHARE = {"zerodha": D("0.0003"), "angelone": D("0.0003")}
EXCHANGE = {
    ("NSE", "OPT"): D("0.0003503") + D("0.000005"),
    ("NSE", "FUT"): D("0.0000173") + D("0.000001"),
    ("BSE", "OPT"): D("0.000325"),
    ("BSE", "FUT"): ZERO,
}
STAMP = {"OPT": D("0.00003"), "FUT": D("0.00002")}
SEBI, GST = D("0.000001"), D("0.18")
NEW_STT = date(2026, 4, 1)
STT = {  # until 31 March 2026, from 1 April 2026
    "OPT": (D("0.0010"), D("0.0015")),
    "FUT": (D("0.0002"), D("0.0005")),
    "EXERCISE": (D("0.00125"), D("0.0015")),
}
MONEY = ("gross", "charges", "net")


class CannotRecompute(ValueError):
    """The report holds something whose rates are not here."""


@dataclass(frozen=True)
class Contract:
    """A contract as its symbol says it: NIFTY-20260804-24500-CE, NIFTY-20260825-FUT."""

    underlying: str
    kind: str
    option_type: str
    strike: Decimal

    @property
    def exchange(self) -> str:
        return "BSE" if self.underlying in BSE else "NSE"

    def worth(self, underlying_price: Decimal) -> Decimal:
        """What one unit is worth at settlement."""
        if self.kind == "FUT":
            return underlying_price
        gap = underlying_price - self.strike
        return max(gap if self.option_type == "CE" else -gap, ZERO)


def contract(symbol: str) -> Contract:
    underlying, _, *rest = symbol.split("-")
    if underlying not in LOTS:
        raise CannotRecompute(f"{symbol}: {underlying} is not known here")
    if rest == ["FUT"]:
        return Contract(underlying, "FUT", "", ZERO)
    return Contract(underlying, "OPT", rest[1], D(rest[0]))


def paise(amount: Decimal) -> Decimal:
    return amount.quantize(PAISA, ROUND_HALF_UP)


def stt(kind: str, day: date) -> Decimal:
    if day.year != 2026:
        raise CannotRecompute(f"{day}: only the rates of 2026 are here")
    return STT[kind][day >= NEW_STT]


def order_charges(fills: list[Document]) -> Decimal:
    """What one executed order cost, from its fills alone."""
    first = fills[0]
    of, broker, day = contract(first["contract"]), first["broker"], date.fromisoformat(first["time"][:10])
    turnover = sum((D(fill["price"]) * fill["quantity"] for fill in fills), ZERO)
    brokerage = BROKERAGE[broker]
    if of.kind == "FUT" and broker in FUTURES_SHARE:
        brokerage = min(brokerage, turnover * FUTURES_SHARE[broker])
    brokerage = paise(brokerage)
    exchange = paise(turnover * EXCHANGE[of.exchange, of.kind])
    sebi = paise(turnover * SEBI)
    tax = paise(turnover * stt(of.kind, day)) if first["side"] == "SELL" else ZERO
    stamp = paise(turnover * STAMP[of.kind]) if first["side"] == "BUY" else ZERO
    gst = paise((brokerage + exchange + sebi) * GST)
    return brokerage + exchange + sebi + tax + stamp + gst


def settlement_charges(row: Document) -> Decimal:
    """Only a long option in the money pays: STT on its intrinsic value."""
    symbol = row["contract"]
    of, day = contract(symbol), date.fromisoformat(symbol.split("-")[1])
    if of.kind == "FUT" or row["quantity"] <= 0:
        return ZERO
    return paise(row["quantity"] * of.worth(D(row["underlying_price"])) * stt("EXERCISE", day))


def recompute(report: Document) -> tuple[dict[str, Document], list[str]]:
    """Gross, charges and net of every pair that traded, and what of the printed report differs."""
    pairs: dict[str, Document] = {}
    differences: list[str] = []
    orders = grouped(report["fills"], "order")
    settled = latest_settlements(report["settlements"])
    held = holdings(report["fills"], settled)
    for name, fills in grouped(report["fills"], "pair").items():
        mine = {ref: rows for ref, rows in orders.items() if rows[0]["pair"] == name}
        closings = [row for row in settled if row["pair"] == name]
        cash = sum((flow(fill) for fill in fills), ZERO)
        cash += sum((row["quantity"] * D(row["price"]) for row in closings), ZERO)
        cash += sum((value(row) for row in report["positions"] if row["pair"] == name), ZERO)
        charges = sum(map(order_charges, mine.values()), ZERO)
        charges += sum(map(settlement_charges, closings), ZERO)
        gross = paise(cash)
        pairs[name] = {
            **{key: fills[0][key] for key in ("pair", "strategy", "basket", "broker")},
            "gross": gross, "charges": charges, "net": gross - charges,
            "orders": len(mine), "fills": len(fills),
        }  # fmt: skip
    differences += compare(report, pairs)
    differences += order_differences(report, orders)
    differences += settlement_differences(settled)
    differences += position_differences(report, held)
    return pairs, differences


def flow(fill: Document) -> Decimal:
    amount = D(fill["price"]) * fill["quantity"]
    return amount if fill["side"] == "SELL" else -amount


def value(position: Document) -> Decimal:
    """An open position at its mark; one that nobody quotes counts at its cost."""
    price = position["average_price"] if position["mark"] is None else position["mark"]
    return position["quantity"] * D(price)


def latest_settlements(rows: list[Document]) -> list[Document]:
    """One row a position: a final settlement takes the place of the provisional one before it."""
    found: dict[tuple[str, str], Document] = {}
    for row in sorted(rows, key=lambda row: not row["provisional"]):
        found[row["pair"], row["contract"]] = row
    return list(found.values())


def holdings(fills: list[Document], settled: list[Document]) -> dict[tuple[str, str], int]:
    """Units of each pair and contract that are left after every fill and settlement."""
    held: dict[tuple[str, str], int] = defaultdict(int)
    for fill in fills:
        units = fill["quantity"] if fill["side"] == "BUY" else -fill["quantity"]
        held[fill["pair"], fill["contract"]] += units
    for row in settled:
        held[row["pair"], row["contract"]] -= row["quantity"]
    return held


def grouped(rows: Iterable[Document], key: str) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return found


def compare(report: Document, pairs: dict[str, Document]) -> Iterator[str]:
    """The printed pairs, strategies, baskets and brokers against the recomputed pairs."""
    for printed, key in (("pairs", "pair"), ("strategies", "strategy"), ("baskets", "basket"), ("brokers", "broker")):
        ours = grouped(pairs.values(), key)
        theirs = {row[key]: row for row in report[printed]}
        for name in sorted(ours.keys() | theirs.keys()):
            row = theirs.get(name)
            if row is None:
                yield f"{printed}: {name} traded and is not printed"
                continue
            for column in (*MONEY, "fills"):
                own = sum((each[column] for each in ours.get(name, [])), ZERO)
                if D(row[column]) != own:
                    yield f"{printed}: {name}: {column} printed {row[column]}, recomputed {own}"


def order_differences(report: Document, fills: dict[str, list[Document]]) -> Iterator[str]:
    known = {row["order"] for row in report["orders"]}
    for ref in fills.keys() - known:
        yield f"fills of order {ref}, which is not printed"
    for row in report["orders"]:
        mine = fills.get(row["order"], [])
        filled, charges = sum(fill["quantity"] for fill in mine), order_charges(mine) if mine else ZERO
        if filled != row["filled_quantity"]:
            yield f"order {row['order']}: filled printed {row['filled_quantity']}, its fills make {filled}"
        if charges != D(row["charges"]):
            yield f"order {row['order']}: charges printed {row['charges']}, recomputed {charges}"
        if any((fill["contract"], fill["side"]) != (row["contract"], row["side"]) for fill in mine):
            yield f"order {row['order']}: a fill is of another contract or side"


def settlement_differences(settled: list[Document]) -> Iterator[str]:
    for row in settled:
        name = f"settlement of {row['contract']} of {row['pair']}"
        worth, charges = contract(row["contract"]).worth(D(row["underlying_price"])), settlement_charges(row)
        if D(row["price"]) != worth:
            yield f"{name}: price printed {row['price']}, recomputed {worth}"
        if D(row["charges"]) != charges:
            yield f"{name}: charges printed {row['charges']}, recomputed {charges}"


def position_differences(report: Document, held: dict[tuple[str, str], int]) -> Iterator[str]:
    printed: dict[tuple[str, str], int] = defaultdict(int)
    for row in report["positions"]:
        printed[row["pair"], row["contract"]] += row["quantity"]
    for key in sorted(held.keys() | printed.keys()):
        if held.get(key, 0) != printed.get(key, 0):
            pair, symbol = key
            yield f"position {symbol} of {pair}: printed {printed.get(key, 0)}, the fills leave {held.get(key, 0)}"


def lot_differences(report: Document) -> Iterator[str]:
    """Every entry filled its lots exactly, or a recorded denial or rejection says why not."""
    allocated = {row["pair"]: row["lots_allocated"] for row in report["pairs"]}
    filled: dict[str, int] = defaultdict(int)
    for fill in report["fills"]:
        filled[fill["order"]] += fill["quantity"]
    for run in report["executions"]:
        if run["phase"] != "entry":
            continue
        name = f"entry of {run['pair']} on {run['day']}"
        if run["lots"] != allocated.get(run["pair"], run["lots"]):
            yield f"{name}: {run['lots']} lots, allocated {allocated[run['pair']]}"
        legs = grouped(opening_orders(report["orders"], run), "leg")
        if not legs and not is_explained(run, []):
            yield f"{name}: no order, and no reason is recorded"
        for leg, orders in legs.items():
            yield from leg_differences(f"{name}, leg {leg}", run, orders, filled)


def opening_orders(orders: list[Document], run: Document) -> list[Document]:
    """The orders that this entry opened with: a roll's come at another time."""
    if run["started"] is None:
        return []
    end = run["finished"] or f"{run['day']}T99"
    return [
        row for row in orders
        if row["pair"] == run["pair"] and row["action"] == "open"
        and run["started"] <= row["created"] <= end
    ]  # fmt: skip


def leg_differences(name: str, run: Document, orders: list[Document], filled: dict[str, int]) -> Iterator[str]:
    lot = LOTS[contract(orders[0]["contract"]).underlying]
    wanted = sum(row["quantity"] for row in orders if row["attempt"] == 1)
    got = sum(filled[row["order"]] for row in orders)
    if wanted % (lot * run["lots"]):
        yield f"{name}: {wanted} units ordered are not a whole ratio of {run['lots']} lots of {lot}"
    if got > wanted or (got < wanted and not is_explained(run, orders)):
        yield f"{name}: {wanted} units ordered and {got} filled, and no reason is recorded"


def is_explained(run: Document, orders: list[Document]) -> bool:
    refused = any(row["status"] in ("DENIED", "REJECTED") and row["code"] for row in orders)
    return refused or (run["status"] != "done" and bool(run["code"]))


def ledger_differences(report: Document) -> Iterator[str]:
    ledger = report["ledger"]
    for key in ("unexplained", "sent_twice"):
        if ledger[key] != 0:
            yield f"ledger: {key} is {ledger[key]}: {', '.join(ledger['differences'])}"
    if not ledger["their_trades"] == ledger["our_trades"] == len(report["fills"]):
        yield (
            f"ledger: their {ledger['their_trades']} trades, our {ledger['our_trades']}, "
            f"{len(report['fills'])} fills printed"
        )


def table(pairs: dict[str, Document]) -> Iterator[str]:
    width = max((len(name) for name in pairs), default=4)
    yield f"{'pair':{width}}  orders  fills  {'gross':>14}  {'charges':>12}  {'net':>14}"
    for name, row in pairs.items():
        yield (
            f"{name:{width}}  {row['orders']:6}  {row['fills']:5}  {row['gross']:>14}  "
            f"{row['charges']:>12}  {row['net']:>14}"
        )
    sums = [sum((row[column] for row in pairs.values()), ZERO) for column in MONEY]
    yield f"{'all':{width}}  {'':6}  {'':5}  {sums[0]:>14}  {sums[1]:>12}  {sums[2]:>14}"


def main(arguments: list[str]) -> int:
    text = Path(arguments[0]).read_text() if arguments else sys.stdin.read()
    report = json.loads(text)
    try:
        pairs, differences = recompute(report)
        differences += [*lot_differences(report), *ledger_differences(report)]
    except CannotRecompute as problem:
        differences = [str(problem)]
    if differences:
        sys.stdout.write("\n".join([*differences, f"{len(differences)} differences"]) + "\n")
        return 1
    sys.stdout.write("\n".join([*table(pairs), "All agree to the paisa; filled lots equal allocated lots."]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
