"""An account's money: balance, what is blocked, and whether a new order can be carried."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from brokers.simulator import margins, positions
from brokers.simulator.ledger import Ledger, Row
from brokers.simulator.margins import Pending
from brokers.simulator.market import Market
from brokers.simulator.wire import Refusal


@dataclass(frozen=True, slots=True)
class Standing:
    """Rupees: what the account has, and what its positions and open orders block."""

    balance: Decimal
    used: Decimal

    @property
    def available(self) -> Decimal:
        return self.balance - self.used


def balance(ledger: Ledger, account: Row, timeline: str) -> Decimal:
    return Decimal(account["capital"]) + ledger.cash(timeline, account["account"])


def standing(ledger: Ledger, account: Row, market: Market) -> Standing:
    held = positions.net_by_symbol(ledger, market.timeline, account["account"])
    pending = _pending(ledger, market.timeline, account["account"])
    return Standing(
        balance(ledger, account, market.timeline), margins.blocked(held, pending, market)
    )


def check_funds(
    ledger: Ledger, account: Row, market: Market, *, new: Pending, instead_of: int | None = None
) -> None:
    """Refusal when the order cannot be carried; one that frees money is always taken."""
    name, timeline = account["account"], market.timeline
    held = positions.net_by_symbol(ledger, timeline, name)
    others = _pending(ledger, timeline, name, without=instead_of)
    has = balance(ledger, account, timeline)
    after = has - margins.blocked(held, [*others, new], market)
    if after >= 0 or _buys_back(held, others, new) or _frees(held, new, market):
        return
    raise Refusal(
        "INSUFFICIENT_MARGIN",
        f"The order needs {-after:.2f} more than is available at {account['broker']}.",
    )


def _buys_back(held: dict[str, int], others: list[Pending], new: Pending) -> bool:
    """Closing a short option within what is open: that must always be possible."""
    short = -held.get(new.symbol, 0)
    already = sum(o.quantity for o in others if (o.symbol, o.side) == (new.symbol, "BUY"))
    is_option = not new.symbol.endswith("-FUT")
    return is_option and new.side == "BUY" and already + new.quantity <= short


def _frees(held: dict[str, int], new: Pending, market: Market) -> bool:
    """Whether less is blocked once it has filled, its premium counted."""
    filled = margins.required(margins.after(held, [new]), market) + margins.premium(new)
    return filled <= margins.required(held, market)


def _pending(
    ledger: Ledger, timeline: str, account: str, without: int | None = None
) -> list[Pending]:
    rows = ledger.rows(
        "SELECT id, symbol, side, quantity - filled_quantity AS open_quantity, price FROM orders"
        " WHERE timeline = ? AND account = ? AND status IN ('OPEN', 'PARTIAL') ORDER BY id",
        timeline, account,
    )  # fmt: skip
    return [
        Pending(row["symbol"], row["side"], row["open_quantity"], Decimal(row["price"]))
        for row in rows
        if row["id"] != without
    ]
