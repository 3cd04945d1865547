"""Start the processes of a table, restart those that die, stop all in order."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from optionsplatform import pids
from optionsplatform.processes import Process

ROOT = Path(__file__).resolve().parent.parent
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STEADY_AFTER = 60.0  # a process that ran this long starts with the first pause again
CONSOLE_LIMIT_BYTES = 5_000_000
STOP_GRACE = 12.0
MOST_LINES, LAST_LINES = 12, 4  # of a traceback the end says what happened

Say = Callable[[str], None]
Died = Callable[[str, int], None]


class Child:
    """One supervised process: its command, its pid file and what it writes to the console."""

    def __init__(self, process: Process, *, environment: Mapping[str, str], folder: Path) -> None:
        self.process = process
        self.move(environment)
        self._pid_file = folder / f"{process.name}.pid"
        self.console = Path(environment["LOG_DIR"]) / f"{process.name}.console"
        self._read_to = self.console.stat().st_size if self.console.exists() else 0
        self._popen: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.restart_at: float | None = None
        self.pause = FIRST_PAUSE
        self.ready = False
        self.silent_since: float | None = None
        self._asked: list[psutil.Process] = []

    def move(self, environment: Mapping[str, str]) -> None:
        """From its next start on it is given this environment."""
        self._environment = {**environment, "PROCESS_NAME": self.process.name}

    def start(self, *, now: float) -> None:
        command = [sys.executable, *self.process.command]
        self.console.parent.mkdir(parents=True, exist_ok=True)
        with self.console.open("ab") as console:
            self._read_to = console.tell()
            self._popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops in order
            )
        pids.write(self._pid_file, pid=self._popen.pid, command=command)
        self.started_at, self.restart_at, self.ready = now, None, False
        self.silent_since = None

    @property
    def pid(self) -> int | None:
        return self._popen.pid if self._popen is not None else None

    def exit_code(self) -> int | None:
        return self._popen.poll() if self._popen is not None else None

    def forget(self) -> None:
        """The process ended: nothing to stop any more."""
        self._popen, self._asked = None, []
        self._pid_file.unlink(missing_ok=True)

    def ask_to_stop(self) -> None:
        """Asked once only: a second request would make Celery drop its work."""
        if self._popen is not None and self._popen.poll() is None and not self._asked:
            self._asked = pids.ask(psutil.Process(self._popen.pid))

    def stop(self, *, grace: float = STOP_GRACE) -> bool:
        """False when it had to be ended by force."""
        if self._popen is None:
            return True
        self.ask_to_stop()
        in_time = pids.await_end(self._asked, grace=grace)
        self._popen.wait()
        self.forget()
        return in_time

    def new_lines(self) -> list[str]:
        """What the process wrote to its console since the last look."""
        if not self.console.exists():
            return []
        if self.console.stat().st_size > CONSOLE_LIMIT_BYTES:
            os.truncate(self.console, 0)
            self._read_to = 0
        with self.console.open("rb") as console:
            console.seek(self._read_to)
            whole, newline, _ = console.read().rpartition(b"\n")
        self._read_to += len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines() if newline else []


class Children:
    """All processes of the table under one watch."""

    def __init__(
        self,
        processes: Sequence[Process],
        *,
        environment: Mapping[str, str],
        folder: Path,
        say: Say,
        died: Died,
        heartbeat: Callable[[str], bool],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._data_dir = folder, Path(environment["DATA_DIR"])
        self._children = {
            process.name: Child(process, environment=environment, folder=folder)
            for process in processes
        }
        self._say, self._died, self._heartbeat = say, died, heartbeat

    def __getitem__(self, name: str) -> Child:
        return self._children[name]

    def stop_left_overs(self) -> list[str]:
        """The names of processes that a killed supervisor had left, now stopped."""
        files = sorted(self._folder.glob("*.pid"))  # it may have run more workers than we shall
        asked = {file.stem: _ask_left_over(file, self._data_dir) for file in files}
        left = {name: family for name, family in asked.items() if family}
        for name, family in left.items():
            self._judge(name, in_time=pids.await_end(family, grace=STOP_GRACE))
        return list(left)

    def _judge(self, name: str, *, in_time: bool) -> None:
        if not in_time:
            self._say(f"{name} did not stop in {STOP_GRACE:g} s and was ended by force")

    def start(self, *names: str) -> None:
        for name in names or self._children:
            if self._children[name].pid is None:
                self._children[name].start(now=time.monotonic())

    def move(self, environment: Mapping[str, str]) -> None:
        """A service has another address now: every process is started again to use it."""
        running = [child for child in self._children.values() if child.pid is not None]
        for child in self._children.values():
            child.move(environment)
        for child in running:
            child.ask_to_stop()
        for child in running:
            self._judge(child.process.name, in_time=child.stop())
        for child in running:
            child.start(now=time.monotonic())

    def watch(self) -> None:
        """One look at every process: pass on its console, note who is up, restart who died."""
        now = time.monotonic()
        for child in self._children.values():
            self._pass_on(child)
            if child.restart_at is not None:
                if now >= child.restart_at:
                    child.start(now=now)
            elif (code := child.exit_code()) is not None:
                self._bury(child, code, now)
            elif child.pid is not None and not child.ready:
                self._greet(child, now)

    def heartbeats(self) -> list[str]:
        """What the processes without a URL beat as."""
        return [child.process.heartbeat for child in self._children.values() if child.process.beats]

    def waiting(self) -> list[str]:
        """Processes that were started and have not said that they are up."""
        return [name for name, child in self._children.items() if not child.ready]

    def stop(self) -> None:
        """All at once but the first, which the others may still need; then the first."""
        for child in list(self._children.values())[1:]:
            child.ask_to_stop()
        for child in reversed(self._children.values()):
            self._judge(child.process.name, in_time=child.stop())
            self._pass_on(child)

    def restart_silent(self, *, after: float) -> None:
        """Restart a process that lives but whose heartbeat has been missing so long: it hangs."""
        now = time.monotonic()
        for child in self._children.values():
            if not (child.ready and child.process.beats) or self._heartbeat(child.process.heartbeat):
                child.silent_since = None
                continue
            child.silent_since = child.silent_since or now
            if now - child.silent_since >= after:
                self._say(f"{child.process.name} hangs: no heartbeat; restarting it")
                child.stop(grace=3.0)
                self._bury(child, -9, now)

    def _bury(self, child: Child, code: int, now: float) -> None:
        self._pass_on(child)
        if now - child.started_at > STEADY_AFTER:
            child.pause = FIRST_PAUSE
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._say(f"{child.process.name} died ({why}); starting it again in {child.pause:g} s")
        child.forget()
        child.ready = False
        child.restart_at = now + child.pause
        child.pause = min(child.pause * 2, LONGEST_PAUSE)
        self._died(child.process.name, code)

    def _greet(self, child: Child, now: float) -> None:
        if child.process.url:
            child.ready = answers(child.process.url)
        else:
            child.ready = self._heartbeat(child.process.heartbeat)
        if child.ready:
            self._say(f"{child.process.name} is up ({now - child.started_at:.1f} s)")

    def _pass_on(self, child: Child) -> None:
        lines = child.new_lines()
        if len(lines) > MOST_LINES:
            lines = [f"... {len(lines) - LAST_LINES} lines more in {child.console}", *lines[-LAST_LINES:]]
        for line in lines:
            self._say(f"{child.process.name:>9} | {line}")


def _ask_left_over(pid_file: Path, data_dir: Path) -> list[psutil.Process]:
    """Ask the process that an earlier, killed supervisor left behind to end; [] without one."""
    left = pids.ours(pid_file, data_dir=data_dir)
    pid_file.unlink(missing_ok=True)
    return [] if left is None else pids.ask(left)


def answers(url: str) -> bool:
    """Whether the process behind this loopback URL answers with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own loopback URL
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False
