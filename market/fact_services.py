"""What changes the tables of facts: the packaged rows at first, an operator's file, one row in the admin.

Every change is made under the lock of the FactsRevision row, checked against all tables together,
written to the audit log and counted by the revision. All of it happens, or nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from market import fact_selectors
from market.facts import schema, tables
from market.facts.schema import Row, Table, WrongFact
from market.facts.values import Facts
from market.facts_in_force import under_profile
from market.kernel.calendar import OutsideCoverage
from market.kernel.contracts import lot_size
from market.models import FACT_MODELS, Contract, Fact, FactsRevision
from users.errors import Refused
from users.models import User
from users.services import record


@dataclass(frozen=True, slots=True)
class Imported:
    """What one file changed in its table."""

    file_name: str
    table: str
    added: int
    changed: int
    same: int


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who changes facts, from where (admin, command) and when: for the audit log."""

    actor: User | None
    source: str
    now: datetime


@transaction.atomic
def seed_facts(*, now: datetime) -> bool:
    """Put the packaged rows into the tables; False where the tables are already in use."""
    return _seeded(_locked(now), now)


@transaction.atomic
def import_facts(*, files: Iterable[tuple[str, str]], by: By) -> list[Imported]:
    """Add or change the rows of CSV files (name, text); a row that the file does not name stays.

    Its header says which table a file is for, its key columns which row a line is. Refused names the
    file, the line and the field. The tables are judged as they are after all of the files.
    """
    row = _locked(by.now)
    _seeded(row, by.now)
    done = [_import_file(file_name, text, by) for file_name, text in files]
    if any(each.added or each.changed for each in done):
        _changed(row, by)
    return done


@transaction.atomic
def save_fact(*, table: str, values: Mapping[str, str], pk: int | None, by: By) -> Fact:
    """Add one row (pk None) or change it; Refused names the field."""
    revision = _locked(by.now)
    _seeded(revision, by.now)
    held = None if pk is None else FACT_MODELS[table]._default_manager.get(pk=pk)
    saved = _save(schema.TABLES[table], _parsed(schema.TABLES[table], values), held, by)
    _changed(revision, by)
    return saved


@transaction.atomic
def remove_fact(*, table: str, pk: int, by: By) -> None:
    """Take one row away; Refused when the others cannot be without it."""
    revision = _locked(by.now)
    row = FACT_MODELS[table]._default_manager.get(pk=pk)
    record(
        actor=by.actor, owner=None, action="market.remove_fact", obj=row,
        before=_said(row), source=by.source, now=by.now,
    )  # fmt: skip
    row.delete()
    _changed(revision, by)


def check_fact(*, table: str, values: Mapping[str, str], pk: int | None) -> None:
    """Refused, by field, when such a row cannot be; nothing is saved."""
    with transaction.atomic():
        mine = _parsed(schema.TABLES[table], values)
        in_use = fact_selectors.revision() > 0
        rows = fact_selectors.fact_rows() if in_use else tables.packaged_rows()
        if pk is not None:
            held = FACT_MODELS[table]._default_manager.get(pk=pk)
            key = schema.TABLES[table].key_of(_row(held))
            rows[table] = [row for row in rows[table] if schema.TABLES[table].key_of(row) != key]
        rows[table].append(mine)
        _require_consistent(rows)


def _locked(now: datetime) -> FactsRevision:
    FactsRevision.objects.get_or_create(pk=1, defaults={"changed_at": now})
    return FactsRevision.objects.select_for_update().get(pk=1)


def _seeded(revision: FactsRevision, now: datetime) -> bool:
    if revision.number:
        return False
    rows = tables.packaged_rows()
    for name, model in FACT_MODELS.items():
        model._default_manager.bulk_create([model(**row) for row in rows[name]])
    revision.number, revision.changed_at = 1, now
    revision.save()
    record(
        actor=None, owner=None, action="market.seed_facts", obj=revision,
        after={name: len(found) for name, found in rows.items()}, source="command", now=now,
    )  # fmt: skip
    return True


def _changed(revision: FactsRevision, by: By) -> None:
    """Judge the tables as they now are, and tell every process that they are others."""
    rows = fact_selectors.fact_rows()
    _require_consistent(rows)
    revision.number += 1
    revision.changed_at = by.now
    revision.save()
    _keep_lots(tables.build(rows, name="tables", revision=revision.number), revision, by)


def _require_consistent(rows: dict[str, list[Row]]) -> None:
    try:
        schema.check_together(rows)
    except WrongFact as wrong:
        raise _refusal(wrong) from wrong


def _keep_lots(facts: Facts, revision: FactsRevision, by: By) -> None:
    """A contract's row says the lot of the facts, also where the exchange changed it in place.

    What is held stays the same quantity: it is another number of lots.
    """
    known = under_profile(facts)
    series = Contract.objects.values_list("underlying", "expiry", "lot_size").distinct()
    for underlying, expiry, lot in series.order_by("underlying", "expiry"):
        try:
            now_lot = lot_size(underlying, expiry, facts=known)
        except OutsideCoverage:  # an old contract that the tables no longer know keeps its lot
            continue
        if now_lot == lot:
            continue
        of_series = Contract.objects.filter(underlying=underlying, expiry=expiry, lot_size=lot)
        count = of_series.update(lot_size=now_lot)
        what = {"underlying": underlying, "expiry": expiry.isoformat(), "contracts": count}
        record(
            actor=by.actor, owner=None, action="market.change_lot", obj=revision,
            before={**what, "lot": lot}, after={**what, "lot": now_lot},
            source=by.source, now=by.now,
        )  # fmt: skip


def _import_file(file_name: str, text: str, by: By) -> Imported:
    table, rows = _read(file_name, text)
    held = {table.key_of(_row(each)): each for each in FACT_MODELS[table.name]._default_manager.all()}
    added = changed = same = 0
    for row in rows:
        before = held.get(table.key_of(row))
        if before is not None and _row(before) == row:
            same += 1
            continue
        _save(table, row, before, by)
        added, changed = added + (before is None), changed + (before is not None)
    return Imported(file_name, table.name, added, changed, same)


def _read(file_name: str, text: str) -> tuple[Table, list[Row]]:
    lines = csv.DictReader(text.lstrip("\ufeff").splitlines())
    try:
        table = schema.table_of(name.strip() for name in lines.fieldnames or ())
    except WrongFact as wrong:
        raise _refusal(wrong, f"{file_name}: ") from wrong
    found: dict[tuple[object, ...], Row] = {}
    for line in lines:
        where = f"{file_name}, line {lines.line_num}: "
        row = _parsed(table, {(name or "").strip(): value for name, value in line.items()}, where)
        if table.key_of(row) in found:
            raise _refusal(WrongFact(table.name, table.key[-1], "This row is in the file twice.", "Keep one."), where)  # fmt: skip
        found[table.key_of(row)] = row
    return table, list(found.values())


def _save(table: Table, row: Row, held: Fact | None, by: By) -> Fact:
    before = None if held is None else _said(held)
    saved = FACT_MODELS[table.name](**row)
    saved.pk = None if held is None else held.pk
    saved.save()
    record(
        actor=by.actor, owner=None,
        action="market.add_fact" if held is None else "market.change_fact", obj=saved,
        before=before, after=_said(saved), source=by.source, now=by.now,
    )  # fmt: skip
    return saved


def _row(held: Fact) -> Row:
    return schema.parse(held.table, schema.as_text(held.table, vars(held)))


def _said(held: Fact) -> dict[str, str]:
    return schema.as_text(held.table, _row(held))


def _parsed(table: Table, values: Mapping[str, str], where: str = "") -> Row:
    if not all(isinstance(value, str | None) for value in values.values()):
        raise _refusal(WrongFact(table.name, table.key[-1], "The line has too many cells.", "Put text with a comma in quotes."), where)  # fmt: skip
    try:
        return schema.parse(table, values)
    except WrongFact as wrong:
        raise _refusal(wrong, where) from wrong


def _refusal(wrong: WrongFact, where: str = "") -> Refused:
    return Refused(
        "wrong_fact", f"{where}{wrong.table}, {wrong.field}: {wrong.message}",
        fix=wrong.fix, field=wrong.field,
    )  # fmt: skip
