"""The running desk: the active world at its last published frame, with real wires and a live feed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

from django.conf import settings
from django.utils import timezone

from allocations.models import ScopeLimit
from allocations.risk import Exposure
from brokers.registry import adapter_for
from execution.engine import exposures, limits
from execution.engine.desk import Desk
from execution.engine.margins import NoMargin, Sheet
from execution.live import events
from market import facts_in_force, quotes
from market.kernel.frame import Frame
from market.models import Timeline
from market.selectors import active_timeline

RECONCILE_EVERY = timedelta(seconds=60)
WORLD_KEPT = 1.0  # seconds
WAITS_FOR = 30  # seconds that an account's message may wait for a worker
#: What a message is about at an account: something to leave or to cancel, its orders and runs, nothing
#: but runs to begin, nothing but whether an order has moved, its books.
URGENT, TURN, BEGIN, POLL, LOOK = MARKS = ("urgent", "turn", "begin", "poll", "look")
TICKING, TICK_MISSED = "ticking", "tick-missed"
TICK_LOST_AFTER_MS = 3000
TICK_AGAIN_MS = 900  # at the same frame: the beat's second, less what two processes may differ
WORKERS = "workers"  # the names of those that have not signed off
TURN_LOST_AFTER = 5  # seconds; a turn is far shorter, so whoever had it has died


class LiveFeed:
    """Tells the live feed of what has been committed."""

    def book_changed(self, timeline_key: str) -> None:
        events.book_changed(timeline_key)

    def event(self, owner_id: int, channel: str, payload: dict[str, Any]) -> None:
        events.publish_event(owner_id, channel, payload)


def desk_now() -> Desk | None:
    """The desk at the last published frame; None while no world is active or it gives no fresh one."""
    try:
        timeline = active_timeline()
    except Timeline.DoesNotExist:  # nothing has been set up to run yet
        return None
    frame = quotes.newest.frame(timeline.key)
    if frame is None:
        return None
    facts_in_force.refresh()
    return _desk(timeline, frame)


class Lately:
    """`desk_now` for units of work of which there are many in a second: the frame is always the last one,
    which world is active and the facts are asked for with each new frame and each second. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: tuple[Timeline, int, float] | None = None

    def desk(self) -> Desk | None:
        kept = self._kept
        if kept is not None and self._clock() < kept[2]:
            frame = quotes.newest.frame(kept[0].key)
            if frame is not None and frame.n == kept[1]:
                return _desk(kept[0], frame)
        desk = desk_now()
        if desk is not None:
            self._kept = (desk.timeline, desk.frame.n, self._clock() + WORLD_KEPT)
        return desk


lately = Lately()


def _desk(timeline: Timeline, frame: Frame) -> Desk:
    return Desk(
        timeline=timeline,
        frame=frame,
        wall=timezone.now(),
        adapter_for=adapter_for,
        feed=LiveFeed(),
        tag_key=settings.SECRET_KEY.encode(),
        reconcile_every=RECONCILE_EVERY,
        clock=timezone.now,
    )


@contextmanager
def the_only_tick(desk: Desk) -> Iterator[bool]:
    """Whether this tick is the one to look at the frame: none is under way, none has just done so.

    The beat and each frame ask for one. What a dead worker began does not hold the next one up for long.
    """
    client, seen = quotes.connection(), f"looked:{desk.timeline.key}:{desk.frame.n}"
    free = client.set(TICKING, 1, nx=True, px=TICK_LOST_AFTER_MS)
    if not free:
        client.set(TICK_MISSED, 1, px=TICK_LOST_AFTER_MS)  # its frame may be newer than the other's
        yield False
        return
    try:
        yield bool(client.set(seen, 1, nx=True, px=TICK_AGAIN_MS))
    finally:
        client.delete(TICKING)


def was_tick_missed() -> bool:
    """Whether a tick was asked for while one was under way; asked once."""
    return bool(quotes.connection().delete(TICK_MISSED))


def reserve(accounts: Iterable[int], *, again: bool = False, mark: str = TURN) -> list[int]:
    """Those of these accounts for which no turn, or look, is waiting or under way; each now has one.

    A mark that is lost costs a second message that finds nothing to do; one of a dead worker ends by
    itself, and with the first tick of its successor.
    """
    wanted = list(accounts)
    pipe = quotes.connection().pipeline(transaction=False)
    for account in wanted:
        pipe.set(f"{mark}:{account}", 1, ex=WAITS_FOR, nx=not again)
    return [account for account, taken in zip(wanted, pipe.execute(), strict=True) if taken]


def unmarked(accounts: Sequence[int], *, mark: str) -> list[int]:
    """Those of these accounts that have no such turn, or look, waiting or under way."""
    if not accounts:
        return []
    marks = cast("list[bytes | None]", quotes.connection().mget([f"{mark}:{account}" for account in accounts]))
    return [account for account, held in zip(accounts, marks, strict=True) if held is None]


def begin_turn(account: int, *, mark: str = TURN) -> None:
    """The account's message has reached a worker."""
    quotes.connection().set(f"{mark}:{account}", 1, ex=TURN_LOST_AFTER)


def forget_turns() -> None:
    """Every account may have its turn again: the worker that took the messages is gone."""
    client = quotes.connection()
    marks = [key for mark in MARKS for key in client.scan_iter(f"{mark}:*", count=1000)]
    client.delete(TICKING, *marks)


def free(account: int, *, mark: str = TURN) -> None:
    """The account's turn has ended with nothing left to do."""
    quotes.connection().delete(f"{mark}:{account}")


def used_of_limits(user_id: int, rows: Sequence[ScopeLimit]) -> dict[int, Exposure]:
    """By limit row, what its scope holds and has begun to enter; without prices nothing is known."""
    desk = desk_now() if rows else None
    if desk is None:
        return {}
    books, sheet = list(exposures.books_of_user(user_id, desk).values()), Sheet(desk.frame)
    try:
        return {
            row.pk: exposures.exposure(limits.within(row, books), desk, sheet)
            for row in rows
        }
    except NoMargin:
        return {}


def heartbeat(process: str) -> None:
    """Say that the process is alive, for ten seconds."""
    quotes.connection().set(f"heartbeat:{process}", timezone.now().isoformat(), ex=10)


def worker_heartbeat(name: str) -> None:
    """Say that this worker is alive, and so that one is; it is missed from now on."""
    now, pipe = timezone.now().isoformat(), quotes.connection().pipeline(transaction=False)
    pipe.sadd(WORKERS, name)
    for beating in ("worker", name):
        pipe.set(f"heartbeat:{beating}", now, ex=10)
    pipe.execute()


def worker_ended(name: str) -> None:
    """It stopped as it was asked to: nobody misses it."""
    pipe = quotes.connection().pipeline(transaction=False)
    pipe.srem(WORKERS, name)
    pipe.delete(f"heartbeat:{name}")
    pipe.execute()


def workers() -> dict[str, bool]:
    """Every worker that has not signed off, on any machine, and whether it gave a sign of life lately."""
    client = quotes.connection()
    names = sorted(name.decode() for name in cast("set[bytes]", client.smembers(WORKERS)))
    beats = cast("list[bytes | None]", client.mget([f"heartbeat:{name}" for name in names])) if names else []
    return {name: beat is not None for name, beat in zip(names, beats, strict=True)}


def is_first(boot: str) -> bool:
    """Whether this is the first tick of the process that started as `boot`."""
    day = 86400
    return bool(quotes.connection().set(f"ticked:{boot}", timezone.now().isoformat(), nx=True, ex=day))
