"""A process that died is told to the operators: the supervisor writes it down, a tick reads it.

A worker of another machine has no supervisor here: a tick misses its heartbeat."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import orjson
from django.utils import timezone

from execution import running
from market.quotes import connection
from users.services import notify_operators

DEATHS = "supervisor:deaths"
AT_ONCE = 20


def tell_operators() -> None:
    """A critical notice to every operator for each process that has died, and for each silent worker."""
    _tell_of_deaths()
    _tell_of_silent_workers()


def _tell_of_deaths() -> None:
    rows = cast("list[bytes] | None", connection().rpop(DEATHS, AT_ONCE))
    for row in rows or []:
        death = orjson.loads(row)
        notify_operators(
            kind="dead_process",
            title=f"The {death['process']} process died and was restarted",
            body=f"It ended with exit code {death['exit']} at {death['at']}. Its log says why; "
            "orders that were on their way are looked up by their tag.",
            dedupe_key=f"death:{death['process']}:{datetime.fromisoformat(death['at']):%Y%m%d%H%M%S}",
            now=timezone.now(),
        )


def _tell_of_silent_workers() -> None:
    """Once for each: who takes it off the list tells, and it is on it again with its next heartbeat."""
    all_workers, now = running.workers(), timezone.now()
    left = sum(all_workers.values())
    for name in (name for name, is_alive in all_workers.items() if not is_alive):
        if not connection().srem(running.WORKERS, name):
            continue
        notify_operators(
            kind="dead_process",
            title=f"The worker process {name} gives no sign of life",
            body=f"None for 10 seconds: it died, hangs or cannot reach Valkey. {left} other worker "
            f"process{'es take' if left != 1 else ' takes'} over what it left; its log says why.",
            dedupe_key=f"silent:{name}:{now:%Y%m%d%H%M%S}",
            now=now,
        )
