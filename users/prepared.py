"""Queries that are asked again and again, written as SQL once.

For a join as wide as an order with its pair Django takes four times as long to write the SQL as to send
it and make the answer into rows. What varies is a `Param`; a list is asked for by `among`, so that the SQL
is the same however long it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from types import SimpleNamespace
from typing import Any, Generic, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import (
    Expression,
    Field,
    ForeignObject,
    Func,
    Lookup,
    Model,
    QuerySet,
    TextField,
    prefetch_related_objects,
)
from django.db.models.base import ModelState
from django.db.models.expressions import Col
from django.db.models.sql.compiler import SQLCompiler
from django.db.transaction import TransactionManagementError

Row = TypeVar("Row", covariant=True)
M = TypeVar("M", bound=Model)


class Param(Expression):
    """A value that is given, under this name, each time the query is asked."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        return "%s", [self]


@ForeignObject.register_lookup
@Field.register_lookup
class Among(Lookup):
    """`column__among=Param("ids")`: the column is one of a list; of an empty one it never is."""

    lookup_name = "among"

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        column, before = self.process_lhs(compiler, connection)
        values, after = self.process_rhs(compiler, connection)
        return f"{column} = ANY({values}::{_array(self.lhs.output_field, connection)})", [*before, *after]


def _array(field: Any, connection: Any) -> str:
    """The type of a list of its values, of any length: a cast to varchar(40)[] would cut them in silence."""
    return f"{field.rel_db_type(connection).partition('(')[0]}[]"


class Prepared(Generic[Row]):
    """The rows of the query that `build` makes, with a Param wherever a value is given later. Thread-safe."""

    def __init__(self, build: Callable[[], QuerySet[Any, Row]]) -> None:
        self._build = build

    def rows(self, **values: object) -> list[Row]:
        """All of them, by a value for each Param; KeyError without one."""
        queryset, compiler, sql, params = self._written  # Django's own iterables make the rows
        bound = tuple(values[param.name] if isinstance(param, Param) else param for param in params)
        asked = SimpleNamespace(
            db=DEFAULT_DB_ALIAS, model=queryset.model, query=_Bound(compiler, sql, bound),
            _known_related_objects={},
        )  # fmt: skip
        found: list[Any] = list(queryset._iterable_class(asked))
        if found and queryset._prefetch_related_lookups:
            prefetch_related_objects(found, *queryset._prefetch_related_lookups)
        return found

    def first(self, **values: object) -> Row | None:
        """The first of them, if there is one."""
        return next(iter(self.rows(**values)), None)

    @cached_property
    def _written(self) -> tuple[Any, SQLCompiler, str, tuple[Any, ...]]:
        queryset = self._build()
        compiler = queryset.query.get_compiler(using=DEFAULT_DB_ALIAS)
        sql, params = compiler.as_sql()
        return queryset, compiler, sql, tuple(params)


class _Bound(SQLCompiler):
    """A compiler that has written its SQL before, with the values of one asking and this thread's connection."""

    def __init__(self, written: SQLCompiler, sql: str, values: tuple[Any, ...]) -> None:
        self.__dict__ = written.__dict__ | {"connection": connections[DEFAULT_DB_ALIAS]}
        self._sql, self._values = sql, values
        if self.query.select_for_update and self.connection.get_autocommit():
            raise TransactionManagementError("select_for_update cannot be used outside of a transaction.")

    def as_sql(self, *args: Any, **kwargs: Any) -> tuple[str, tuple[Any, ...]]:
        return self._sql, self._values

    def get_compiler(self, using: str) -> _Bound:
        """What an iterable of Django asks of its query."""
        return self


def insert(rows: Sequence[M], *, ignore_conflicts: bool = False) -> list[M]:
    """As `bulk_create`, whose statement costs more to write than to execute; each row has its id then, and
    none where conflicts are ignored. Of one model, whose ids the database gives."""
    if not rows:
        return []
    sql, fields = _insertion(type(rows[0]), ignore_conflicts)
    connection = connections[DEFAULT_DB_ALIAS]
    columns = [
        [field.get_db_prep_save(field.pre_save(row, add=True), connection) for row in rows] for field in fields
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, columns)
        ids = [] if ignore_conflicts else cursor.fetchall()
    for row, (pk,) in zip(rows, ids, strict=not ignore_conflicts):
        row.pk, row._state.adding, row._state.db = pk, False, DEFAULT_DB_ALIAS
    return list(rows)


@cache
def _insertion(model: type[Model], ignore_conflicts: bool) -> tuple[str, list[Any]]:  # noqa: FBT001 - a key
    connection = connections[DEFAULT_DB_ALIAS]
    quoted = connection.ops.quote_name
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(quoted(str(field.column)) for field in fields)
    values = ", ".join(f"%s::{_array(field, connection)}" for field in fields)
    end = "ON CONFLICT DO NOTHING" if ignore_conflicts else f"RETURNING {quoted(str(model._meta.pk.column))}"
    table = quoted(model._meta.db_table)
    sql = f"INSERT INTO {table} ({columns}) SELECT * FROM UNNEST({values}) {end}"  # noqa: S608 - our models' names
    return sql, fields


class Stamp(Func):
    """What is another one with every version of a row: where PostgreSQL keeps the version, and which
    transaction wrote it. Names a column of each table that counts: `Stamp("pk", "strategy__name")`."""

    def __init__(self, *columns: str) -> None:
        super().__init__(*columns, output_field=TextField())

    def as_sql(self, compiler: SQLCompiler, connection: Any, **_: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        columns = cast("list[Col]", self.get_source_expressions())
        tables = [compiler.quote_name_unless_alias(column.alias) for column in columns]
        return f"concat({', '.join(f'{table}.ctid, {table}.xmin' for table in tables)})", []


class Kept(Generic[M]):
    """Rows that are read in full once, and again only where they have changed: `stamps` finds (id, Stamp)
    of each, in order, and `rows` those among `ids`. Thread-safe. Each asking gets copies of its own, of the
    rows: what they are joined to is shared, to be read only."""

    def __init__(self, stamps: Prepared[tuple[int, str]], rows: Prepared[M]) -> None:
        self._stamps, self._rows = stamps, rows
        self._known: dict[int, tuple[str, M]] = {}

    def rows(self, **values: object) -> list[M]:
        """All of them as they are now; one query while nothing has changed, else two."""
        known, stamps = self._known, self._stamps.rows(**values)
        changed = {pk for pk, stamp in stamps if pk not in known or known[pk][0] != stamp}
        read = {row.pk: row for row in self._rows.rows(ids=list(changed))} if changed else {}
        # one that has changed once more between the two queries is read again the next time
        found = ((pk, stamp, read.get(pk) if pk in changed else known[pk][1]) for pk, stamp in stamps)
        self._known = fresh = {pk: (stamp, row) for pk, stamp, row in found if row is not None}
        return [_copied(row) for _, row in fresh.values()]


def _copied(row: M) -> M:
    made = row.__class__.__new__(row.__class__)
    made.__dict__.update(row.__dict__)
    made._state = ModelState()
    made._state.db, made._state.adding = row._state.db, False
    made._state.fields_cache = dict(row._state.fields_cache)
    return made
