"""Limits of everything a user runs, of a broker account, of a basket."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Model

from allocations import selectors
from allocations.models import ScopeLimit, StrategyBrokerAllocation
from allocations.risk import LOOSENABLE, ScopeTerms, split
from allocations.services import loosening
from allocations.services.trading_states import TARGETS
from users.errors import Conflict, Refused
from users.models import User
from users.services import record

Scope = ScopeLimit.Scope


@transaction.atomic
def set_scope_limit(  # noqa: PLR0913 - keyword only
    *,
    user: User,
    scope: str,
    target: Model | None,
    terms: ScopeTerms,
    if_match: int | None = None,
    source: str,
    address: str | None = None,
    now: datetime,
) -> ScopeLimit:
    """Make the scope's limits exactly these: tighter at once, looser from the next trading day.

    Before any pair in the scope has traded all of it holds at once. Conflict when the limits have
    moved past `if_match`; version 0 is that of limits that were never set.
    """
    _check(terms)
    keys = _keys(user, scope, target)
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # one change of a user's limits at a time
    held = ScopeLimit.objects.filter(**keys).first() or ScopeLimit(**keys, version=0)
    if if_match is not None and held.version != if_match:
        raise Conflict("version_moved", f"These limits are at version {held.version} now, not {if_match}.",
                       fix="Read them again and repeat your change.")  # fmt: skip
    fresh = held.pk is None
    before = None if fresh else _state(held)
    at_once = fresh or not _has_traded(user, held)
    wanted = asdict(terms)
    now_held, later = (wanted, {}) if at_once else split(asdict(selectors.scope_terms(held)), wanted)
    waiting = False if fresh else loosening.keep(held, later, now=now)
    if not fresh and not waiting and now_held == asdict(selectors.scope_terms(held)):
        return held
    for name, value in now_held.items():
        setattr(held, name, value)
    held.version += 1
    held.save()
    record(
        actor=user, owner=user, action=f"limits.{scope}", obj=held, before=before, after=_state(held),
        source=source, address=address, now=now,
    )  # fmt: skip
    return held


def _keys(user: User, scope: str, target: Model | None) -> dict[str, Any]:
    if scope == Scope.USER and target is None:
        return {"user": user, "scope": scope}
    if scope not in (Scope.ACCOUNT, Scope.BASKET) or target is None:
        raise Refused("unknown_scope", f"{scope!r} with this target has no limits of its own.",
                      fix="Use user without a target, or account or basket with its id.",
                      field="scope")  # fmt: skip
    if not selectors.targets_of(user, scope).filter(pk=target.pk).exists():
        raise Refused("unknown_target", "This is nothing you trade.",
                      fix="Choose one of your own accounts or baskets.", field="target")  # fmt: skip
    return {"user": user, "scope": scope, TARGETS[scope][0]: target}


def _check(terms: ScopeTerms) -> None:
    for name in ("max_day_loss", "max_margin"):
        most = getattr(terms, name)
        if most is not None and most <= 0:
            raise Refused(f"{name}_not_above_zero", f"{name} must be above 0.",
                          fix="Send the most you accept, or leave it out.", field=name)  # fmt: skip
    loosening.check_greeks(terms)
    if terms.square_off_at_loss and terms.max_day_loss is None:
        raise Refused("no_day_loss", "There is no day loss at which to square off.",
                      fix="Send max_day_loss too, or leave square_off_at_loss out.",
                      field="square_off_at_loss")  # fmt: skip


def _has_traded(user: User, row: ScopeLimit) -> bool:
    pairs = StrategyBrokerAllocation.objects.filter(broker_account__user=user, entered_at__isnull=False)
    if row.broker_account_id:
        pairs = pairs.filter(broker_account=row.broker_account_id)
    if row.basket_id:
        pairs = pairs.filter(strategy__basket=row.basket_id)
    return pairs.exists()


def _state(row: ScopeLimit) -> dict[str, Any]:
    return {
        **loosening.plain({name: getattr(row, name) for name in LOOSENABLE}),
        "from_the_next_trading_day": loosening.plain(selectors.pending_values(row)),
        "target": row.target_id,
        "version": row.version,
    }
