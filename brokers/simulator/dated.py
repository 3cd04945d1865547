"""The dated facts that the exchange keeps: those of the desk, handed over by the market process.

The packaged ones answer until then. A frame says which revision the desk has; an exchange that has
another one asks for it before it matches, so the two never judge a lot or a session differently.
"""

from __future__ import annotations

from typing import Any

from brokers.simulator.wire import Refusal
from market.facts import schema, tables
from market.facts.values import Facts
from market.kernel.contracts import facts_from_config


def require(revision: str | None) -> None:
    """Refusal FACTS_WANTED (409) when these are not the facts in force here; None asks nothing."""
    mine = tables.in_force().revision
    if revision is not None and revision != str(mine):
        raise Refusal("FACTS_WANTED", f"This exchange has facts {mine}, not {revision}.", 409)


def take(document: dict[str, Any]) -> dict[str, Any]:
    """Install `{revision, config, tables: {name: [row as text]}}`; without tables, the packaged facts."""
    try:
        dated = _built(document["tables"], document["revision"])
        tables.install(facts_from_config(document["config"], dated=dated))
    except (KeyError, TypeError, ValueError) as wrong:
        raise Refusal("BAD_REQUEST", f"These are no facts: {wrong}") from wrong
    return {"facts": tables.in_force().revision}


def _built(found: dict[str, list[dict[str, str]]] | None, revision: int) -> Facts:
    if found is None:
        return tables.packaged()
    rows = {
        name: [schema.parse(table, text) for text in found[name]]
        for name, table in schema.TABLES.items()
    }
    schema.check_together(rows)
    return tables.build(rows, name="tables", revision=revision)
