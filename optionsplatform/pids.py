"""Pid files that are believed only when the process behind them is provably ours."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psutil


def write(path: Path, *, pid: int, command: list[str]) -> None:
    """Remember a process that was just started, with the command line that identifies it."""
    path.write_text(json.dumps({"pid": pid, "command": command}))


def ours(path: Path, *, data_dir: Path) -> psutil.Process | None:
    """The living process of this pid file: same command line, started for the same data folder.

    A pid that the system has since given to somebody else answers None and is left alone.
    """
    try:
        remembered = json.loads(path.read_text())
        process = psutil.Process(remembered["pid"])
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        same_command = process.cmdline() == remembered["command"]
        same_folder = process.environ().get("DATA_DIR") == str(data_dir)
    except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return process if same_command and same_folder else None


def stop(process: psutil.Process, *, first: int = signal.SIGTERM, grace: float = 15.0) -> None:
    """Ask the process to end and see it, and what it started, gone."""
    await_end(ask(process, first=first), grace=grace)


def ask(process: psutil.Process, *, first: int = signal.SIGTERM) -> list[psutil.Process]:
    """Ask the process to end; the answer is it and what it started, for await_end."""
    try:
        family = [process, *process.children(recursive=True)]
        process.send_signal(first)
    except psutil.NoSuchProcess:
        return []
    return family


def await_end(family: list[psutil.Process], *, grace: float) -> bool:
    """Wait for a family that was asked, then end what is left; False when force was needed."""
    gone, _ = psutil.wait_procs(family[:1], timeout=grace)
    left = [member for member in family if member not in gone and member.is_running()]
    _, left = psutil.wait_procs(left, timeout=2.0 if gone else 0.0)
    for member in left:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=5.0)
    return not left
