"""Cash settlement of expired contracts: positions close at intrinsic, in the simulator's own rows."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from brokers.simulator.ledger import Ledger, Row
from brokers.simulator.wire import Refusal
from market.kernel import contracts
from market.kernel.contracts import Contract

ZERO = Decimal(0)


def settle(
    ledger: Ledger, *, timeline: str, underlying: str, day: date, price: Decimal, at: str
) -> list[dict[str, Any]]:
    """Settle every account's positions that expire on that day; what was booked.

    The same price again books nothing; another price books the difference (a provisional value
    that became official).
    """
    if price <= 0:
        raise Refusal("BAD_REQUEST", "price must be above 0.")
    booked = [
        _first(ledger, row, contract, day, price, at)
        for row, contract in _open(ledger, timeline, underlying, day)
    ]
    booked += [
        _correction(ledger, row, contract, day, price, at)
        for row, contract in _settled(ledger, timeline, underlying, day)
        if worth(contract, price) != Decimal(row["value"])
    ]
    return booked


def worth(contract: Contract, price: Decimal) -> Decimal:
    """One unit at expiry: intrinsic for an option, the settlement value itself for a future."""
    if contract.strike is None:
        return price
    away = price - contract.strike
    return max(away if contract.is_call else -away, ZERO)


def _first(
    ledger: Ledger, row: Row, contract: Contract, day: date, price: Decimal, at: str
) -> dict[str, Any]:
    value = worth(contract, price)
    quantity = row["quantity"]
    gained = value * quantity - Decimal(row["cost"])
    amount = (value * quantity if contract.is_option else gained) + ZERO  # never -0
    ledger.write(
        "UPDATE positions SET quantity = 0, cost = '0', realised = ?"
        " WHERE timeline = ? AND account = ? AND symbol = ? AND product = ?",
        str(Decimal(row["realised"]) + gained),
        row["timeline"], row["account"], row["symbol"], row["product"],
    )  # fmt: skip
    return _book(ledger, row, day, price, value, amount, at)


def _correction(
    ledger: Ledger, row: Row, contract: Contract, day: date, price: Decimal, at: str
) -> dict[str, Any]:
    value = worth(contract, price)
    amount = (value - Decimal(row["value"])) * row["quantity"]
    before = ledger.row(
        "SELECT realised FROM positions"
        " WHERE timeline = ? AND account = ? AND symbol = ? AND product = ?",
        row["timeline"], row["account"], row["symbol"], row["product"],
    )  # fmt: skip
    realised = Decimal(before["realised"]) if before else ZERO
    ledger.write(
        "UPDATE positions SET realised = ?"
        " WHERE timeline = ? AND account = ? AND symbol = ? AND product = ?",
        str(realised + amount), row["timeline"], row["account"], row["symbol"], row["product"],
    )  # fmt: skip
    return _book(ledger, row, day, price, value, amount, at)


def _book(  # noqa: PLR0913 - one settlement row
    ledger: Ledger, row: Row, day: date, price: Decimal, value: Decimal, amount: Decimal, at: str
) -> dict[str, Any]:
    ledger.add_cash(row["timeline"], row["account"], amount)
    entry = {
        "timeline": row["timeline"],
        "account": row["account"],
        "symbol": row["symbol"],
        "product": row["product"],
        "quantity": row["quantity"],
        "cost": row["cost"],
        "day": day.isoformat(),
        "price": str(price),
        "value": str(value),
        "amount": str(amount),
        "at": at,
    }
    ledger.insert("settlements", **entry)
    return entry


def _open(ledger: Ledger, timeline: str, underlying: str, day: date) -> list[tuple[Row, Contract]]:
    rows = ledger.rows(
        "SELECT * FROM positions WHERE timeline = ? AND quantity != 0 ORDER BY account, symbol, product",
        timeline,
    )
    return _expiring(rows, underlying, day)


def _settled(
    ledger: Ledger, timeline: str, underlying: str, day: date
) -> list[tuple[Row, Contract]]:
    """The last settlement row of each position."""
    rows = ledger.rows(
        "SELECT * FROM settlements WHERE id IN (SELECT max(id) FROM settlements"
        " WHERE timeline = ? AND day = ? GROUP BY account, symbol, product) ORDER BY id",
        timeline, day.isoformat(),
    )  # fmt: skip
    return _expiring(rows, underlying, day)


def _expiring(rows: list[Row], underlying: str, day: date) -> list[tuple[Row, Contract]]:
    parsed = [(row, contracts.parse(row["symbol"])) for row in rows]
    return [
        (row, contract)
        for row, contract in parsed
        if (contract.underlying, contract.expiry) == (underlying, day)
    ]
