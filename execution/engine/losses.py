"""Day loss limits over pairs that hold something, with the positions that count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from allocations.models import ScopeLimit, StrategyBrokerAllocation
from execution.models import Position


@dataclass(frozen=True, slots=True)
class LossWatch:
    """A day loss limit over pairs that hold something: their positions of the day, and who they are."""

    key: str
    name: str
    most: Decimal
    closes: bool
    positions: list[Position]
    pairs: set[int]
    example: StrategyBrokerAllocation


def loss_watches(
    held: Mapping[int, list[Position]], closed: Iterable[Position]
) -> list[LossWatch]:
    """Of each pair that holds something, and of each wider limit over one; what was closed today counts."""
    by_pair: dict[int, list[Position]] = {pair: list(rows) for pair, rows in held.items()}
    for row in closed:
        by_pair.setdefault(row.allocation_id, []).append(row)
    pairs = {pk: rows[0].allocation for pk, rows in by_pair.items()}
    watches = [
        LossWatch(f"pair:{pk}", f"pair {pairs[pk].name}", pairs[pk].max_day_loss,
                  pairs[pk].square_off_at_loss, by_pair[pk], {pk}, pairs[pk])
        for pk in held
    ]  # fmt: skip
    users = {pairs[pk].broker_account.user_id for pk in held}
    rows = ScopeLimit.objects.filter(user__in=users, max_day_loss__isnull=False)
    for limit in rows.select_related("broker_account", "basket").order_by("pk"):
        inside = {pk for pk, pair in pairs.items() if limit.reaches(pair)}
        open_pairs = sorted(inside & held.keys())
        if open_pairs and limit.max_day_loss is not None:
            positions = [row for pk in sorted(inside) for row in by_pair[pk]]
            watches.append(
                LossWatch(f"limit:{limit.pk}", limit.name, limit.max_day_loss, limit.square_off_at_loss,
                          positions, set(open_pairs), pairs[open_pairs[0]])
            )  # fmt: skip
    return watches
