"""Pause, resume, kill and freeze as rows: one state per scope and user, written in place."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Model

from allocations.models import StrategyBrokerAllocation, TradingState
from allocations.selectors import is_operator, targets_of
from baskets.models import Basket
from brokers.models import BrokerAccount
from strategies.models import Strategy
from users.errors import Forbidden, Refused
from users.models import User
from users.services import record

Scope = TradingState.Scope
State = TradingState.State

#: scope: (the row's column, the kind of target)
TARGETS: dict[str, tuple[str, type[Model]]] = {
    Scope.ACCOUNT: ("broker_account", BrokerAccount),
    Scope.BASKET: ("basket", Basket),
    Scope.STRATEGY: ("strategy", Strategy),
    Scope.PAIR: ("allocation", StrategyBrokerAllocation),
}


@transaction.atomic
def set_trading_state(  # noqa: PLR0913 - keyword only
    *,
    user: User | None,
    scope: str,
    target: Model | None = None,
    state: str,
    reason: str = "",
    by: User | None,
    source: str = "service",
    address: str | None = None,
    now: datetime,
) -> TradingState:
    """Write the state of one scope: the user's, one of their targets', or the installation's.

    `by` None is the engine. A freeze never loosens a halt; everything else is as asked.
    """
    keys = _keys(user, scope, target)
    _require_right(user, scope, target, by)
    fresh = {"state": State(state), "reason": reason[:200], "changed_at": now, "changed_by": by}
    held, created = TradingState.objects.select_for_update(of=("self",)).get_or_create(
        **keys, defaults=fresh
    )
    before = None if created else {"state": held.state, "reason": held.reason}
    if not created:
        if held.state == State.HALTED and state == State.FROZEN:
            return held
        for name, value in fresh.items():
            setattr(held, name, value)
        held.save(update_fields=list(fresh))
    record(
        actor=by, owner=user, action=f"trading_state.{scope}", obj=held, before=before,
        after={"state": held.state, "reason": held.reason, "target": target.pk if target else None},
        source=source, address=address, now=now,
    )  # fmt: skip
    return held


def _keys(user: User | None, scope: str, target: Model | None) -> dict[str, Any]:
    """The columns that name the row; ValueError when scope and target do not fit."""
    if scope == Scope.INSTALLATION:
        if user is not None or target is not None:
            raise ValueError("The installation's state has no user and no target.")
        return {"scope": scope}
    if user is None:
        raise ValueError(f"The state of scope {scope} needs its user.")
    if scope == Scope.USER:
        if target is not None:
            raise ValueError("A user's state has no target.")
        return {"scope": scope, "user": user}
    column, kind = TARGETS[scope]
    if not isinstance(target, kind):
        raise TypeError(f"Scope {scope} needs a {kind.__name__}, not {target!r}.")
    return {"scope": scope, "user": user, column: target}


def _require_right(user: User | None, scope: str, target: Model | None, by: User | None) -> None:
    if scope == Scope.INSTALLATION:
        if by is not None and not is_operator(by):
            raise Forbidden("not_an_operator", "Only an operator stops the whole installation.",
                            fix="Stop your own trading instead.")  # fmt: skip
        return
    if target is not None and not _reaches(user, scope, target):
        raise Refused("unknown_target", "This is nothing you trade.",
                      fix="Choose one of your own pairs, strategies, baskets or accounts.",
                      field="target")  # fmt: skip


def _reaches(user: User | None, scope: str, target: Model) -> bool:
    return user is not None and targets_of(user, scope).filter(pk=target.pk).exists()
