"""What can be wrong before anything starts; each problem is one line that names the fix."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import psycopg
import redis

from brokers.simulator.ledger import Ledger, WrongLedger
from optionsplatform.kept import port_is_busy
from optionsplatform.runtime import CannotStart

NEEDED_BYTES = 500_000_000
PROD_SECRETS = ("SECRET_KEY", "VAULT_KEYS", "SIMULATOR_TOKEN")


def data_folder(path: Path) -> Path:
    """The data folder, made and writable, with room on its disk."""
    try:
        if not path.exists():
            path.mkdir(parents=True, mode=0o755)
            path.chmod(0o755)
        probe = path / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as problem:
        if problem.errno == errno.ENOSPC:
            raise CannotStart(_no_room(path, 0)) from None
        raise CannotStart(f"cannot write in {path}: {problem.strerror}; choose another with --data-dir") from None
    if (free := shutil.disk_usage(path).free) < NEEDED_BYTES:
        raise CannotStart(_no_room(path, free))
    return path


def _no_room(path: Path, free: int) -> str:
    needed = NEEDED_BYTES // 1_000_000
    return (
        f"the disk of {path} has {free // 1_000_000} MB left and {needed} MB are needed;"
        " free some space or choose another disk with --data-dir"
    )


def only_supervisor(data_dir: Path) -> IO[str]:
    """The lock that one supervisor of a data folder holds while it lives."""
    lock = (data_dir / "supervisor.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        pid = lock.read().strip() or "unknown"
        lock.close()
        raise CannotStart(
            f"already running for {data_dir} (process {pid}); stop it first, or use another --data-dir"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def port(number: int) -> None:
    """The web port must be free."""
    if port_is_busy(number):
        raise CannotStart(f"port {number} is busy; end what uses it or choose another with --port")


def secrets(environment: str) -> None:
    """prod starts only with its own secrets; nothing is made up for it."""
    missing = [name for name in PROD_SECRETS if not os.environ.get(name)]
    if environment == "prod" and missing:
        raise CannotStart(f"prod refuses default secrets; set {', '.join(missing)} in the environment")


def database(url: str) -> None:
    """A DATABASE_URL that was given must answer."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except (psycopg.Error, UnicodeError) as problem:
        why = str(problem).strip().splitlines()[-1]
        raise CannotStart(f"DATABASE_URL ({_without_password(url)}) does not answer: {why}") from None


def valkey(url: str) -> None:
    """A REDIS_URL that was given must answer."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5, retry=None) as found:
            found.ping()
    except (redis.RedisError, ValueError) as problem:
        raise CannotStart(f"REDIS_URL ({_without_password(url)}) does not answer: {problem}") from None


def ledger(path: Path) -> None:
    """The simulator's ledger of an earlier release must be one that this release reads."""
    if not path.exists():
        return
    try:
        Ledger(str(path)).close()
    except (WrongLedger, sqlite3.Error) as problem:
        raise CannotStart(f"{path.name}: {problem}") from None


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
