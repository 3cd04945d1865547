"""What a user may ask of running trades: pause, resume, exit, square off, kill, each in one scope of
their own. What must be sent is written as rows, the engine sends it.
"""

from __future__ import annotations

from typing import Unpack

from django.db import transaction
from django.db.models import QuerySet

from allocations.models import StrategyBrokerAllocation, TradingState
from allocations.services import set_trading_state
from brokers.selectors import accounts_of
from execution import receipts
from execution.models import Receipt, StrategyExecution
from execution.receipts import Progress
from execution.selectors import target_of
from execution.services.acts import Act, record
from execution.services.exits import open_exits
from execution.services.locks import lock_accounts
from users.errors import Refused
from users.models import User

Scope = TradingState.Scope
State = TradingState.State


def pause(*, user: User, scope: str, target: int | None, **act: Unpack[Act]) -> None:
    """No more entries in the scope; exits and stops run."""
    _set(user, scope, target, State.REDUCING, "paused", act)


def resume(*, user: User, scope: str, target: int | None, **act: Unpack[Act]) -> None:
    """Entries may go again in the scope, unless a wider one is still stopped."""
    _set(user, scope, target, State.ACTIVE, "resumed", act)


@transaction.atomic
def exit_now(
    *, user: User, scope: str, target: int | None, **act: Unpack[Act]
) -> list[StrategyExecution]:
    """Close what the scope holds; entries may come again on their schedule."""
    pairs = pairs_in(user=user, scope=scope, target=target)
    _write_receipt(Receipt.Verb.EXIT, user, scope, target, pairs, act)
    exits = open_exits(pairs, cause="user")
    record("exit", user, {"scope": scope, "target": target, "exits": [r.pk for r in exits]}, act)
    return exits


@transaction.atomic
def square_off(
    *, user: User, scope: str, target: int | None, **act: Unpack[Act]
) -> list[StrategyExecution]:
    """Close what the scope holds and leave it reducing."""
    _set(user, scope, target, State.REDUCING, "squared off", act)
    pairs = list(_pairs(user, scope, target).order_by("pk"))
    _write_receipt(Receipt.Verb.SQUARE_OFF, user, scope, target, pairs, act)
    return open_exits(pairs, cause="square_off")


@transaction.atomic
def kill(
    *, user: User, scope: str, target: int | None, **act: Unpack[Act]
) -> list[StrategyExecution]:
    """Halt the scope: open orders are cancelled, positions closed, then only closes pass.

    Once it has its accounts' locks no opening order goes out any more: whoever sends holds the same lock.
    So they are taken before anything is read of the pairs, of which there may be many.
    """
    lock_accounts(_pairs(user, scope, target).order_by().values_list("broker_account_id", flat=True).distinct())
    pairs = list(_pairs(user, scope, target).order_by("pk"))
    _set(user, scope, target, State.HALTED, "killed", act)
    _write_receipt(Receipt.Verb.KILL, user, scope, target, pairs, act)
    return open_exits(pairs, cause="kill")


def pairs_in(*, user: User, scope: str, target: int | None) -> list[StrategyBrokerAllocation]:
    """The user's pairs of the scope, archived ones included: they may still hold positions."""
    rows = _pairs(user, scope, target)
    return list(rows.select_related("strategy__basket", "broker_account__user").order_by("pk"))


def _pairs(user: User, scope: str, target: int | None) -> QuerySet[StrategyBrokerAllocation]:
    rows = StrategyBrokerAllocation.objects.filter(broker_account__in=accounts_of(user))
    column = {
        Scope.PAIR: "pk",
        Scope.STRATEGY: "strategy_id",
        Scope.BASKET: "strategy__basket_id",
        Scope.ACCOUNT: "broker_account_id",
    }.get(Scope(scope))
    return rows if column is None else rows.filter(**{column: target})


def progress_of(receipt: Receipt) -> list[Progress]:
    """By broker account, how far the act has come."""
    pairs = pairs_in(user=receipt.user, scope=receipt.scope, target=receipt.target)
    return receipts.progress(receipt, pairs)


def _set(
    user: User, scope: str, target: int | None, state: State, reason: str, act: Act
) -> None:
    if scope not in Scope.values or scope == Scope.INSTALLATION:
        raise Refused(
            "unknown_scope",
            f"{scope!r} is not a scope.",
            fix="Use user, account, basket, strategy or pair.",
            field="scope",
        )
    set_trading_state(
        user=user,
        scope=scope,
        target=None if scope == Scope.USER else target_of(user, scope, target),
        state=state,
        reason=reason,
        **act,
    )


def _write_receipt(
    verb: str, user: User, scope: str, target: int | None, pairs: list[StrategyBrokerAllocation], act: Act
) -> None:
    name = "everything you run" if scope == Scope.USER else str(target_of(user, scope, target))
    receipts.write(
        user=user, verb=verb, scope=scope, target=target, name=name, pairs=pairs, now=act["now"]
    )
