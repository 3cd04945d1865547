"""A user's pairs, and the trading state that applies to each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from allocations.models import PendingLimit, ScopeLimit, StrategyBrokerAllocation, TradingState
from allocations.risk import (
    LIMITS,
    LOOSENABLE,
    Effective,
    PairTerms,
    RiskLimit,
    ScopeTerms,
    tightest,
)
from baskets.models import Basket
from baskets.selectors import visible_baskets
from brokers.selectors import accounts_of
from market.kernel.clock import ist_day
from market.models import Timeline
from strategies.models import Strategy
from strategies.selectors import strategies_of
from users.models import User
from users.prepared import Param, Prepared

Scope = TradingState.Scope
#: States that are not active, of users and of the installation.
STATES = Prepared(
    lambda: TradingState.objects.filter(
        Q(user__among=Param("users")) | Q(scope=Scope.INSTALLATION)
    ).exclude(state=TradingState.State.ACTIVE)
)
LIMITS_OF = Prepared(
    lambda: ScopeLimit.objects.filter(user__among=Param("users"))
    .select_related("broker_account", "basket")
    .order_by("-scope", "pk")
)
TERM_FIELDS = (
    "lots", *LOOSENABLE, "product", "stop_loss", "take_profit", "trail", "trail_every", "trail_by",
)  # fmt: skip


def allocations_of(user: User) -> QuerySet[StrategyBrokerAllocation]:
    """The user's pairs, on their own accounts, without the archived; in a stable order."""
    return (
        StrategyBrokerAllocation.objects.filter(
            broker_account__in=accounts_of(user), archived_at=None
        )
        .select_related("strategy__basket", "broker_account", "strategy_version")
        .prefetch_related("pending")
        .order_by("strategy_id", "broker_account_id")
    )


def matrix_of(user: User, basket: Basket) -> QuerySet[StrategyBrokerAllocation]:
    """The user's pairs of one basket, row by row."""
    return allocations_of(user).filter(strategy__basket=basket)


def matrix_etag(rows: Iterable[StrategyBrokerAllocation]) -> str:
    """Changes whenever a pair of the matrix is added, changed or removed."""
    known = sorted((row.pk, row.version) for row in rows)
    return sha256(repr(known).encode()).hexdigest()[:16]


def terms_of(allocation: StrategyBrokerAllocation) -> PairTerms:
    """What is in force."""
    return PairTerms(**{name: getattr(allocation, name) for name in TERM_FIELDS})


def wanted_terms(allocation: StrategyBrokerAllocation) -> PairTerms:
    """What the user last asked for: in force, or from the next trading day."""
    return replace(terms_of(allocation), **pending_values(allocation))


def limits_of(user: User) -> QuerySet[ScopeLimit]:
    """The user's limits above the pair: of everything, of accounts, of baskets."""
    rows = ScopeLimit.objects.filter(user=user).select_related("broker_account", "basket")
    return rows.prefetch_related("pending").order_by("pk")


def scope_terms(row: ScopeLimit) -> ScopeTerms:
    return ScopeTerms(**{name: getattr(row, name) for name in LOOSENABLE})


def wanted_scope_terms(row: ScopeLimit) -> ScopeTerms:
    return replace(scope_terms(row), **pending_values(row))


def limit_of(row: StrategyBrokerAllocation | ScopeLimit) -> RiskLimit:
    return RiskLimit(**{name: getattr(row, name) for name in LIMITS})


def limits_over(pairs: Iterable[StrategyBrokerAllocation]) -> dict[int, list[ScopeLimit]]:
    """By pair, the rows whose limits its entry must keep besides its own, the widest first; one query."""
    mine = list(pairs)
    known = LIMITS_OF.rows(users=list({pair.broker_account.user_id for pair in mine}))
    return {pair.pk: [row for row in known if _reaches(row, pair)] for pair in mine}


def _reaches(row: ScopeLimit, pair: StrategyBrokerAllocation) -> bool:
    return row.user_id == pair.broker_account.user_id and (
        row.scope == "user"
        or row.broker_account_id == pair.broker_account_id
        or row.basket_id == pair.strategy.basket_id
    )


def pending_values(row: StrategyBrokerAllocation | ScopeLimit) -> dict[str, Any]:
    """By limit, the value that waits for the next trading day, in the limit's own type."""
    return {waiting.name: pending_value(waiting) for waiting in row.pending.all()}


def pending_value(waiting: PendingLimit) -> Any:
    if waiting.name == "square_off_at_loss":
        return bool(waiting.value)
    whole = waiting.name in ("lots", "max_lots", "max_open_positions")
    return int(waiting.value) if whole and waiting.value is not None else waiting.value


def market_day(now: datetime) -> date:
    """The day of the market that runs; today's while none does."""
    timeline = Timeline.objects.filter(active=True).first()
    at = timeline.market_now if timeline is not None else None
    return ist_day(at or now)


def states_of(user: User) -> QuerySet[TradingState]:
    """Every state that is not active and that reaches the user."""
    mine = Q(user=user) | Q(scope=Scope.INSTALLATION)
    return TradingState.objects.filter(mine).exclude(state=TradingState.State.ACTIVE).order_by("pk")


def effective_states(allocations: Iterable[StrategyBrokerAllocation]) -> dict[int, Effective]:
    """By allocation id, the tightest state of installation, user, account, basket, strategy, pair.

    One query, however many allocations with their strategy and account; what a pair is part of never
    changes.
    """
    keys = {
        (pair.pk, pair.broker_account.user_id, pair.broker_account_id, pair.strategy.basket_id, pair.strategy_id)
        for pair in allocations
    }
    held = _states_by_target({user for _, user, *_ in keys}) if keys else {}
    return {
        pair: tightest(
            held[target]
            for target in (
                (Scope.INSTALLATION, None, None),
                (Scope.USER, user, None),
                (Scope.ACCOUNT, user, account),
                (Scope.BASKET, user, basket),
                (Scope.STRATEGY, user, strategy),
                (Scope.PAIR, user, pair),
            )
            if target in held
        )
        for pair, user, account, basket, strategy in keys
    }


Target = tuple[str, int | None, int | None]


def _states_by_target(users: set[int]) -> dict[Target, Effective]:
    return {
        (row.scope, row.user_id, target_id(row)): Effective(
            state=row.state, scope=row.scope, reason=row.reason
        )
        for row in STATES.rows(users=list(users))
    }


def target_id(row: TradingState) -> int | None:
    """The id of what the state is about; None for the installation and a user."""
    return {
        Scope.ACCOUNT: row.broker_account_id,
        Scope.BASKET: row.basket_id,
        Scope.STRATEGY: row.strategy_id,
        Scope.PAIR: row.allocation_id,
    }.get(Scope(row.scope))


def is_operator(user: User | AnonymousUser) -> bool:
    """Who keeps the installation running: the group operator, and superusers."""
    return user.is_active and (user.is_superuser or user.groups.filter(name="operator").exists())


def targets_of(user: User, scope: str) -> QuerySet[Any]:
    """What the user may stop in a scope below their own, open or archived: stopping is never refused
    for that, what is archived may still hold positions."""
    pairs = StrategyBrokerAllocation.objects.filter(broker_account__in=accounts_of(user))
    if scope == Scope.PAIR:
        return pairs
    if scope == Scope.ACCOUNT:
        return accounts_of(user)
    if scope == Scope.STRATEGY:
        seen = Q(pk__in=strategies_of(user).values("pk"))
        return Strategy.objects.filter(seen | Q(pk__in=pairs.values("strategy")))
    seen = Q(pk__in=visible_baskets(user).values("pk"))
    return Basket.objects.filter(seen | Q(pk__in=pairs.values("strategy__basket")))
