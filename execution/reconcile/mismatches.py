"""Mismatches as rows: opened when found, told once, resolved when a look no longer finds them."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.db.models import Q

from brokers.models import BrokerAccount
from execution.differences import Difference, Fix, Kind
from execution.engine import tell
from execution.engine.desk import Desk
from execution.models import Mismatch
from execution.reconcile.holdings import Sheet
from execution.reconcile.ours import Ours
from execution.reconcile.words import about
from users.models import Notice
from users.prepared import Param, Prepared
from users.services import notify

#: The open ones of an account, and orphans that their owner has said are external.
KNOWN = Prepared(
    lambda: Mismatch.objects.filter(
        Q(resolved_at=None) | Q(kind=Kind.ORPHAN, resolution=Fix.EXTERNAL),
        broker_account=Param("account"), timeline=Param("timeline"),
    ).select_related("contract").order_by("pk")
)  # fmt: skip
HEALED = "healed"
OF_UNITS = {Kind.SQUARED_OFF, Kind.UNITS_MISSING, Kind.UNITS_EXTRA}
CHANGING = ("ours", "theirs", "missing", "fix", "number", "allocation_id")
Name = tuple[str, str]


def write(
    account: BrokerAccount, found: list[Difference], mine: Ours, sheet: Sheet, desk: Desk
) -> bool:
    """Open, update and resolve; whether any needs another look soon."""
    rows = KNOWN.rows(account=account.pk, timeline=desk.timeline.pk)
    opened = {_name(row): row for row in rows if row.resolved_at is None}
    told = {row.subject for row in rows if row.resolved_at and row.resolution == Fix.EXTERNAL}
    wanted = [
        _row(account, difference, mine, sheet, desk)
        for difference in found
        if not (difference.kind is Kind.ORPHAN and difference.subject in told)
    ]
    _resolve([row for name, row in opened.items() if name not in set(map(_name, wanted))], sheet, desk)
    changed = [row for row in wanted if _open_or_update(row, opened.get(_name(row)))]
    for row in changed:
        if _name(row) not in opened:
            _tell(row, account, desk)
    if changed or len(wanted) != len(opened):
        tell.book_changed(desk)
    return bool(wanted) or any(o.state.value == "UNKNOWN" for o in mine.orders)


def _row(
    account: BrokerAccount, found: Difference, mine: Ours, sheet: Sheet, desk: Desk
) -> Mismatch:
    order = mine.rows.get(found.ref)
    if found.kind is Kind.ORPHAN:  # it bears our tag and yet is another order
        order = None
    pair = order.allocation_id if order else mine.largest((found.symbol, found.product))
    return Mismatch(
        broker_account=account,
        timeline=desk.timeline,
        kind=found.kind,
        subject=found.subject,
        contract=sheet.contracts.get(found.symbol) or (order.contract if order else None),
        product=found.product,
        allocation_id=None if found.kind is Kind.ORPHAN else pair,
        order=order,
        number=found.number,
        ours=found.ours,
        theirs=found.theirs,
        missing=found.missing,
        fix=found.fix,
        opened_at=desk.wall,
    )


def _open_or_update(row: Mismatch, known: Mismatch | None) -> bool:
    if known is None:
        row.save()
        return True
    if all(getattr(known, name) == getattr(row, name) for name in CHANGING):
        return False
    for name in CHANGING:
        setattr(known, name, getattr(row, name))
    known.save()
    return True


def _resolve(gone: list[Mismatch], sheet: Sheet, desk: Desk) -> None:
    """What is no longer found has healed, unless orders on their way leave it open."""
    for row in gone:
        key = (row.contract.symbol if row.contract else "", row.product)
        if row.kind in OF_UNITS and key in sheet.waiting:
            continue
        row.resolved_at, row.resolution = desk.wall, row.chosen or HEALED
        row.save(update_fields=["resolved_at", "resolution"])


def _tell(row: Mismatch, account: BrokerAccount, desk: Desk) -> None:
    title, body = about(row)
    notify(
        user=account.user,
        kind="mismatch",
        severity=Notice.Severity.CRITICAL,
        title=f"{account.label}: {title}",
        body=body,
        dedupe_key=f"{desk.timeline.key}:mismatch:{row.pk}",
        link="/reconciliation",
        now=desk.wall,
    )
    payload = {"kind": "mismatch", "severity": Notice.Severity.CRITICAL, "title": title}
    transaction.on_commit(partial(desk.feed.event, account.user_id, "risk", payload))


def _name(row: Mismatch) -> Name:
    return str(row.kind), row.subject
