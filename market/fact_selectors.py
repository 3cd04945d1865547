"""Reads of the operator's tables of facts: their revision, their rows, one immutable snapshot."""

from __future__ import annotations

from market.facts import schema, tables
from market.facts.schema import Row
from market.facts.values import Facts
from market.models import FACT_MODELS, FactsRevision


class TablesChanging(RuntimeError):
    """The tables changed under every attempt to read them; ask again."""


ATTEMPTS = 5


def revision() -> int:
    """How often the tables have changed; 0 while they are not in use."""
    return FactsRevision.objects.values_list("number", flat=True).first() or 0


def fact_rows() -> dict[str, list[Row]]:
    """Every table's rows as the values a CSV file of them would give."""
    return {
        name: [schema.parse(table, text) for text in _texts(name, table)]
        for name, table in schema.TABLES.items()
    }


def fact_texts() -> dict[str, list[dict[str, str]]]:
    """Every table's rows as text, for another process."""
    return {name: _texts(name, table) for name, table in schema.TABLES.items()}


def snapshot() -> Facts:
    """The tables as one value that nobody can change: what is packaged while they are not in use.

    The revision is read before and after, so that no import falls between two tables.
    """
    for _ in range(ATTEMPTS):
        number = revision()
        if number == 0:
            return tables.packaged()
        found = fact_rows()
        if revision() == number:
            return tables.build(found, name="tables", revision=number)
    raise TablesChanging(f"The facts changed {ATTEMPTS} times while they were read.")


def _texts(name: str, table: schema.Table) -> list[dict[str, str]]:
    rows = FACT_MODELS[name]._default_manager.order_by(*table.key).values(*table.header)
    return [schema.as_text(table, row) for row in rows]
