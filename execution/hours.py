"""A trading day whose hours are not in the dated facts: operators are told, once, and import them."""

from __future__ import annotations

from datetime import timedelta

from execution.engine.desk import Desk
from market import quotes
from market.facts.tables import EXCHANGES
from market.kernel import calendar
from users.services import notify_operators

REMEMBERED = timedelta(days=2)


def tell_unknown(desk: Desk) -> None:
    """Today nothing trades there until the hours are imported; asked at each tick, told once a day."""
    for exchange in EXCHANGES:
        gap = calendar.unknown_hours(exchange, desk.day)
        key = f"hours:told:{desk.timeline.key}:{exchange}:{desk.day}"
        if gap and not quotes.connection().exists(key):
            _tell(exchange, gap, desk)
            quotes.connection().set(key, b"1", ex=REMEMBERED)  # once the notice is there


def _tell(exchange: str, gap: str, desk: Desk) -> None:
    notify_operators(
        kind="hours_unknown",
        title=f"The hours of {exchange} on {desk.day:%d %b %Y} are not known",
        body=f"{gap} Until they are imported (manage.py import_facts, or the admin) the exchange counts as "
        "closed: entries are missed, exits wait, and stops are not watched.",
        dedupe_key=f"hours_unknown:{desk.timeline.key}:{exchange}:{desk.day}",
        now=desk.wall,
    )
