"""`manage.py run_live`: revalue every open position at each frame and feed the sockets."""

from __future__ import annotations

import signal
import threading
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from redis import RedisError

from execution.live.process import LiveProcess
from market.models import Timeline
from market.quotes import connection

log = structlog.get_logger(__name__)
RETRY_SECONDS = 1.0


class Command(BaseCommand):
    help = "Values open positions at every frame and publishes what changed to the live feed."
    requires_system_checks = ()  # bin/check makes them; no start waits for them

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        process = LiveProcess(connection(), timezone.now)
        started = False
        while not stop.is_set():
            try:
                if not started:
                    process.recover()
                    started = True
                process.step()
            except Timeline.DoesNotExist as error:
                raise CommandError(str(error)) from error
            except (RedisError, OperationalError, InterfaceError) as error:
                log.warning("live_interrupted", error=str(error), retry_in=RETRY_SECONDS)
                started = False
                stop.wait(RETRY_SECONDS)
        process.close()
