"""What the simulator's own ledger says of the storm: lots, duplicates, rates. Read from its file."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from pathlib import Path

from brokers.limits import CALL_LIMITS
from execution.models import Order, Position

SECOND = 1_000_000


class Witness:
    """The ledger as it stands; opened anew for each question."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=10) as db:
            return db.execute(sql).fetchall()

    def arrivals(self) -> dict[str, float]:
        """By tag, the wall time at which an order first reached the broker."""
        first = "SELECT client_ref, min(at_us) FROM calls WHERE route = 'place' GROUP BY client_ref"
        return {str(ref): float(str(at)) / SECOND for ref, at in self.rows(first)}

    def filled(self) -> dict[str, int]:
        found = self.rows("SELECT client_ref, filled_quantity FROM orders")
        return {str(ref): int(str(units)) for ref, units in found}

    def faults(self) -> list[str]:
        """Everything that is wrong, in words."""
        return [*self._twice(), *self._foreign(), *self._other_positions(), *self._too_fast()]

    def busiest(self) -> int:
        """The most calls of one account in any second."""
        return max((_most(times, 1) for times, _ in self._calls().values()), default=0)

    def _twice(self) -> list[str]:
        tags = Counter(ref for (ref,) in self.rows("SELECT client_ref FROM orders"))
        return [f"{ref} was placed {n} times" for ref, n in tags.items() if n > 1]

    def _foreign(self) -> list[str]:
        ours = dict(Order.objects.values_list("client_ref", "filled_quantity"))
        theirs = self.filled()
        unknown = [f"{ref} is the broker's and not ours" for ref in theirs.keys() - ours.keys()]
        return unknown + [
            f"{ref}: {ours[ref]} filled here, {units} there"
            for ref, units in theirs.items()
            if ref in ours and ours[ref] != units
        ]

    def _other_positions(self) -> list[str]:
        mine: Counter[str] = Counter()
        for symbol, units in Position.objects.values_list("contract__symbol", "quantity"):
            mine[symbol] += units
        found = self.rows("SELECT symbol, sum(quantity) FROM positions GROUP BY symbol")
        net = {str(symbol): int(str(units)) for symbol, units in found}
        return [
            f"{symbol}: {mine[symbol]} held here, {net.get(symbol, 0)} there"
            for symbol in mine.keys() | net.keys()
            if mine[symbol] != net.get(symbol, 0)
        ]

    def _too_fast(self) -> list[str]:
        return [
            f"{account}: {found} calls in {window.seconds} s, {window.most} are allowed"
            for account, (times, broker) in self._calls().items()
            for window in CALL_LIMITS[broker].windows
            if (found := _most(times, window.seconds)) > window.most
        ]

    def _calls(self) -> dict[str, tuple[list[int], str]]:
        brokers = {str(a): str(b) for a, b in self.rows("SELECT account, broker FROM accounts")}
        times: dict[str, list[int]] = defaultdict(list)
        for account, at in self.rows("SELECT account, at_us FROM calls ORDER BY at_us"):
            times[str(account)].append(int(str(at)))
        return {account: (sorted(found), brokers[account]) for account, found in times.items()}


def _most(times: list[int], seconds: int) -> int:
    """The most of these instants in any half-open window of so many seconds."""
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - seconds * SECOND:
            first += 1
        most = max(most, last - first + 1)
    return most
