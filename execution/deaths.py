"""A process that died is told to the operators: the supervisor writes it down, a tick reads it."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import orjson
from django.db.models import Q
from django.utils import timezone

from market.quotes import connection
from users.models import Notice, User
from users.services import notify

DEATHS = "supervisor:deaths"
AT_ONCE = 20


def tell_operators() -> None:
    """A critical notice to every operator for each death that the supervisor has written down."""
    rows = cast("list[bytes] | None", connection().rpop(DEATHS, AT_ONCE))
    for row in rows or []:
        death = orjson.loads(row)
        for operator in installation_operators():
            notify(
                user=operator,
                kind="dead_process",
                severity=Notice.Severity.CRITICAL,
                title=f"The {death['process']} process died and was restarted",
                body=f"It ended with exit code {death['exit']} at {death['at']}. Its log says why; "
                "orders that were on their way are looked up by their tag.",
                dedupe_key=f"death:{death['process']}:{datetime.fromisoformat(death['at']):%Y%m%d%H%M%S}",
                link="/notices",
                now=timezone.now(),
            )


def installation_operators() -> list[User]:
    """Who is told when the installation itself is in trouble."""
    rows = User.objects.filter(Q(is_superuser=True) | Q(groups__name="operator"), is_active=True)
    return list(rows.distinct())
