"""The report as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

Document = dict[str, Any]
Row = tuple[str, ...]
COLUMNS = ("gross", "charges", "net", "peak_margin")


def lines(report: Document) -> Iterator[str]:
    """The whole report, line by line."""
    yield f"Headless run of {', '.join(report['days'])}"
    for data in report["data"]:
        yield from _data(data)
    yield ""
    yield from _table("Executions", _executions(report["executions"]))
    yield from _table("Orders", _orders(report["orders"]))
    if report["settlements"]:
        yield from _table("Settlements", _settlements(report["settlements"]))
    for title, key in (("pair", "pairs"), ("strategy", "strategies"), ("basket", "baskets"), ("broker", "brokers")):
        yield from _table(f"Per {title}", _money(report[key], title))
    if report["positions"]:
        yield from _table("Still open", _positions(report["positions"]))
    yield from _lots(report["pairs"])
    ledger = report["ledger"]
    yield (
        f"Simulator's ledger: {ledger['their_orders']} orders, {ledger['their_trades']} trades; "
        f"ours: {ledger['our_orders']}, {ledger['our_trades']}; sent twice {ledger['sent_twice']}; "
        f"unexplained {ledger['unexplained']}"
    )
    if report["provisional"]:
        yield "PROVISIONAL: settled by parity; give --settlement UNDERLYING=VALUE for the official value."


def _data(data: Document) -> Iterator[str]:
    yield f"  {data['day']}: {data['rows']} rows, {data['kept']} used, {data['stale_skipped']} stale skipped,"
    yield f"    {len(data['broken'])} broken, {data['duplicates']} duplicates, cadence {data['cadence_seconds']:g} s"
    for row in data["broken"][:20]:
        yield f"    broken {row['file']}:{row['line']}: {row['reason']}"
    for start, end in data["gaps"]:
        yield f"    gap {start[11:16]} to {end[11:16]}"
    yield f"    spot: {data['spot']}"
    yield f"    forward: {data['forward']}"
    yield f"    {data['bid_ask']}"


def _executions(rows: list[Document]) -> list[Row]:
    head: Row = ("day", "pair", "phase", "cause", "lots", "due", "started", "finished", "status", "why")
    return [head] + [
        (
            row["day"], row["pair"], row["phase"], row["cause"], str(row["lots"]), _time(row["due"]),
            _time(row["started"]), _time(row["finished"]), row["status"],
            " ".join(part for part in (row["code"], row["detail"]) if part),
        )
        for row in rows
    ]  # fmt: skip


def _orders(rows: list[Document]) -> list[Row]:
    head: Row = ("time", "pair", "action", "side", "quantity", "contract", "average", "charges", "status")
    return [head] + [
        (
            _time(row["created"]), row["pair"], row["action"], row["side"],
            f"{row['filled_quantity']}/{row['quantity']}", row["contract"],
            "" if row["average_price"] is None else f"{Decimal(row['average_price']):.2f}",
            row["charges"], " ".join(part for part in (row["status"], row["code"]) if part),
        )
        for row in rows
    ]  # fmt: skip


def _settlements(rows: list[Document]) -> list[Row]:
    head: Row = ("pair", "contract", "quantity", "at", "amount", "charges", "source")
    return [head] + [
        (
            row["pair"], row["contract"], str(row["quantity"]), row["underlying_price"], row["amount"],
            row["charges"], ("provisional: " if row["provisional"] else "") + row["source"],
        )
        for row in rows
    ]  # fmt: skip


def _money(rows: list[Document], key: str) -> list[Row]:
    head: Row = (key, "orders", "fills", *COLUMNS)
    return [head] + [
        (row[key], str(row["orders"]), str(row["fills"]), *(row[name] for name in COLUMNS)) for row in rows
    ]


def _positions(rows: list[Document]) -> list[Row]:
    head: Row = ("pair", "contract", "quantity", "average", "mark")
    return [head] + [
        (row["pair"], row["contract"], str(row["quantity"]), f"{Decimal(row['average_price']):.2f}",
         row["mark"] or "no quote")
        for row in rows
    ]  # fmt: skip


def _lots(pairs: list[Document]) -> Iterator[str]:
    yield "Lots filled against allocated"
    for row in pairs:
        filled = ", ".join(f"{symbol} {lots}" for symbol, lots in sorted(row["lots_filled"].items()))
        yield f"  {row['pair']}: allocated {row['lots_allocated']}; {filled or 'none'}"
    yield ""


def _table(title: str, rows: list[Row]) -> Iterator[str]:
    yield title
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell.rjust(width) if _is_number(cell) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        )
        yield ("  " + "  ".join(cells)).rstrip()
    yield ""


def _is_number(cell: str) -> bool:
    return cell.replace(".", "").replace("-", "").isdigit()


def _time(text: str | None) -> str:
    return "" if text is None else text[11:19]
