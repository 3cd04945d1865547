"""A running stack for `bin/bench faults`: real services and processes, any of which is killed at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import redis

from optionsplatform import environments
from optionsplatform.children import answers
from optionsplatform.embedded import Services
from optionsplatform.kept import Kept, free_port, wait_for
from optionsplatform.processes import Process, table

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "dev-simulator-token"  # noqa: S105 - the stack is a throwaway of dev
UP_WITHIN = 90.0
SERVICES = ("postgres", "valkey")


class DidNotComeUp(RuntimeError):
    """A process of the stack does not run or does not beat after its restart."""


class Stack:
    """Every process of the table in one folder. What is killed is started again at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._services = Services(folder)
        kept = Kept(folder)
        self.simulator_url = f"http://127.0.0.1:{kept.port('simulator')}"
        processes = table(web_port=free_port(), simulator_port=kept.port("simulator"))
        self._processes = {process.name: process for process in processes}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.environment: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return (*self._processes, *SERVICES)

    def start(self, *timeline: str) -> None:
        """Services, an up-to-date database, the world, then every process; returns when all are up."""
        self._services.start()
        self.environment = self._environment()
        self._launch("simulator")
        self._await("simulator")
        subprocess.run(
            [sys.executable, "-m", "optionsplatform.prepare", *timeline],
            cwd=ROOT, env=self.environment, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for name in self._processes:
            if name not in self._running:
                self._launch(name)
        self.await_up()

    def kill(self, name: str) -> None:
        """SIGKILL, and start it again."""
        if name in SERVICES:
            self._kill_service(name)
            return
        process = psutil.Process(self._running[name].pid)
        for member in (process, *process.children(recursive=True)):
            member.kill()
        self._running[name].wait()
        self._forget_beat(name)
        self._launch(name)

    def await_up(self) -> None:
        """Until everything answers or beats; what ended by itself meanwhile is started again."""
        for name in self._processes:
            self._await(name)

    def stop(self) -> None:
        for running in self._running.values():
            running.send_signal(signal.SIGTERM)
        for running in self._running.values():
            try:
                running.wait(15)
            except subprocess.TimeoutExpired:
                running.kill()
        self._services.stop()

    def _kill_service(self, name: str) -> None:
        service = getattr(self._services, name)
        process = service.process()
        for member in (process, *process.children(recursive=True)):
            member.kill()
        wait_for(lambda: service.process() is None, 10.0)
        service.start()

    def _launch(self, name: str) -> None:
        process = self._processes[name]
        (self._folder / "logs").mkdir(exist_ok=True)
        with (self._folder / "logs" / f"{name}.console").open("ab") as console:
            self._running[name] = subprocess.Popen(
                [sys.executable, *process.command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=console,
                stderr=console, env={**self.environment, "PROCESS_NAME": name}, start_new_session=True,
            )  # fmt: skip

    def _await(self, name: str) -> None:
        def is_up() -> bool:
            if self._running[name].poll() is not None:  # its service was away when it started
                self._launch(name)
            return self._is_up(self._processes[name])

        if not wait_for(is_up, UP_WITHIN):
            raise DidNotComeUp(f"{name}: see {self._folder / 'logs'}")

    def _is_up(self, process: Process) -> bool:
        if process.url:
            return answers(process.url)
        try:
            return bool(self._valkey().exists(f"heartbeat:{process.name}"))
        except redis.RedisError:
            return False

    def _forget_beat(self, name: str) -> None:
        try:
            self._valkey().delete(f"heartbeat:{name}")
        except redis.RedisError:
            return  # Valkey is being restarted: it has forgotten it

    def _valkey(self) -> redis.Redis:
        return redis.Redis.from_url(self.environment["REDIS_URL"], socket_timeout=2)

    def _environment(self) -> dict[str, str]:
        platform = environments.load("dev")
        given = {name: value for name, value in os.environ.items() if name != "PROCESS_NAME"}
        return {
            **given,
            "PLATFORM_ENV": "dev",
            "DATA_DIR": str(self._folder),
            "LOG_DIR": str(self._folder / "logs"),
            "LOG_RETENTION_DAYS": str(platform.log_retention_days),
            "INDIAN_MARKET_CONFIG": json.dumps(platform.indian_market_config),
            "SIMULATOR_URL": self.simulator_url,
            "SIMULATOR_DB": str(self._folder / "simulator.sqlite3"),
            "SIMULATOR_TOKEN": TOKEN,
            "DJANGO_SETTINGS_MODULE": "optionsplatform.settings",
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
            **self._services.environment(),
        }


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)
