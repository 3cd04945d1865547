"""How many orders one account may send in a second of wall time."""

from __future__ import annotations

from collections import defaultdict, deque

from brokers.simulator.wire import Refusal

WINDOW_US = 1_000_000


class Rates:
    """A sliding second for each account; a refused request does not count."""

    def __init__(self, per_second: int | None) -> None:
        self._per_second = per_second
        self._sent: defaultdict[str, deque[int]] = defaultdict(deque)

    def count(self, account: str, wall_us: int) -> None:
        """Note one request, or Refusal (429)."""
        if self._per_second is None:
            return
        sent = self._sent[account]
        while sent and sent[0] <= wall_us - WINDOW_US:
            sent.popleft()
        if len(sent) >= self._per_second:
            raise Refusal(
                "TOO_MANY_REQUESTS", f"{self._per_second} orders a second are allowed.", 429
            )
        sent.append(wall_us)
