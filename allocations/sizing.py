"""Lots by performance: a proposal for the pairs of one strategy. Pure; it never changes a lot itself.

A lot of one strategy is the same trade on every broker, so lots may move between its pairs and their
sum stays. What differs by broker is execution: net result a lot after charges, worst drawdown a lot,
slippage and how much of what was wanted filled.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

FEWEST_DAYS = 5
LARGEST_STEP = 4  # at most a quarter of a pair's lots, and at least one, leaves it in one proposal
DRAWDOWN_WEIGHT = Decimal("0.10")
CLOSE_SCORES = Decimal("1.00")  # rupees a lot and day; a smaller gap moves nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One pair's lots, the user's bounds for it, and what it did; rupees are a lot and day."""

    key: Hashable
    lots: int
    floor: int
    cap: int
    days: int
    net: Decimal
    drawdown: Decimal = Decimal(0)
    slippage: Decimal = Decimal(0)
    fill_rate: Decimal = Decimal(1)
    open_trade: bool = False

    @property
    def score(self) -> Decimal:
        """Net result a lot, less a share of the worst drawdown and of what was not filled."""
        unfilled = (1 - self.fill_rate) * abs(self.net)
        return self.net - DRAWDOWN_WEIGHT * self.drawdown - unfilled

    @property
    def fixed(self) -> bool:
        """Whether this proposal may not touch the pair."""
        return self.open_trade or self.days < FEWEST_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """New lots for one pair, with the reason in words."""

    key: Hashable
    lots: int
    proposed: int
    reason: str


def propose(records: Sequence[Record]) -> list[Proposal]:
    """Lots moved from the worst to the best pairs of one strategy; their sum is conserved.

    Nothing moves into or out of a pair with an open trade or too short a record, below a floor or
    above a cap, and at most a quarter of a pair's lots (at least one) leaves it.
    """
    now = {record.key: record.lots for record in records}
    ranked = sorted(
        (record for record in records if not record.fixed), key=lambda r: (-r.score, str(r.key))
    )
    for giver in reversed(ranked):
        for taker in ranked:
            if taker.score - giver.score <= CLOSE_SCORES:
                break
            moved = min(_may_give(giver, now), taker.cap - now[taker.key])
            if moved > 0:
                now[giver.key] -= moved
                now[taker.key] += moved
    return [
        Proposal(
            key=record.key,
            lots=record.lots,
            proposed=now[record.key],
            reason=_reason(record, now[record.key]),
        )
        for record in records
    ]


def _may_give(giver: Record, now: dict[Hashable, int]) -> int:
    step = max(1, giver.lots // LARGEST_STEP)
    given = giver.lots - now[giver.key]
    return min(step - given, now[giver.key] - giver.floor)


def _reason(record: Record, proposed: int) -> str:
    if record.open_trade:
        return "Unchanged: a trade is open."
    if record.days < FEWEST_DAYS:
        return f"Unchanged: {record.days} trading days on record, {FEWEST_DAYS} are needed."
    figures = (
        f"net {_rupees(record.net)} a lot and day, worst drawdown {_rupees(record.drawdown)} a lot, "
        f"slippage {_rupees(record.slippage)} a lot, {_percent(record.fill_rate)} filled"
    )
    if proposed == record.lots:
        return f"Unchanged: {figures}."
    word = "More" if proposed > record.lots else "Fewer"
    return f"{word} lots: {figures}."


def _rupees(value: Decimal) -> str:
    return f"₹{value.quantize(Decimal('0.01'), rounding=ROUND_HALF_UP):,}"


def _percent(value: Decimal) -> str:
    return f"{(value * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP)}%"
