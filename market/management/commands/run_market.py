"""The market process: plays the active timeline to the simulator and to everyone who watches."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import redis
import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from market import facts_in_force, feed, quotes, selectors, services
from market.facts import tables
from market.kernel.clock import ist_day
from market.kernel.frame import Frame
from market.models import SettlementPrice, Timeline
from market.sources.playback import Source, source_of
from users.errors import Refused

SNAPSHOT_SECONDS = 30.0
LOOK_SECONDS = 0.5  # how often a wait beats the heart and looks for a change

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Plays the active timeline: frames to the simulator, quotes to Valkey."
    requires_system_checks = ()  # bin/check makes them; no start waits for them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--speed", type=int, help="change the timeline's speed, such as 1, 10 or 60"
        )
        parser.add_argument(
            "--wait-for", nargs="+", default=[], metavar="PROCESS",
            help="play nothing before these have a heartbeat: a simulated day needs nobody to miss it",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with feed.simulator_client(settings.SIMULATOR_URL, settings.SIMULATOR_TOKEN) as client:
            pulse = feed.Pulse(quotes.connection(), timezone.now)
            market = Market(client=client, valkey=pulse.client, pulse=pulse, stop=stop)
            try:
                if options["speed"] is not None:
                    timeline = selectors.active_timeline()
                    services.set_speed(timeline=timeline, speed=options["speed"])
                market.run(wait_for=options["wait_for"])
            except (Timeline.DoesNotExist, Refused, ValueError, OSError, LookupError) as error:
                raise CommandError(f"market: {error}") from error


class Market:
    """Plays one timeline after the other until told to stop."""

    def __init__(
        self,
        *,
        client: httpx.Client,
        valkey: redis.Redis,
        pulse: feed.Pulse,
        stop: threading.Event,
    ) -> None:
        self._client = client
        self._valkey = valkey
        self._wall = pulse.wall
        self._stop = stop
        self._pulse = pulse
        self._settled: set[tuple[int, str, date]] = set()
        self._handed_over: dict[int, Decimal] = {}

    def run(self, *, wait_for: Sequence[str] = ()) -> None:
        """Until SIGTERM; Timeline.DoesNotExist when none is active."""
        self._await(wait_for)
        while not self._stop.is_set():
            self._play(selectors.active_timeline())
        log.info("market", state="stopped")

    def _await(self, processes: Sequence[str]) -> None:
        keys = [f"heartbeat:{name}" for name in processes]
        while keys and self._valkey.exists(*keys) < len(keys):
            self._pulse.beat()
            self._pulse.say("waiting", wait_for=list(processes))
            if self._stop.wait(LOOK_SECONDS / 5):
                return

    def _play(self, timeline: Timeline) -> None:
        known = facts_in_force.refresh()
        source = _source(timeline)
        log.info("market_starts", timeline=timeline.key, source=timeline.source,
                 frame=timeline.frame, speed=timeline.speed)  # fmt: skip
        self._restore(timeline)
        last: Frame | None = None
        due = saved = time.monotonic()
        now_playing: Timeline | None = timeline
        while now_playing is not None and not self._stop.is_set():
            timeline = now_playing
            if facts_in_force.refresh() != known:  # the operator's tables have changed
                known, source = tables.in_force().revision, _source(timeline)
            frame = source.next_frame(
                timeline.market_now, n=timeline.frame + 1, speed=timeline.speed
            )
            if frame is None:
                self._wait_for_another(timeline)
                break
            if not self._wait(source, timeline, frame, due):
                break
            due = time.monotonic()
            if not self._deliver(frame):
                break
            now_playing, last = services.save_progress(timeline=timeline, frame=frame), frame
            self._settle(source, timeline, frame)
            self._hand_over_settlements(timeline)
            if time.monotonic() - saved >= SNAPSHOT_SECONDS:
                services.save_snapshot(timeline=timeline, frame=frame, wall=self._wall())
                saved = time.monotonic()
        if last is not None:
            services.save_snapshot(timeline=timeline, frame=last, wall=self._wall())

    def _restore(self, timeline: Timeline) -> None:
        """What is still fresh in the snapshot table, at once, when Valkey has nothing."""
        if quotes.latest(timeline.key, client=self._valkey) is not None:
            return
        frame = selectors.restored_frame(timeline, wall=self._wall(), cadence=float(timeline.speed))
        if frame is not None:
            quotes.publish(frame, client=self._valkey)
            log.info("market_restored", quotes=len(frame.quotes), frame=frame.n)

    def _wait(self, source: Source, timeline: Timeline, frame: Frame, since: float) -> bool:
        """Until the frame is due; False when stopped or when another timeline is active."""
        speed, looked = timeline.speed, time.monotonic()
        while True:
            self._pulse.beat()
            left = since + source.wait(timeline.market_now, frame, speed=speed) - time.monotonic()
            if left <= 0:
                return not self._stop.is_set()
            if self._stop.wait(min(left, LOOK_SECONDS)):
                return False
            if time.monotonic() - looked >= LOOK_SECONDS and left > LOOK_SECONDS:
                row = Timeline.objects.filter(pk=timeline.pk, active=True).first()
                if row is None:
                    return False
                speed, looked = row.speed, time.monotonic()

    def _wait_for_another(self, timeline: Timeline) -> None:
        """The recording is over: stay alive, invent nothing, until another timeline is activated."""
        while not self._stop.wait(LOOK_SECONDS):
            self._pulse.beat()
            self._pulse.say("finished", timeline=timeline.key, market_now=timeline.market_now)
            self._hand_over_settlements(timeline)
            if not Timeline.objects.filter(pk=timeline.pk, active=True).exists():
                return

    def _deliver(self, frame: Frame) -> bool:
        """To the simulator, then to Valkey, each until it worked; False when stopped before."""
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("simulator_down", lambda: feed.hand_over(self._client, frame)),
            ("valkey_down", lambda: quotes.publish(frame, client=self._valkey)),
        )
        for trouble, act in steps:
            while not self._worked(trouble, act, frame):
                if self._stop.wait(feed.RETRY_SECONDS):
                    return False
        self._pulse.say("playing", timeline=frame.timeline, frame=frame.n, market_now=frame.now)
        return True

    def _worked(self, trouble: str, act: Callable[[], None], frame: Frame) -> bool:
        self._pulse.beat()
        try:
            act()
        except (feed.NotAcknowledged, redis.RedisError) as error:
            log.warning(trouble, frame=frame.n, error=str(error))
            self._pulse.say(trouble, frame=frame.n, error=str(error))
            return False
        return True

    def _settle(self, source: Source, timeline: Timeline, frame: Frame) -> None:
        """Official values that the source itself knows: a simulated day's own settlement."""
        day = ist_day(frame.now)
        for underlying, price in source.settlements(frame).items():
            if (timeline.pk, underlying, day) in self._settled:
                continue
            if selectors.settlement_price(timeline, underlying, day) is None:
                services.set_settlement_price(
                    timeline=timeline, underlying=underlying, day=day, price=price,
                    source="the simulated day's own path", now=self._wall(),
                )  # fmt: skip
            self._settled.add((timeline.pk, underlying, day))

    def _hand_over_settlements(self, timeline: Timeline) -> None:
        """Every official value, corrections too, reaches the simulator; one that does not is tried again."""
        for row in SettlementPrice.objects.filter(timeline=timeline).order_by("pk"):
            if self._handed_over.get(row.pk) == row.price:
                continue
            row.timeline = timeline
            try:
                feed.settle(self._client, row)
            except feed.NotAcknowledged as error:
                log.warning("settlement_not_handed_over", underlying=row.underlying,
                            day=row.day.isoformat(), error=str(error))  # fmt: skip
                return
            self._handed_over[row.pk] = row.price


def _source(timeline: Timeline) -> Source:
    return source_of(
        timeline.source,
        key=timeline.key,
        first_day=timeline.first_day,
        seed=timeline.seed,
        files=timeline.files,
    )
