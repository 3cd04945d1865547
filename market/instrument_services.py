"""What brings brokers' masters and files of quotes into the tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import PurePath
from typing import Any

from django.db import connection, transaction

from market.importers.lots import Finding, check_symbols, findings, usable
from market.importers.masters import read_master
from market.importers.rows import BadRow, Listed, Lot, Master, Progress, QuoteFile
from market.kernel.frame import Frame
from market.models import Instrument, LotFlag, MasterImport, Timeline
from market.services import ensure_contracts, save_snapshot
from users.errors import Refused
from users.services import record

BHAVCOPY = "bhavcopy"
IMPORT_LOCK = 7201  # PostgreSQL's advisory lock of those who write down what a file lists
KEPT_BAD_ROWS = 1000
BATCH = 2000
COMPARED = ("trading_symbol", "contract_id", "lot_size", "tick_size", "freeze")


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file changed; nothing the second time."""

    master: MasterImport
    added: int
    changed: int
    flags: list[LotFlag]


@transaction.atomic
def import_master(
    *, file_name: str, data: bytes, now: datetime, progress: Progress | None = None
) -> Imported:
    """Read a broker's master into Instruments, its contracts and flags; UnknownFormat when none."""
    master = read_master(file_name, data, progress=progress)
    doubts = findings(master.listed)
    kept = check_symbols(master, usable(master.listed, doubts))
    _wait_for_others()
    row = _save_import(
        source=master.source, file_name=file_name, data=data, now=now,
        rows=master.rows, kept=len(kept), left_out=_left_out(master, doubts), bad=master.bad,
    )  # fmt: skip
    added, changed = _save_instruments(master.source, kept, now)
    flags = _save_flags(row, master.listed, doubts, now)
    return Imported(row, added, changed, flags)


@transaction.atomic
def import_bhavcopy(*, file_name: str, data: bytes, file: QuoteFile, now: datetime) -> Imported:
    """Book a bhavcopy that was read: its counts, and a flag where its lots are not those of the facts."""
    doubts = findings(file.listed)
    _wait_for_others()
    row = _save_import(
        source=BHAVCOPY, file_name=file_name, data=data, now=now,
        rows=file.rows, kept=file.kept, left_out=dict(file.left_out), bad=file.bad,
    )  # fmt: skip
    return Imported(row, 0, 0, _save_flags(row, file.listed, doubts, now))


@transaction.atomic
def store_quotes(*, timeline: Timeline, frame: Frame, wall: datetime) -> int:
    """Make the frame the last that the timeline knows; refused where the market process makes them."""
    held = Timeline.objects.select_for_update().get(pk=timeline.pk)
    if held.source == Timeline.Source.SIMULATED or (
        held.active and held.source != Timeline.Source.LIVE
    ):
        raise Refused(
            "quotes_made_elsewhere",
            f"The quotes of timeline {held.key} come from its own source.",
            fix="Use a live timeline, or a recorded one that is not active.",
            field="timeline",
        )
    if held.market_now is not None and frame.now < held.market_now:
        raise Refused(
            "not_forward",
            f"The file is of {frame.now.isoformat()}, but the timeline has reached "
            f"{held.market_now.isoformat()}.",
            fix="Use a later file or another timeline.",
            field="file",
        )
    stored = save_snapshot(timeline=held, frame=frame, wall=wall)
    Timeline.objects.filter(pk=held.pk).update(market_now=frame.now, frame=frame.n)
    return stored


def _wait_for_others() -> None:
    """One import at a time, until its transaction ends: two of one broker list the same tokens."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [IMPORT_LOCK])


def _left_out(master: Master, doubts: list[Finding]) -> dict[str, int]:
    flagged = len(master.listed) - len(usable(master.listed, doubts))
    return dict(master.left_out) | ({"flagged: lot or expiry unknown": flagged} if flagged else {})


def _save_import(  # noqa: PLR0913 - keyword only
    *,
    source: str,
    file_name: str,
    data: bytes,
    now: datetime,
    rows: int,
    kept: int,
    left_out: dict[str, int],
    bad: list[BadRow],
) -> MasterImport:
    facts: dict[str, Any] = {
        "rows": rows,
        "kept": kept,
        "left_out": left_out,
        "bad_rows": [[each.line, each.reason] for each in bad[:KEPT_BAD_ROWS]],
        "bad_count": len(bad),
    }
    digest = sha256(data).hexdigest()
    known = MasterImport.objects.filter(source=source, sha256=digest).first()
    if known is not None and facts == {name: getattr(known, name) for name in facts}:
        return known
    named = {"file_name": PurePath(file_name).name[:200], "at": now}
    row, _ = MasterImport.objects.update_or_create(
        source=source, sha256=digest, defaults={**facts, **named}
    )
    record(
        actor=None, owner=None, action="market.import_master", obj=row,
        after={"file": row.file_name, "source": source, "rows": rows, "kept": kept, "bad": len(bad)},
        source="command", now=now,
    )  # fmt: skip
    return row


def _save_instruments(source: str, kept: list[Listed], now: datetime) -> tuple[int, int]:
    contracts = ensure_contracts(row.contract for row in kept)
    known = {(each.exchange, each.token): each for each in Instrument.objects.filter(source=source)}
    new, changed = [], []
    for row in kept:
        made = Instrument(
            source=source, exchange=row.exchange, token=row.token,
            trading_symbol=row.trading_symbol, contract=contracts[row.contract.symbol],
            lot_size=row.lot_size, tick_size=row.tick_size, freeze=row.freeze, imported_at=now,
        )  # fmt: skip
        held = known.get((row.exchange, row.token))
        if held is None:
            new.append(made)
        elif any(getattr(held, name) != getattr(made, name) for name in COMPARED):
            made.pk = held.pk
            changed.append(made)
    Instrument.objects.bulk_create(new, batch_size=BATCH)
    Instrument.objects.bulk_update(changed, [*COMPARED, "imported_at"], batch_size=BATCH)
    return len(new), len(changed)


def _save_flags(
    row: MasterImport, listed: Iterable[Lot], doubts: list[Finding], now: datetime
) -> list[LotFlag]:
    """Open a flag for each finding, and close those of this source that the file no longer bears out."""
    mine = LotFlag.objects.filter(source=row.source)
    known = {(each.underlying, each.expiry, each.lot): each for each in mine}
    flags = [_save_flag(row, found, known, now) for found in doubts]
    series = {(each.contract.underlying, each.contract.expiry) for each in listed}
    stale = [
        each.pk
        for key, each in known.items()
        if key[:2] in series and each.pk not in {flag.pk for flag in flags}
    ]
    mine.filter(pk__in=stale, closed_at=None).update(closed_at=now)
    return flags


def _save_flag(
    row: MasterImport, found: Finding, known: dict[tuple[Any, ...], LotFlag], now: datetime
) -> LotFlag:
    said = {
        "known_lot": found.known_lot, "why": found.why.value, "said": found.said[:300],
        "rows": found.rows, "example": found.example,
    }  # fmt: skip
    held = known.get((found.underlying, found.expiry, found.lot))
    if held is None:
        return LotFlag.objects.create(
            source=row.source, underlying=found.underlying, expiry=found.expiry, lot=found.lot,
            found_in=row, found_at=now, **said,
        )  # fmt: skip
    if held.closed_at is not None or said != {name: getattr(held, name) for name in said}:
        for name, value in {**said, "found_in": row, "found_at": now, "closed_at": None}.items():
            setattr(held, name, value)
        held.save()
    return held
