"""`manage.py run_streams`: brokers' order updates into the engine."""

from __future__ import annotations

import signal
import threading
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, close_old_connections
from redis import RedisError

from execution.running import heartbeat
from execution.streams import Streams
from execution.tasks import hand_to, poll, tick
from market import quotes
from market.models import Timeline

log = structlog.get_logger(__name__)
STEP_SECONDS = 1.0
TICK_EXPIRES = 5


class Command(BaseCommand):
    help = "Listens to the brokers' order updates and hands them to the engine."
    requires_system_checks = ()  # bin/check makes them; no start waits for them

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        streams, frames = Streams(hand_to, poll, stop), quotes.Announcements()
        while not stop.is_set():
            try:
                timeline = streams.step()
                heartbeat("streams")
                if frames.wait(timeline.key, STEP_SECONDS):  # what is due need not wait for the beat
                    tick.apply_async(expires=TICK_EXPIRES)
            except Timeline.DoesNotExist as error:
                raise CommandError(str(error)) from error
            except (RedisError, OperationalError, InterfaceError) as error:
                log.warning("streams_interrupted", error=str(error))
                stop.wait(STEP_SECONDS)
            finally:
                close_old_connections()
        streams.join()
