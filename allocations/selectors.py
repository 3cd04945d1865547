"""A user's pairs, and the trading state that applies to each."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from allocations.models import StrategyBrokerAllocation, TradingState
from allocations.risk import Effective, PairTerms, RiskLimit, tightest
from baskets.models import Basket
from baskets.selectors import visible_baskets
from brokers.selectors import accounts_of
from strategies.models import Strategy
from strategies.selectors import strategies_of
from users.models import User

Scope = TradingState.Scope
TERM_FIELDS = (
    "lots", "max_lots", "max_day_loss", "max_margin", "max_open_positions", "product",
    "stop_loss", "take_profit", "trail", "trail_every", "trail_by",
)  # fmt: skip


def allocations_of(user: User) -> QuerySet[StrategyBrokerAllocation]:
    """The user's pairs, on their own accounts, without the archived; in a stable order."""
    return (
        StrategyBrokerAllocation.objects.filter(
            broker_account__in=accounts_of(user), archived_at=None
        )
        .select_related("strategy__basket", "broker_account", "strategy_version")
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
    return PairTerms(**{name: getattr(allocation, name) for name in TERM_FIELDS})


def limit_of(allocation: StrategyBrokerAllocation) -> RiskLimit:
    return terms_of(allocation).limit


def states_of(user: User) -> QuerySet[TradingState]:
    """Every state that is not active and that reaches the user."""
    mine = Q(user=user) | Q(scope=Scope.INSTALLATION)
    return TradingState.objects.filter(mine).exclude(state=TradingState.State.ACTIVE).order_by("pk")


def effective_states(allocations: Iterable[StrategyBrokerAllocation]) -> dict[int, Effective]:
    """By allocation id, the tightest state of installation, user, account, basket, strategy, pair.

    Two queries, however many allocations.
    """
    pairs = StrategyBrokerAllocation.objects.filter(pk__in={pair.pk for pair in allocations})
    keys = list(
        pairs.values_list(
            "pk", "broker_account__user_id", "broker_account_id", "strategy__basket_id", "strategy_id"
        )
    )
    held = _states_by_target({user for _, user, *_ in keys})
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
    rows = TradingState.objects.filter(Q(user__in=users) | Q(scope=Scope.INSTALLATION))
    return {
        (row.scope, row.user_id, target_id(row)): Effective(
            state=row.state, scope=row.scope, reason=row.reason
        )
        for row in rows.exclude(state=TradingState.State.ACTIVE)
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
