"""The real processes of a desk on a database and a Valkey of the bench's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import redis
from django.conf import settings
from django.db import connection

from optionsplatform import processes
from optionsplatform.children import answers
from optionsplatform.engine_bench.failure import Wrong
from optionsplatform.kept import free_port

UP_WITHIN = 120.0
MOST_WORKERS = 8
STOP_GRACE = 20.0


@dataclass
class Stack:
    """Simulator, workers, beat and streams as `bin/start` starts them; market and browser are not needed."""

    environment: dict[str, str]
    port: int
    folder: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        """Start these processes of the table; more workers are worker-2, worker-3, ..."""
        table = {p.name: p for p in processes.table(web_port=0, simulator_port=self.port, workers=MOST_WORKERS)}
        for name in names:
            command = [sys.executable, *table[name].command]
            environment = os.environ | self.environment | {"PROCESS_NAME": name}
            with (self.folder / f"{name}.console").open("ab") as console:
                self.running[name] = subprocess.Popen(
                    command, env=environment, cwd=settings.BASE_DIR, stdout=console, stderr=console,
                    start_new_session=True,
                )  # fmt: skip

    def kill(self, *names: str) -> None:
        """End them at once, without a chance to finish anything."""
        for name in names:
            os.killpg(self.running.pop(name).pid, signal.SIGKILL)

    def cpu(self) -> dict[str, float]:
        """CPU seconds that each process has used, children included, and PostgreSQL's and Valkey's."""
        used = {name: _cpu(psutil.Process(child.pid)) for name, child in self.running.items()}
        own = psutil.Process().cpu_times()  # the processes are its children: they are counted above
        return used | {"bench": own.user + own.system}

    def stop(self) -> None:
        for child in reversed(self.running.values()):
            child.send_signal(signal.SIGTERM)
        for child in self.running.values():
            try:
                child.wait(timeout=STOP_GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def await_up(self, valkey: redis.Redis, *names: str) -> None:
        """Until each says that it is up, as the supervisor asks: its URL or its heartbeat."""
        deadline = time.monotonic() + UP_WITHIN
        waiting = set(names)
        while waiting:
            for name in sorted(waiting):
                if self.running[name].poll() is not None or time.monotonic() > deadline:
                    said = (self.folder / f"{name}.console").read_text()[-2000:]
                    raise Wrong(f"{name} did not come up: {said}")
                up = (
                    answers(f"http://127.0.0.1:{self.port}/healthz")
                    if name == "simulator"
                    else bool(valkey.exists(f"heartbeat:{name}"))
                )
                waiting -= {name} if up else set()
            pause(0.05)


@contextmanager
def stack(folder: Path, database: str, redis_url: str) -> Iterator[Stack]:
    port = free_port()
    environment = {
        "DATABASE_URL": urlsplit(settings.DATABASE_URL)._replace(path=f"/{database}").geturl(),
        "REDIS_URL": redis_url,
        "SIMULATOR_URL": f"http://127.0.0.1:{port}",
        "SIMULATOR_DB": str(folder / "simulator.sqlite3"),
        "LOG_DIR": str(folder),
        "DATA_DIR": str(folder),
        "LOG_RETENTION_DAYS": str(settings.PLATFORM.log_retention_days),
    }
    made = Stack(environment, port, folder)
    try:
        yield made
    finally:
        made.stop()


def database_cpu() -> float:
    """CPU seconds of every PostgreSQL process of our server; 0 where they cannot be seen."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        (pid,) = cursor.fetchone()
    try:
        server = psutil.Process(pid).parent()
    except psutil.Error:
        return 0.0
    return 0.0 if server is None else _cpu(server)


def _cpu(process: psutil.Process) -> float:
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            spent = each.cpu_times()
        except psutil.Error:
            continue
        total += spent.user + spent.system
    ended = process.cpu_times()
    return total + ended.children_user + ended.children_system


def pause(seconds: float) -> None:
    """The bench watches processes from outside: nothing tells it when they are done."""
    time.sleep(seconds)  # noqa: TID251 - a measurement, no part of the desk
