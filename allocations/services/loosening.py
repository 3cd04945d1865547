"""Looser limits wait for the next trading day: kept as rows, put in force when the market's day changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from allocations import selectors
from allocations.models import PendingLimit, ScopeLimit, StrategyBrokerAllocation
from allocations.risk import PairTerms, ScopeTerms
from users.errors import Refused
from users.services import record

Owner = StrategyBrokerAllocation | ScopeLimit


def keep(owner: Owner, later: Mapping[str, Any], *, now: datetime) -> bool:
    """Make what waits for the owner exactly these values; whether that changed anything.

    A value that waits already keeps the day on which it was asked for.
    """
    held = selectors.pending_values(owner)
    if held == dict(later):
        return False
    owner.pending.exclude(name__in=[n for n in later if n in held and held[n] == later[n]]).delete()
    kept = owner.pending.values_list("name", flat=True)
    fresh = {name: value for name, value in later.items() if name not in set(kept)}
    day = selectors.market_day(now)
    PendingLimit.objects.bulk_create(
        [PendingLimit(**_owned_by(owner), name=n, value=v, asked_on=day) for n, v in fresh.items()]
    )
    vars(owner).pop("_prefetched_objects_cache", None)  # what was read with the owner is older than this
    return True


def put_in_force(*, day: date, now: datetime) -> int:
    """Put every value in force that was asked for on another day of the market; how many owners changed."""
    due = PendingLimit.objects.exclude(asked_on=day)
    pairs = StrategyBrokerAllocation.objects.filter(pk__in=due.values("allocation"))
    scopes = ScopeLimit.objects.filter(pk__in=due.values("scope_limit"))
    owners: list[Owner] = [*pairs.order_by("pk"), *scopes.order_by("pk")]
    return sum(_put_in_force(owner, day, now) for owner in owners)


@transaction.atomic
def _put_in_force(owner: Owner, day: date, now: datetime) -> bool:
    held = type(owner).objects.select_for_update(of=("self",)).get(pk=owner.pk)
    due = list(held.pending.exclude(asked_on=day))
    values = {waiting.name: selectors.pending_value(waiting) for waiting in due}
    if "lots" in values and values["lots"] > values.get("max_lots", held.max_lots):
        del values["lots"]  # its limit was asked for anew, and still waits
    due = [waiting for waiting in due if waiting.name in values]
    if not due:
        return False
    before = {name: getattr(held, name) for name in values}
    for name, value in values.items():
        setattr(held, name, value)
    held.version += 1
    held.save()
    PendingLimit.objects.filter(pk__in=[waiting.pk for waiting in due]).delete()
    user = held.user if isinstance(held, ScopeLimit) else held.broker_account.user
    record(
        actor=None, owner=user, action="limits.in_force", obj=held, before=plain(before),
        after=plain(values), source="engine", now=now,
    )  # fmt: skip
    return True


def check_greeks(terms: PairTerms | ScopeTerms, prefix: str = "") -> None:
    """Refused when a delta or vega limit is below 0: it is an amount, whatever the sign of the Greek."""
    for name in ("max_delta", "max_vega"):
        most = getattr(terms, name)
        if most is not None and most < 0:
            raise Refused(f"{name}_below_zero", f"{name} is an amount, so it is 0 or more.",
                          fix="Send the most you accept, or leave it out.",
                          field=f"{prefix}{name}")  # fmt: skip


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As the audit log keeps it."""
    return {name: str(v) if isinstance(v, Decimal) else v for name, v in values.items()}


def _owned_by(owner: Owner) -> dict[str, Owner]:
    return {"scope_limit" if isinstance(owner, ScopeLimit) else "allocation": owner}
