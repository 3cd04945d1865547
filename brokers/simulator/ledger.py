"""The simulator's own books in SQLite: the witness of every order, trade, position and rupee.

WAL with synchronous=NORMAL: a committed row survives the kill of this process at any instant.
Every answer is given after the commit. Prices are texts of decimals.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
  account TEXT PRIMARY KEY, broker TEXT NOT NULL, capital TEXT NOT NULL,
  token_digest TEXT NOT NULL UNIQUE, last_event INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS frames (
  timeline TEXT PRIMARY KEY, n INTEGER NOT NULL, at TEXT NOT NULL, body BLOB NOT NULL,
  gaps INTEGER NOT NULL DEFAULT 0, turn INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
  id INTEGER PRIMARY KEY, timeline TEXT NOT NULL, account TEXT NOT NULL, order_id TEXT NOT NULL,
  client_ref TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, quantity INTEGER NOT NULL,
  product TEXT NOT NULL, order_type TEXT NOT NULL, price TEXT NOT NULL,
  trigger_price TEXT,
  filled_quantity INTEGER NOT NULL DEFAULT 0, value TEXT NOT NULL DEFAULT '0',
  status TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', at TEXT NOT NULL, day TEXT NOT NULL,
  changed_day TEXT NOT NULL, expires_at TEXT NOT NULL, modifications INTEGER NOT NULL DEFAULT 0,
  arrived INTEGER NOT NULL DEFAULT 0, arrives_us INTEGER NOT NULL, visible_us INTEGER NOT NULL,
  UNIQUE (timeline, account, order_id),
  CHECK (quantity > 0 AND filled_quantity BETWEEN 0 AND quantity));
CREATE INDEX IF NOT EXISTS resting ON orders (timeline)
  WHERE status IN ('OPEN', 'PARTIAL', 'TRIGGER_PENDING');
CREATE INDEX IF NOT EXISTS book ON orders (timeline, account, changed_day);
CREATE INDEX IF NOT EXISTS by_tag ON orders (timeline, account, client_ref);
CREATE TABLE IF NOT EXISTS trades (
  id INTEGER PRIMARY KEY, timeline TEXT NOT NULL, account TEXT NOT NULL, trade_id TEXT NOT NULL,
  order_row INTEGER NOT NULL REFERENCES orders (id), order_id TEXT NOT NULL,
  client_ref TEXT NOT NULL, symbol TEXT NOT NULL,
  side TEXT NOT NULL, quantity INTEGER NOT NULL CHECK (quantity > 0), product TEXT NOT NULL,
  price TEXT NOT NULL, at TEXT NOT NULL, day TEXT NOT NULL, frame INTEGER NOT NULL,
  visible_us INTEGER NOT NULL, UNIQUE (timeline, account, trade_id));
CREATE INDEX IF NOT EXISTS taken ON trades (timeline, frame, symbol, side);
CREATE INDEX IF NOT EXISTS trade_book ON trades (timeline, account, day);
CREATE TABLE IF NOT EXISTS positions (
  timeline TEXT NOT NULL, account TEXT NOT NULL, symbol TEXT NOT NULL, product TEXT NOT NULL,
  quantity INTEGER NOT NULL, cost TEXT NOT NULL, realised TEXT NOT NULL,
  PRIMARY KEY (timeline, account, symbol, product));
CREATE INDEX IF NOT EXISTS held ON positions (timeline, account) WHERE quantity != 0;
CREATE TABLE IF NOT EXISTS settlements (
  id INTEGER PRIMARY KEY, timeline TEXT NOT NULL, account TEXT NOT NULL, symbol TEXT NOT NULL,
  product TEXT NOT NULL, quantity INTEGER NOT NULL, cost TEXT NOT NULL, day TEXT NOT NULL,
  price TEXT NOT NULL, value TEXT NOT NULL, amount TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cash (
  timeline TEXT NOT NULL, account TEXT NOT NULL, amount TEXT NOT NULL,
  PRIMARY KEY (timeline, account));
CREATE TABLE IF NOT EXISTS events (
  account TEXT NOT NULL, seq INTEGER NOT NULL, timeline TEXT NOT NULL, type TEXT NOT NULL,
  body BLOB NOT NULL, visible_us INTEGER NOT NULL, PRIMARY KEY (account, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, route TEXT NOT NULL, at_us INTEGER NOT NULL,
  client_ref TEXT NOT NULL);
"""
BY_TIMELINE = ("trades", "orders", "positions", "settlements", "cash", "events", "frames")

FORMAT = 3

Row = sqlite3.Row


class WrongLedger(RuntimeError):
    """The file was written by another version of the simulator."""


class Ledger:
    """Rows in and out; what they mean is decided by the exchange."""

    def __init__(self, path: str = ":memory:") -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._check_format(path)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._db.executescript(SCHEMA)
        self._db.execute(f"PRAGMA user_version={FORMAT}")

    def _check_format(self, path: str) -> None:
        """No format before this one was ever released, so there is none to bring forward."""
        written = self._db.execute("PRAGMA user_version").fetchone()[0]
        is_new = not self._db.execute("SELECT 1 FROM sqlite_master").fetchone()
        if not is_new and written != FORMAT:
            raise WrongLedger(
                f"the simulator's ledger {path} has format {written} and this release keeps format"
                f" {FORMAT}; nothing was changed. Start the release that wrote it and exit every"
                " position there; then move the file away and begin with --new-timeline"
            )

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; committed when the block ends."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def rows(self, sql: str, *values: Any) -> list[Row]:
        return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> Row | None:
        found: Row | None = self._db.execute(sql, values).fetchone()
        return found

    def write(self, sql: str, *values: Any) -> int:
        """Run one statement; the number of rows that it changed."""
        return self._db.execute(sql, values).rowcount

    def insert(self, table: str, **values: Any) -> int:
        """Add one row; its rowid. Column names come from this package, never from the wire."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - own constants
        return self._db.execute(sql, tuple(values.values())).lastrowid or 0

    def count(self, table: str, timeline: str, account: str) -> int:
        sql = f"SELECT count(*) FROM {table} WHERE timeline = ? AND account = ?"  # noqa: S608 - own constants
        return int(self._db.execute(sql, (timeline, account)).fetchone()[0])

    def add_cash(self, timeline: str, account: str, amount: Decimal) -> None:
        total = self.cash(timeline, account) + amount
        self.write(
            "INSERT INTO cash VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = excluded.amount",
            timeline, account, str(total),
        )  # fmt: skip

    def cash(self, timeline: str, account: str) -> Decimal:
        """Premiums, realised futures and settlements of the account so far."""
        found = self.row(
            "SELECT amount FROM cash WHERE timeline = ? AND account = ?", timeline, account
        )
        return Decimal(found["amount"]) if found else Decimal(0)

    def forget(self, timeline: str) -> None:
        """Remove every row of a timeline; the logins stay."""
        for table in BY_TIMELINE:
            self.write(f"DELETE FROM {table} WHERE timeline = ?", timeline)  # noqa: S608 - own constants
