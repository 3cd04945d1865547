"""The list of baskets, and one basket with its pairs and the events of its day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from allocations.models import StrategyBrokerAllocation
from allocations.risk import Effective, tightest
from allocations.selectors import allocations_of, effective_states, states_of, target_id
from baskets.models import Basket
from baskets.selectors import may_write, visible_baskets
from execution.live.rows import Row
from execution.models import StrategyExecution
from execution.selectors import executions_of
from execution.views.agenda import Next, agenda, first
from execution.views.book import DeskBook, book_of
from execution.views.desk import running_timeline
from execution.views.words import RUN_TONES, why
from market.kernel.clock import ist_day
from market.models import Timeline
from strategies.models import Strategy
from strategies.selectors import strategies_in
from users.models import User
from users.requests import SignedInRequest


@dataclass(frozen=True, slots=True)
class BasketRow:
    id: int
    name: str
    subscribed: bool
    mode: str
    held: Effective
    next: Next | None
    strategies: int
    lots: int
    row: Row
    margin: Decimal | None

    @property
    def key(self) -> str:
        return f"summary:basket:{self.id}"


@dataclass(slots=True)
class PairRow:
    id: int
    account: str
    what: str
    lots: int
    held: Effective
    next: Next | None
    row: Row
    max_day_loss: Decimal
    max_margin: Decimal
    margin: Decimal | None
    share: Decimal | None

    @property
    def key(self) -> str:
        return f"summary:pair:{self.id}"

    @property
    def loss_used(self) -> Decimal:
        day = self.row.get("day_pnl")
        return max(Decimal(0), -Decimal(day)) if day else Decimal(0)


@dataclass(slots=True)
class StrategyRow:
    id: int
    name: str
    underlying: str
    row: Row
    pairs: list[PairRow] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"summary:strategy:{self.id}"

    @property
    def lots(self) -> int:
        return sum(pair.lots for pair in self.pairs)


@dataclass(frozen=True, slots=True)
class Event:
    at: datetime
    words: str
    href: str = ""
    status: str = ""
    tone: str = ""
    detail: str = ""


@login_required
@require_GET
def baskets(request: SignedInRequest) -> HttpResponse:
    """Every basket the user runs, with the next thing that touches their money."""
    user, timeline = request.user, running_timeline()
    pairs, book, upcoming = _running(user, timeline)
    own_states = _basket_states(user)
    counted = visible_baskets(user).annotate(
        strategy_count=Count("strategies", filter=Q(strategies__archived_at=None))
    )
    rows = [
        _basket_row(user, basket, [p for p in pairs if p.strategy.basket_id == basket.pk],
                    book=book, upcoming=upcoming.values(), held=own_states.get(basket.pk))
        for basket in counted.order_by("name")
    ]  # fmt: skip
    now = timeline.market_now if timeline else None
    return render(request, "execution/baskets.html", {"baskets": rows, "now": now})


@login_required
@require_GET
def basket(request: SignedInRequest, basket_id: int) -> HttpResponse:
    """Strategies by broker with state, limits and P&L per pair, and what happened today."""
    user, timeline = request.user, running_timeline()
    found = get_object_or_404(visible_baskets(user), pk=basket_id)
    pairs, book, upcoming = _running(user, timeline)
    mine = [pair for pair in pairs if pair.strategy.basket_id == found.pk]
    states = effective_states(mine)
    rows = [_strategy_row(s, mine, states, book, upcoming) for s in strategies_in(found, user).order_by("pk")]
    key = f"basket:{found.pk}"
    context: dict[str, Any] = {
        "basket": found,
        "own": may_write(user, found),
        "subscribed": found.owner_id != user.pk,
        "held": _basket_states(user).get(found.pk, Effective()),
        "key": f"summary:{key}",
        "row": book.row(key),
        "margin": _sum(pair.share for row in rows for pair in row.pairs),
        "strategies": rows,
        "next": first(n for n in upcoming.values() if n.basket == found.pk),
        "now": timeline.market_now if timeline else None,
        "today": _today(user, found, timeline, [n for n in upcoming.values() if n.basket == found.pk]),
    }
    return render(request, "execution/basket.html", context)


def _running(
    user: User, timeline: Timeline | None
) -> tuple[list[StrategyBrokerAllocation], DeskBook, dict[int, Next]]:
    pairs = list(allocations_of(user))
    states = effective_states(pairs)
    return pairs, book_of(user, timeline, pairs, states), agenda(user, pairs, states, timeline)


def _basket_states(user: User) -> dict[int, Effective]:
    """The state of each basket itself, tightened by the user's and the installation's."""
    rows = list(states_of(user))
    wide = [_held(row) for row in rows if row.scope in ("installation", "user")]
    found = {target_id(row): _held(row) for row in rows if row.scope == "basket"}
    keys = visible_baskets(user).values_list("pk", flat=True)
    return {pk: tightest([*wide, *([found[pk]] if pk in found else [])]) for pk in keys}


def _held(row: Any) -> Effective:
    return Effective(state=row.state, scope=row.scope, reason=row.reason)


def _basket_row(
    user: User,
    basket: Any,
    pairs: list[StrategyBrokerAllocation],
    *,
    book: DeskBook,
    upcoming: Iterable[Next],
    held: Effective | None,
) -> BasketRow:
    modes = {pair.broker_account.get_mode_display() for pair in pairs}
    return BasketRow(
        id=basket.pk,
        name=basket.name,
        subscribed=basket.owner_id != user.pk,
        mode=" and ".join(sorted(modes)) or "–",
        held=held or Effective(),
        next=first(n for n in upcoming if n.basket == basket.pk),
        strategies=basket.strategy_count,
        lots=sum(pair.lots for pair in pairs),
        row=book.row(f"basket:{basket.pk}"),
        margin=_sum(book.shares.get(pair.pk) for pair in pairs),
    )


def _strategy_row(
    strategy: Strategy,
    pairs: list[StrategyBrokerAllocation],
    states: dict[int, Effective],
    book: DeskBook,
    upcoming: dict[int, Next],
) -> StrategyRow:
    mine = [pair for pair in pairs if pair.strategy_id == strategy.pk]
    rows = [
        PairRow(
            id=pair.pk,
            account=pair.broker_account.label,
            what=f"{strategy.name} on {pair.broker_account.label}",
            lots=pair.lots,
            held=states[pair.pk],
            next=upcoming.get(pair.pk),
            row=book.row(f"pair:{pair.pk}"),
            max_day_loss=pair.max_day_loss,
            max_margin=pair.max_margin,
            margin=book.margins.get(pair.pk),
            share=book.shares.get(pair.pk),
        )
        for pair in mine
    ]
    row = book.row(f"strategy:{strategy.pk}")
    return StrategyRow(strategy.pk, strategy.name, strategy.underlying, row, rows)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    """The pairs' shares of their accounts' margins together; an unknown one counts as nothing."""
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _today(
    user: User, basket: Basket, timeline: Timeline | None, upcoming: list[Next]
) -> list[Event]:
    if timeline is None or timeline.market_now is None:
        return []
    runs = executions_of(user).filter(
        timeline=timeline,
        trading_day=ist_day(timeline.market_now),
        allocation__strategy__basket=basket,
    )
    planned = [Event(n.at, n.words, status="Planned") for n in upcoming if not n.other_day]
    return sorted([*(_event(run) for run in runs), *planned], key=lambda event: event.at)


def _event(run: StrategyExecution) -> Event:
    pair = run.allocation
    return Event(
        at=run.started_at or run.due_at,
        words=f"{run.get_phase_display()} of {pair.strategy.name} on {pair.broker_account.label}, "
        f"{run.lots} lots",
        href=f"/executions/{run.pk}",
        status=run.get_status_display(),
        tone=RUN_TONES[run.status],
        detail=" ".join(part for part in (why(run.code), run.detail) if part),
    )
