"""Legs without a usable price: their stops, and those of the whole trade, are not judged. That is noted
from the first frame on, told once it lasts, and cleared when the leg has a price again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from django.db import transaction

from execution.engine import tell
from execution.engine.desk import Desk
from execution.engine.sights import KEY, WRITTEN
from execution.engine.snapshot import Snapshot
from execution.models import Position, StopWatch
from market.kernel.clock import IST
from market.kernel.frame import Quote
from strategies.rules import exits

NOTED = ("unjudged_since", "unjudged_told", "updated_at")


def note(
    needed: Mapping[int, list[Position]], quote: Callable[[str], Quote | None], seen: Snapshot, desk: Desk
) -> None:
    """By pair, the positions that its stops need prices of; a frame in which nothing changes writes nothing."""
    changed: list[StopWatch] = []
    late: list[list[tuple[Position, StopWatch]]] = []
    for rows in needed.values():
        dark = [row for row in rows if quote(row.contract.symbol) is None]
        overdue = [(row, watch) for row in dark if (watch := _watch(row, seen)) and _is_due(watch, desk)]
        if overdue:
            late.append(overdue)
        changed += [_ended(watch, desk) for row in rows if row not in dark and (watch := _watch(row, seen))]
        changed += [_begun(row, seen, desk) for row in dark if _watch(row, seen) is None]
    if changed or late:
        _write(changed, late, seen, desk)


@transaction.atomic
def _write(
    changed: list[StopWatch], late: Iterable[list[tuple[Position, StopWatch]]], seen: Snapshot, desk: Desk
) -> None:
    for overdue in late:
        _tell(overdue, desk)
        for _, watch in overdue:
            watch.unjudged_told = True
            changed.append(watch)
    anew: list[StopWatch] = []
    noted: list[StopWatch] = []
    for row in changed:
        known = seen.watches.get((row.allocation_id, row.symbol)) is row
        (noted if known else anew).append(row)
    for rows, columns in ((anew, (*WRITTEN, *NOTED[:2])), (noted, NOTED)):
        StopWatch.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=KEY, update_fields=columns
        )
    seen.watches.update({(row.allocation_id, row.symbol): row for row in anew})


def _watch(row: Position, seen: Snapshot) -> StopWatch | None:
    """The row that says since when this very position has not been judged."""
    watch = seen.watches.get((row.allocation_id, row.contract.symbol))
    if watch is None or watch.unjudged_since is None or row.opened_at is None:
        return None
    return watch if watch.unjudged_since >= row.opened_at else None


def _begun(row: Position, seen: Snapshot, desk: Desk) -> StopWatch:
    """The position's row, or a new one where there is none or it remembers a trade before this."""
    watch = seen.watches.get((row.allocation_id, row.contract.symbol))
    if watch is None or watch.since != row.opened_at:
        watch = StopWatch(
            allocation_id=row.allocation_id, timeline=desk.timeline, symbol=row.contract.symbol,
            leg_number=row.leg_number, since=row.opened_at or desk.now,
        )  # fmt: skip
    watch.unjudged_since, watch.unjudged_told, watch.updated_at = desk.now, False, desk.now
    return watch


def _ended(watch: StopWatch, desk: Desk) -> StopWatch:
    watch.unjudged_since, watch.unjudged_told, watch.updated_at = None, False, desk.now
    return watch


def _is_due(watch: StopWatch, desk: Desk) -> bool:
    assert watch.unjudged_since is not None  # _watch found it so
    waited = desk.now - watch.unjudged_since
    return not watch.unjudged_told and waited >= exits.told_after(desk.frame.cadence)


def _tell(overdue: list[tuple[Position, StopWatch]], desk: Desk) -> None:
    pair = overdue[0][0].allocation
    part = "morning" if desk.now.astimezone(IST).hour < 12 else "afternoon"
    tell.tell(
        desk, pair, kind="unjudged", severity=tell.Severity.WARNING,
        title=f"Stops of {pair.strategy.name} on {pair.broker_account.label} cannot be judged",
        body=f"{' '.join(_words(row, watch, desk) for row, watch in overdue)} Until it has a usable price "
        "its stops, and those of the whole trade, wait. Exit by hand if you do not want to.",
        dedupe_key=f"unjudged:{pair.public_id}:{desk.day}:{part}",
    )  # fmt: skip


def _words(row: Position, watch: StopWatch, desk: Desk) -> str:
    """Leg 3 (NIFTY-20260804-24600-CE): no usable price since 09:31:20, the last one is of 09:31:05."""
    assert watch.unjudged_since is not None  # _watch found it so
    quote = desk.frame.quote(row.contract.symbol)
    since = f"{watch.unjudged_since.astimezone(IST):%H:%M:%S}"
    last = "it is not quoted" if quote is None else f"the last one is of {quote.at.astimezone(IST):%H:%M:%S}"
    return f"Leg {row.leg_number} ({row.contract.symbol}): no usable price since {since}, {last}."
