"""The simulator's own arithmetic of positions and cash: average cost, from its own trades."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.simulator.ledger import Ledger
from market.kernel.contracts import Contract

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Held:
    """Signed units, their average price, and what closing has realised so far."""

    quantity: int = 0
    average: Decimal = ZERO
    realised: Decimal = ZERO


def booked(held: Held, signed: int, price: Decimal) -> Held:
    """The position after a trade of `signed` units."""
    after = held.quantity + signed
    if held.quantity * signed >= 0:
        cost = held.average * held.quantity + price * signed
        return Held(after, cost / after if after else ZERO, held.realised)
    closed = min(abs(signed), abs(held.quantity)) * (1 if held.quantity > 0 else -1)
    realised = held.realised + (price - held.average) * closed
    if after == 0:
        return Held(0, ZERO, realised)
    turned = (after > 0) != (held.quantity > 0)
    return Held(after, price if turned else held.average, realised)


def cash_flow(
    contract: Contract, before: Held, after: Held, signed: int, price: Decimal
) -> Decimal:
    """Options pay and earn premium; futures move cash only when a part is closed."""
    if contract.is_option:
        return -price * signed
    return after.realised - before.realised


def held_of(ledger: Ledger, timeline: str, account: str, symbol: str, product: str) -> Held:
    row = ledger.row(
        "SELECT quantity, average, realised FROM positions"
        " WHERE timeline = ? AND account = ? AND symbol = ? AND product = ?",
        timeline, account, symbol, product,
    )  # fmt: skip
    if row is None:
        return Held()
    return Held(row["quantity"], Decimal(row["average"]), Decimal(row["realised"]))


def store(
    ledger: Ledger, held: Held, *, timeline: str, account: str, symbol: str, product: str
) -> None:
    ledger.write(
        "INSERT INTO positions VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " quantity = excluded.quantity, average = excluded.average, realised = excluded.realised",
        timeline, account, symbol, product, held.quantity, str(held.average), str(held.realised),
    )  # fmt: skip


def net_by_symbol(ledger: Ledger, timeline: str, account: str) -> dict[str, int]:
    """Open units by contract, over products."""
    found = ledger.rows(
        "SELECT symbol, sum(quantity) AS units FROM positions"
        " WHERE timeline = ? AND account = ? AND quantity != 0 GROUP BY symbol",
        timeline, account,
    )  # fmt: skip
    return {row["symbol"]: row["units"] for row in found if row["units"]}
