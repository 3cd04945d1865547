"""What a user holds now, valued at the last frame by the live feed's own arithmetic, as a tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from allocations.models import StrategyBrokerAllocation
from allocations.risk import Effective
from execution.engine.margins import NoMargin, Sheet, shares
from execution.live import books, rows
from execution.live.lines import Book, Line
from execution.live.rows import Row
from execution.live.valuation import revalue, totals
from market import quotes
from market.kernel.clock import ist_day
from market.kernel.contracts import Contract
from market.kernel.frame import Frame
from market.models import Timeline
from strategies.templatetags.strategy import contract_name
from users.models import User

EMPTY_ROW: Row = {}
Holdings = list[tuple[Contract, int]]


@dataclass(slots=True)
class Leg:
    path: str
    side: str
    name: str
    row: Row


@dataclass(slots=True)
class Pair:
    id: int
    account: str
    lots: int
    held: Effective
    row: Row
    legs: list[Leg] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"summary:pair:{self.id}"


@dataclass(slots=True)
class Group:
    """A basket or a strategy with what is under it."""

    id: int
    name: str
    kind: str
    row: Row
    strategies: list[Group] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"summary:{self.kind}:{self.id}"


@dataclass(slots=True)
class DeskBook:
    """The tree, the summary rows by feed key (all, basket:1, pair:3, ...), and each pair's margin:
    standing alone, and its share of its account's."""

    baskets: list[Group]
    summary: Mapping[str, Row]
    asof: datetime | None
    why_no_prices: str = ""
    margins: Mapping[int, Decimal | None] = field(default_factory=dict)
    shares: Mapping[int, Decimal | None] = field(default_factory=dict)
    open_legs: int = 0
    pairs_open: int = 0

    @property
    def total(self) -> Row:
        return self.row("all")

    def row(self, key: str) -> Row:
        return self.summary.get(key, EMPTY_ROW)


def book_of(
    user: User,
    timeline: Timeline | None,
    pairs: Iterable[StrategyBrokerAllocation],
    states: Mapping[int, Effective],
) -> DeskBook:
    """Everything the user holds in this world, or an empty book that says why."""
    if timeline is None:
        return DeskBook([], {}, None, "No market is running yet: start it with bin/start.")
    frame = quotes.latest(timeline.key)
    if frame is None:
        return DeskBook(
            [], {}, None, "No fresh prices: the market process has sent nothing for a while. "
            "P&L is not shown rather than guessed; exits and kill still work."
        )  # fmt: skip
    book = books.load(timeline.key, day=ist_day(frame.now), owner=user.pk)
    values = revalue(book, frame)
    channels = rows.positions(book, values, silent=False)
    by_account = _margins(_held(book, lambda line: line.scope.account), frame)
    summary = rows.summary(book, totals(book, values), by_account)
    desk = _tree(
        book,
        pairs,
        states,
        positions=channels.get((str(user.pk), "positions"), {}),
        summary=summary.get((str(user.pk), "summary"), {}),
        asof=frame.now,
    )
    held = _held(book, lambda line: line.scope.allocation)
    desk.margins = _margins(held, frame)
    account_of = {line.scope.allocation: line.scope.account for line in book.lines}
    desk.shares = shares(held, account_of, frame)
    return desk


def _held(book: Book, by: Callable[[Line], int]) -> dict[int, Holdings]:
    """What each account or pair holds."""
    held: dict[int, Holdings] = defaultdict(list)
    for line in book.lines:
        if line.quantity:
            held[by(line)].append((line.contract, line.quantity))
        else:
            held.setdefault(by(line), [])
    return dict(held)


def _margins(held: Mapping[int, Holdings], frame: Frame) -> dict[int, Decimal | None]:
    """Stand-alone margins."""
    sheet = Sheet(frame)
    return {key: _margin(holdings, sheet) for key, holdings in held.items()}


def _margin(holdings: Holdings, sheet: Sheet) -> Decimal | None:
    try:
        return sheet.requirement(holdings)
    except NoMargin:
        return None


def _tree(
    book: Book,
    pairs: Iterable[StrategyBrokerAllocation],
    states: Mapping[int, Effective],
    *,
    positions: Mapping[str, Row],
    summary: Mapping[str, Row],
    asof: datetime,
) -> DeskBook:
    desk = DeskBook([], summary, asof)
    shown = {line.scope.allocation for line in book.lines}
    for pair in pairs:
        if pair.pk not in shown:
            continue
        legs = [_leg(line, positions) for line in book.lines if line.scope.allocation == pair.pk]
        _strategy_of(pair, desk).pairs.append(
            Pair(
                id=pair.pk,
                account=pair.broker_account.label,
                lots=pair.lots,
                held=states[pair.pk],
                row=desk.row(f"pair:{pair.pk}"),
                legs=legs,
            )
        )
    open_lines = [line for line in book.lines if line.quantity]
    desk.open_legs = len(open_lines)
    desk.pairs_open = len({line.scope.allocation for line in open_lines})
    return desk


def _strategy_of(pair: StrategyBrokerAllocation, desk: DeskBook) -> Group:
    strategy, basket = pair.strategy, pair.strategy.basket
    group = _found(desk.baskets, basket, "basket", desk)
    return _found(group.strategies, strategy, "strategy", desk)


def _found(groups: list[Group], obj: Any, kind: str, desk: DeskBook) -> Group:
    for group in groups:
        if group.id == obj.pk:
            return group
    groups.append(Group(obj.pk, obj.name, kind, desk.row(f"{kind}:{obj.pk}")))
    return groups[-1]


def _leg(line: Line, positions: Mapping[str, Row]) -> Leg:
    side = "S" if line.quantity < 0 else "B" if line.quantity else "–"
    key = f"p{line.id}"
    return Leg(f"positions:{key}", side, contract_name(line.contract), positions.get(key, EMPTY_ROW))
