"""A feed that has gone silent in a session: operators are told, and who has something open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import orjson
from django.db.models import Q

from execution.models import Position, StrategyExecution
from market import feed, quotes
from market.facts.tables import EXCHANGES
from market.kernel import calendar
from market.kernel.clock import ist_day
from market.kernel.frame import Frame
from market.models import Timeline
from market.selectors import active_timeline
from users.models import Notice, User
from users.selectors import operators
from users.services import notify

SHORTEST = 10.0  # seconds
REMEMBERED = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class LastFrame:
    """The last frame that was seen, and how long after it the feed counts as silent (wall time)."""

    n: int
    seen_at: datetime
    allowed: float
    in_session: bool

    def silent_for(self, now: datetime) -> float:
        return (now - self.seen_at).total_seconds()


def watch(*, now: datetime, frame: Frame | None = None) -> bool:
    """Note what frame has come, and tell once when none comes any more; whether the feed is silent.

    `frame` is the last one, from who has read it already.
    """
    try:
        timeline = active_timeline()
    except Timeline.DoesNotExist:
        return False
    last = _noted(timeline, frame or quotes.latest(timeline.key), now)
    if last is None or not _is_silent(last, now):
        return False
    if quotes.connection().set(f"feed:told:{timeline.key}:{last.n}", b"1", nx=True, ex=REMEMBERED):
        _tell(timeline, last, now)
    return True


def _is_silent(last: LastFrame, now: datetime) -> bool:
    """In a session, for longer than max(10 s, twice the cadence); a recording that is over is not."""
    if not last.in_session or last.silent_for(now) <= last.allowed:
        return False
    return (feed.health(quotes.connection()) or {}).get("state") != "finished"


def _noted(timeline: Timeline, frame: Frame | None, now: datetime) -> LastFrame | None:
    """The last frame with the moment at which it was first seen."""
    key, client = f"feed:seen:{timeline.key}", quotes.connection()
    raw = client.get(key)
    held = None if raw is None else orjson.loads(raw)
    if frame is not None and (held is None or held["n"] != frame.n):
        held = {
            "n": frame.n,
            "seen_at": now.isoformat(),
            "allowed": max(SHORTEST, 2 * frame.cadence / timeline.speed),
            "in_session": _in_session(frame),
        }
        client.set(key, orjson.dumps(held), ex=REMEMBERED)
    if held is None:
        return None
    return LastFrame(
        held["n"], datetime.fromisoformat(held["seen_at"]), held["allowed"], held["in_session"]
    )


def _in_session(frame: Frame) -> bool:
    try:
        sessions = [calendar.session(exchange, ist_day(frame.now)) for exchange in EXCHANGES]
    except calendar.OutsideCoverage:
        return False
    return any(session is not None and session.is_open(frame.now) for session in sessions)


def _tell(timeline: Timeline, last: LastFrame, now: datetime) -> None:
    for user in {*operators(), *_concerned(timeline)}:
        notify(
            user=user,
            kind="dead_feed",
            severity=Notice.Severity.CRITICAL,
            title="Prices have stopped coming",
            body=f"No new prices for {last.silent_for(now):.0f} s in an open session. Nothing is entered on old "
            "prices; stops and targets cannot be watched until they come again. Look at the market "
            "process, and close in the broker's app what cannot wait.",
            dedupe_key=f"dead_feed:{timeline.key}:{last.n}",
            link="/risk",
            now=now,
        )


def _concerned(timeline: Timeline) -> list[User]:
    """Who holds something in this world, or has a run under way."""
    held = Position.objects.filter(timeline=timeline).exclude(quantity=0)
    under_way = StrategyExecution.objects.filter(
        timeline=timeline, status__in=[StrategyExecution.Status.DUE, StrategyExecution.Status.RUNNING]
    )
    owner = "allocation__broker_account__user"
    concerned = Q(pk__in=held.values(owner)) | Q(pk__in=under_way.values(owner))
    return list(User.objects.filter(concerned, is_active=True))
