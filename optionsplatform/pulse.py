"""A worker's heartbeat: its event loop gives its pool something to do each second, which says that it lives.

So a worker whose threads all hang, or whose loop takes nothing from the queue any more, falls silent too.
"""

from __future__ import annotations

import os
from typing import Any

import redis
import structlog
from celery import bootsteps

from optionsplatform.processes import worker_name

log = structlog.get_logger(__name__)
EVERY = 1.0


class Pulse(bootsteps.StartStopStep):
    """Of one worker process, from its first look at the queue until it is asked to stop."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self.worker = worker_name(os.environ.get("PROCESS_NAME") or f"worker-{os.getpid()}")
        self._timer: Any = None
        self._is_asked = False

    def start(self, consumer: Any) -> None:
        """Also after the connection to the queue was lost and found again."""
        self._is_asked = False
        self._timer = consumer.timer.call_repeatedly(EVERY, self.ask, (consumer.pool,))

    def ask(self, pool: Any) -> None:
        """One at a time: beats do not pile up behind threads that hang."""
        if not self._is_asked:
            self._is_asked = True
            pool.apply_async(self.beat, callback=self._came_back)

    def beat(self) -> None:
        from execution import running  # Django is not there yet when Celery loads its steps

        try:
            running.worker_heartbeat(self.worker)
        except redis.RedisError as error:
            log.warning("heartbeat_not_renewed", worker=self.worker, error=str(error))

    def _came_back(self, _answer: Any) -> None:
        self._is_asked = False

    def stop(self, consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def shutdown(self, consumer: Any) -> None:
        """Asked to stop, and its last task is done: nobody shall miss it."""
        from execution import running

        self.stop(consumer)
        try:
            running.worker_ended(self.worker)
        except redis.RedisError as error:
            log.warning("worker_not_signed_off", worker=self.worker, error=str(error))
