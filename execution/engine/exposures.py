"""What a pair, a basket, an account or a user has: held, and committed by what is under way to open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import F, QuerySet

from allocations.models import StrategyBrokerAllocation
from allocations.risk import Exposure, RiskLimit
from execution.engine import closes, greeks, marks, opens
from execution.engine.desk import Desk
from execution.engine.margins import Sheet
from execution.models import REENTRY, Position, StrategyExecution
from market.kernel.contracts import Contract
from market.kernel.money import ZERO
from strategies.rules import ResolvedLeg
from users.prepared import Param, Prepared

Status = StrategyExecution.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """One pair's part of an exposure; `units` by contract, with what its entry under way will fill."""

    pair: int
    account: int
    basket: int
    lots: int = 0
    positions: tuple[Position, ...] = ()
    units: dict[Contract, int] = field(default_factory=dict)

    def entering(self, legs: Sequence[ResolvedLeg], lots: int) -> Book:
        """With this entry filled on top."""
        filled = self.changed([(leg.contract, leg.signed(lots)) for leg in legs], lots)
        return replace(filled, lots=self.lots + lots)

    def changed(self, orders: Iterable[tuple[Contract, int]], lots: int) -> Book:
        """With these signed units filled on top, for a leg of so many lots of the strategy."""
        units = dict(self.units)
        for contract, quantity in orders:
            units[contract] = units.get(contract, 0) + quantity
        return replace(self, lots=max(self.lots, lots), units=units)

    def committed(self, legs: Sequence[ResolvedLeg], lots: int) -> Book:
        """With an entry under way filled as planned: what it holds already is part of that."""
        planned = {leg.contract: leg.signed(lots) for leg in legs}
        units = self.units | {
            contract: max(quantity, self.units.get(contract, 0), key=abs)
            for contract, quantity in planned.items()
        }
        return replace(self, lots=max(self.lots, lots), units=units)


def _rows_of(**mine: Any) -> QuerySet[Position]:
    """What is open, and what was closed today; older flat rows add nothing to a day."""
    rows = Position.objects.filter(timeline=Param("timeline"), **mine).exclude(
        quantity=0, realised=F("day_opening_pnl"), charges=F("day_charges_before")
    )
    pair = ("allocation__strategy", "allocation__broker_account", "allocation__strategy_version")
    rows = rows.select_related("contract", *pair)
    return rows.prefetch_related("allocation__strategy_version__legs").order_by("pk")


OF_PAIRS = Prepared(lambda: _rows_of(allocation__among=Param("pairs")))
OF_USER = Prepared(lambda: _rows_of(allocation__broker_account__user=Param("user")))


def books_of(pairs: Iterable[StrategyBrokerAllocation], desk: Desk) -> dict[int, Book]:
    """By pair, its own book: what it holds."""
    empty = {pair.pk: _empty(pair) for pair in pairs}
    return empty | _by_pair(OF_PAIRS.rows(pairs=list(empty), timeline=desk.timeline.pk), desk)


def books_of_user(user_id: int, desk: Desk) -> dict[int, Book]:
    """By pair, the books of all that a user's pairs hold and have begun to open."""
    books = _by_pair(OF_USER.rows(user=user_id, timeline=desk.timeline.pk), desk)
    runs = StrategyExecution.objects.filter(
        timeline=desk.timeline, status=Status.RUNNING, phase__in=["entry", "roll", "adjust"],
        allocation__broker_account__user=user_id,
    )  # fmt: skip
    for run in runs.select_related("allocation__strategy", "allocation__broker_account").order_by("pk"):
        if not (run.plan or {}).get("unwinding"):
            begun = books.get(run.allocation_id) or _empty(run.allocation)
            books[run.allocation_id] = _committed(begun, run)
    return books


def _committed(book: Book, run: StrategyExecution) -> Book:
    """With what the run will open; the leg of an adjustment has lots of its own, of which those added by
    hand alone are more than the trade's."""
    if run.phase != "adjust":
        return book.committed(opens.planned(run), run.lots)
    plan = run.plan or {}
    added = run.cause != REENTRY and plan["close"] is None
    filled = book.committed(opens.planned(run), plan["lots"])
    return filled if added else replace(filled, lots=max(book.lots, min(plan["lots"], run.lots)))


def exposure(
    books: Sequence[Book], desk: Desk, sheet: Sheet, *, limit: RiskLimit | None = None
) -> Exposure:
    """Their sums; margin is netted within each account and added up over accounts.

    With a limit, margin and Greeks only where it asks for them: they need prices of everything held.
    """
    total: dict[Contract, int] = {}
    by_account: dict[int, list[tuple[Contract, int]]] = {}
    for book in books:
        by_account.setdefault(book.account, []).extend(book.units.items())
        for contract, quantity in book.units.items():
            total[contract] = total.get(contract, 0) + quantity
    asks_greeks = limit is None or limit.asks_greeks
    delta, vega = greeks.amounts(total, desk.frame) if asks_greeks else (ZERO, ZERO)
    margined = by_account if limit is None or limit.max_margin is not None else {}
    return Exposure(
        open_lots=sum(book.lots for book in books),
        day_pnl=marks.day_pnl([p for book in books for p in book.positions], desk.frame),
        margin=sum((sheet.requirement(held) for held in margined.values()), ZERO),
        open_positions=sum(sum(1 for units in book.units.values() if units) for book in books),
        delta=delta,
        vega=vega,
    )


def lots_held(pair: StrategyBrokerAllocation, held: Iterable[Position]) -> int:
    """Lots of the strategy that the largest leg stands for; a begun lot counts whole."""
    ratios = {leg.number: leg.ratio for leg in pair.strategy_version.legs.all()}
    return max(
        (-(-abs(p.quantity) // (p.contract.lot_size * ratios.get(p.leg_number, 1))) for p in held),
        default=0,
    )


def _by_pair(rows: Iterable[Position], desk: Desk) -> dict[int, Book]:
    found: dict[int, list[Position]] = {}
    for row in rows:
        found.setdefault(row.allocation_id, []).append(row)
    return {pk: _book(mine[0].allocation, mine, desk) for pk, mine in found.items()}


def _book(pair: StrategyBrokerAllocation, rows: Sequence[Position], desk: Desk) -> Book:
    alive = [row for row in rows if row.quantity and not closes.is_worthless(row, desk)]
    units: dict[Contract, int] = {}
    for row in rows:
        if row.quantity:
            units[row.contract.spec] = units.get(row.contract.spec, 0) + row.quantity
    return replace(_empty(pair), lots=lots_held(pair, alive), positions=tuple(rows), units=units)


def _empty(pair: StrategyBrokerAllocation) -> Book:
    return Book(pair=pair.pk, account=pair.broker_account_id, basket=pair.strategy.basket_id)
