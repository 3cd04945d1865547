"""The simulator's own arithmetic of positions and cash: average cost, from its own trades."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.simulator.ledger import Ledger
from market.kernel.contracts import Contract
from market.kernel.money import rupees

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Held:
    """Signed units, what the open ones cost (negative: were sold for), and what closing realised."""

    quantity: int = 0
    cost: Decimal = ZERO
    realised: Decimal = ZERO

    @property
    def average(self) -> Decimal:
        return self.cost / self.quantity if self.quantity else ZERO


def booked(held: Held, signed: int, price: Decimal) -> Held:
    """The position after a trade of `signed` units; a turn closes all and opens the rest.

    Each closed part takes its share of the cost to the paisa, so that all parts add up exactly.
    """
    after = held.quantity + signed
    if held.quantity * signed >= 0:
        return Held(after, held.cost + price * signed, held.realised)
    closed = -signed if abs(signed) < abs(held.quantity) else held.quantity
    share = held.cost if closed == held.quantity else rupees(held.average * closed)
    realised = held.realised + price * closed - share
    opened = signed + closed
    return Held(after, held.cost - share + price * opened, realised)


def cash_flow(
    contract: Contract, before: Held, after: Held, signed: int, price: Decimal
) -> Decimal:
    """Options pay and earn premium; futures move cash only when a part is closed."""
    if contract.is_option:
        return -price * signed
    return after.realised - before.realised


def held_of(ledger: Ledger, timeline: str, account: str, symbol: str, product: str) -> Held:
    row = ledger.row(
        "SELECT quantity, cost, realised FROM positions"
        " WHERE timeline = ? AND account = ? AND symbol = ? AND product = ?",
        timeline, account, symbol, product,
    )  # fmt: skip
    if row is None:
        return Held()
    return Held(row["quantity"], Decimal(row["cost"]), Decimal(row["realised"]))


def store(
    ledger: Ledger, held: Held, *, timeline: str, account: str, symbol: str, product: str
) -> None:
    ledger.write(
        "INSERT INTO positions VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " quantity = excluded.quantity, cost = excluded.cost, realised = excluded.realised",
        timeline, account, symbol, product, held.quantity, str(held.cost), str(held.realised),
    )  # fmt: skip


def net_by_symbol(ledger: Ledger, timeline: str, account: str) -> dict[str, int]:
    """Open units by contract, over products."""
    found = ledger.rows(
        "SELECT symbol, sum(quantity) AS units FROM positions"
        " WHERE timeline = ? AND account = ? AND quantity != 0 GROUP BY symbol",
        timeline, account,
    )  # fmt: skip
    return {row["symbol"]: row["units"] for row in found if row["units"]}
