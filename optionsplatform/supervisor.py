"""`bin/start`: services, migrations, timeline, demo data, then every process under one watch."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import orjson
import redis

from optionsplatform import environments, preflight
from optionsplatform.children import Children
from optionsplatform.embedded import Services
from optionsplatform.kept import Kept
from optionsplatform.postgres import Postgres
from optionsplatform.processes import BEATING, table, worker_name
from optionsplatform.runtime import CannotStart
from optionsplatform.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent
DEMO_EMAIL, DEMO_PASSWORD = "demo@example.com", "demo-options-desk"
LOOK_EVERY = 0.2
UP_WITHIN = 60.0
HANGS_AFTER = 30.0
MOST_WORKERS = 32


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of bin/start."""
    parser = argparse.ArgumentParser(prog="bin/start", description=__doc__)
    parser.add_argument("-e", "--environment", choices=environments.NAMES, default=None)
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("DATA_DIR", ROOT / ".data"))
    parser.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="play recorded days")
    parser.add_argument("--spot", type=Path, metavar="FILE", help="the index of the recorded days")
    parser.add_argument("--speed", type=int, choices=(1, 10, 60), help="market seconds per second")
    parser.add_argument("--seed", type=int, help="of the simulated market")
    parser.add_argument("--workers", type=int, default=1, help="worker processes; one for each free core")
    parser.add_argument("--new-timeline", action="store_true", help="begin another world")
    options = parser.parse_args(arguments)
    options.environment = options.environment or os.environ.get("PLATFORM_ENV", "dev")
    options.data_dir = Path(options.data_dir).expanduser().resolve()
    if not 1 <= options.workers <= MOST_WORKERS:
        parser.error(f"--workers is 1 to {MOST_WORKERS}")
    if options.spot and not options.replay:
        parser.error("--spot belongs to --replay")
    return options


class Desk:
    """One run of the desk in one data folder."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._began = time.monotonic()
        self._stopping = threading.Event()
        self._environment: dict[str, str] = {}
        self._services: Services | None = None
        self._children: Children | None = None
        self._valkey: redis.Redis | None = None

    def run(self) -> None:
        """Start all, watch until asked to stop, stop all."""
        options = self._options
        preflight.secrets(options.environment)
        data_dir = preflight.data_folder(options.data_dir)
        lock = preflight.only_supervisor(data_dir)
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, lambda *_: self._stopping.set())
        try:
            self._start()
            self._watch()
        finally:
            self._stop()
            lock.close()

    def _start(self) -> None:
        children = self._make_children()
        self._start_services()
        children.start("simulator")  # needs no database: it starts while that is prepared
        self._prepare_database(children)
        if self._stopping.is_set():
            return
        children.start()
        self._await_all()

    def _make_children(self) -> Children:
        options, kept = self._options, Kept(self._options.data_dir)
        simulator_port = kept.port("simulator")
        platform = environments.load(options.environment)
        self._environment = {
            **os.environ,
            "PLATFORM_ENV": options.environment,
            "DATA_DIR": str(options.data_dir),
            "LOG_DIR": os.environ.get("LOG_DIR", str(options.data_dir / "logs")),
            "LOG_RETENTION_DAYS": str(platform.log_retention_days),
            "INDIAN_MARKET_CONFIG": json.dumps(platform.indian_market_config),
            "SIMULATOR_URL": f"http://127.0.0.1:{simulator_port}",
            "SIMULATOR_DB": str(options.data_dir / "simulator.sqlite3"),
            "SITE_URL": os.environ.get("SITE_URL", f"http://127.0.0.1:{options.port}"),
            "DJANGO_SETTINGS_MODULE": "optionsplatform.settings",
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore:You're running the worker with superuser",  # root is told once
        }
        self._environment.setdefault("SIMULATOR_TOKEN", "dev-simulator-token")
        self._children = Children(
            table(web_port=options.port, simulator_port=simulator_port, workers=options.workers),
            environment=self._environment,
            folder=options.data_dir / "pids",
            say=self._say,
            died=self._tell_operators,
            heartbeat=self._beats,
        )
        if left := self._children.stop_left_overs():
            self._say(f"stopped what an earlier run had left: {', '.join(left)}")
        preflight.port(options.port)
        preflight.ledger(Path(self._environment["SIMULATOR_DB"]))
        return self._children

    def _start_services(self) -> None:
        given = {name: os.environ.get(name) for name in ("DATABASE_URL", "REDIS_URL")}
        if given["DATABASE_URL"]:
            preflight.database(given["DATABASE_URL"])
        if given["REDIS_URL"]:
            preflight.valkey(given["REDIS_URL"])
        self._services = Services(
            self._options.data_dir,
            postgres=not given["DATABASE_URL"],
            valkey=not given["REDIS_URL"],
        )
        if self._services.runtime.note:
            self._say(self._services.runtime.note)
        for service in self._services:
            found = service.start()
            self._say(f"{service.name} is up{' (it was running already)' if found else ''}")
        assert self._children is not None
        beats = {*BEATING, *self._children.heartbeats()}
        self._take_addresses().delete("workers", *(f"heartbeat:{name}" for name in beats))

    def _take_addresses(self) -> redis.Redis:
        assert self._services is not None
        self._environment |= self._services.environment()
        self._valkey = redis.Redis.from_url(self._environment["REDIS_URL"], socket_timeout=2)
        return self._valkey

    def _prepare_database(self, children: Children) -> None:
        """Its lines are passed on as they come; when it fails, its last line is the reason."""
        demo = ["--demo"] if self._options.environment == "dev" else []  # a known password: dev only
        log = self._options.data_dir / "prepare.log"
        said = self._options.data_dir / "prepare.out"
        with log.open("w") as errors, said.open("w") as output, said.open() as lines:
            running = subprocess.Popen(
                [sys.executable, "-m", "optionsplatform.prepare", *demo, *self._timeline()],
                cwd=ROOT,
                env=self._environment,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
            while running.poll() is None:
                children.watch()
                self._pass_on(lines)
                if self._stopping.wait(0.05):
                    running.terminate()
                    running.wait()
                    return
            self._pass_on(lines)
        if running.returncode != 0:
            why = log.read_text().strip().splitlines() or ["no message"]
            raise CannotStart(f"could not prepare the desk: {why[-1]} (whole message: {log})")

    def _pass_on(self, lines: IO[str]) -> None:
        for line in lines:
            self._say(line.strip())

    def _timeline(self) -> list[str]:
        options = self._options
        wanted = ["--new"] if options.new_timeline else []
        for name in ("speed", "seed"):
            if (value := getattr(options, name)) is not None:
                wanted.append(f"--{name}={value}")
        if options.replay:
            wanted += ["--files", *(str(self._readable(file)) for file in options.replay)]
        if options.spot:
            wanted.append(f"--spot={self._readable(options.spot)}")
        return wanted

    def _readable(self, file: Path) -> Path:
        path = file.expanduser().resolve()
        if not path.is_file():
            raise CannotStart(f"there is no file {file}")
        return path

    def _await_all(self) -> None:
        assert self._children is not None
        deadline = time.monotonic() + UP_WITHIN
        while self._children.waiting() and time.monotonic() < deadline and not self._stopping.wait(0.05):
            self._children.watch()
        if self._stopping.is_set():
            return
        waiting, logs = self._children.waiting(), self._environment["LOG_DIR"]
        if "web" in waiting:
            raise CannotStart(f"web did not come up in {UP_WITHIN:g} s; see {logs}")
        if waiting:
            self._say(f"not up yet: {', '.join(waiting)}; see {logs}")
        self._say(f"open {self._environment['SITE_URL']}")
        if self._options.environment == "dev":
            self._say(f"sign in as {DEMO_EMAIL} with the password {DEMO_PASSWORD}")
        self._say("Ctrl-C stops everything")

    def _watch(self) -> None:
        assert self._children is not None
        assert self._services is not None
        while not self._stopping.wait(LOOK_EVERY):
            self._children.watch()
            for service in self._services:
                if service.process() is None:
                    self._revive(service)
            if self._valkey_answers():
                self._children.restart_silent(after=HANGS_AFTER)

    def _revive(self, service: Postgres | Valkey) -> None:
        assert self._children is not None
        self._say(f"{service.name} died; starting it again")
        before = service.url()
        service.start()
        if service.url() != before:
            self._say(f"something else took the port of {service.name}: every process moves to its new one")
            self._take_addresses()
            self._children.move(self._environment)
        self._tell_operators(service.name, -1)

    def _valkey_answers(self) -> bool:
        try:
            return self._valkey is not None and bool(self._valkey.ping())
        except redis.RedisError:
            return False

    def _beats(self, name: str) -> bool:
        try:
            return self._valkey is not None and bool(self._valkey.exists(f"heartbeat:{name}"))
        except redis.RedisError:
            return False

    def _tell_operators(self, name: str, code: int) -> None:
        """The engine's tick takes these from the list and writes the notices."""
        death = {"process": name, "exit": code, "at": datetime.now(UTC).isoformat()}
        try:
            if self._valkey is not None:
                self._valkey.lpush("supervisor:deaths", orjson.dumps(death))
                self._valkey.ltrim("supervisor:deaths", 0, 99)
                self._valkey.srem("workers", worker_name(name))  # told of here, not as silent
        except redis.RedisError as problem:
            self._say(f"could not tell the operators that {name} died: {problem}")

    def _stop(self) -> None:
        if self._services is None:
            return
        self._say("stopping")
        if self._children is not None:
            self._children.stop()
        self._services.stop()
        self._say("everything is stopped")

    def _say(self, line: str) -> None:
        try:
            sys.stdout.write(f"{time.monotonic() - self._began:6.1f} s  {line}\n")
            sys.stdout.flush()
        except BrokenPipeError:  # nobody listens any more; the desk runs on and stops in order
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - lives as long as we do


def main(arguments: Sequence[str] | None = None) -> int:
    """0 after a stop that was asked for; 1 with one line when the desk cannot start."""
    try:
        Desk(parse(arguments)).run()
    except (CannotStart, environments.WrongEnvironment) as problem:
        sys.stderr.write(f"bin/start: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
