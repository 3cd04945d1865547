"""Worlds that were played before: opened again from a copy of their rows, not played again.

The rows of our database and the simulator's books are kept as they stood; what a test changes
afterwards is its own. Two tests that begin the same way so pay for the beginning once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection, transaction

from brokers.simulator.ledger import Ledger
from brokers.simulator.simulator import Simulator
from execution.headless.play import Player
from execution.headless.world import TAG_KEY
from market.kernel.frame import Frame
from market.models import Timeline

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything of a world at one instant: rows by table as COPY text, the books, the player's clock."""

    rows: dict[str, bytes]
    books: Ledger
    wall: datetime
    steps: int
    last: Frame | None


KEPT: dict[Key, Kept] = {}


class Beginning:
    """How a world begins: its opening, then its first frame if nothing was written in between.

    Only in an otherwise empty database that is rolled back afterwards; else nothing is remembered.
    """

    def __init__(self, key: Key) -> None:
        self._key: Key = (*key, repr(settings.PLATFORM))
        self._remembers = (
            connection.in_atomic_block and _filled(connection.cursor()) == _always_filled()
        )
        self.is_unchanged = False

    def __enter__(self) -> Beginning:
        connection.execute_wrappers.append(self._watch)
        return self

    def __exit__(self, *_: object) -> None:
        connection.execute_wrappers.remove(self._watch)

    def open(self, play: Callable[[], Player]) -> Player:
        if not self._remembers:
            return play()
        self._empty = transaction.savepoint()
        player = _world(self._key, play)
        self.is_unchanged = True
        return player

    def then(self, instant: tuple[int, ...], play: Callable[[], Player]) -> Player:
        key = (*self._key, repr(settings.PLATFORM), instant)
        if key in KEPT:
            transaction.savepoint_rollback(self._empty)
        return _world(key, play)

    def _watch(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            self.is_unchanged = False
        return execute(sql, *rest)


def _world(key: Key, play: Callable[[], Player]) -> Player:
    """The world that `play` makes, or its copy."""
    if key in KEPT:
        return _again(KEPT[key])
    player = play()
    KEPT[key] = Kept(
        {table: _copy_out(table) for table in _filled(connection.cursor()) - _always_filled()},
        _copy_of(player.simulator.ledger), player.wall, player.steps, player.last,
    )  # fmt: skip
    return player


def _again(kept: Kept) -> Player:
    with connection.cursor() as cursor:
        for table, rows in kept.rows.items():
            with cursor.cursor.copy(f'COPY "{table}" FROM STDIN') as into:
                into.write(rows)
    simulator = Simulator(_copy_of(kept.books), token=settings.SIMULATOR_TOKEN)
    timeline = Timeline.objects.get(active=True)
    return Player(
        timeline=timeline, simulator=simulator, tag_key=TAG_KEY, wall=kept.wall,
        steps=kept.steps, last=kept.last,
    )  # fmt: skip


def _copy_out(table: str) -> bytes:
    with connection.cursor() as cursor, cursor.cursor.copy(f'COPY "{table}" TO STDOUT') as out:
        return b"".join(bytes(part) for part in out)


def _copy_of(ledger: Ledger) -> Ledger:
    copied = Ledger(":memory:")
    ledger._db.backup(copied._db)
    return copied


def _filled(cursor: Any) -> set[str]:
    """Tables that have rows as this cursor sees them."""
    each = (f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\")" for table in _tables())  # noqa: S608 - names of our own models
    cursor.execute(" UNION ALL ".join(each))
    return {name for (name,) in cursor.fetchall()}


@cache
def _always_filled() -> frozenset[str]:
    """Tables that migrations fill: another connection does not see what a test has not committed."""
    url = {name: value for name, value in connection.get_connection_params().items()
           if name in ("dbname", "user", "password", "host", "port")}  # fmt: skip
    with psycopg.connect(**url) as apart:
        return frozenset(_filled(apart.cursor()))


@cache
def _tables() -> list[str]:
    return sorted(connection.introspection.django_table_names(only_existing=True))
