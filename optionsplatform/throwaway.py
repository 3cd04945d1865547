"""Run a command on a PostgreSQL and a Valkey that exist only as long as it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg

from optionsplatform.embedded import throwaway
from optionsplatform.kept import urls
from optionsplatform.runtime import CannotStart

ROOT = Path(__file__).resolve().parent.parent


def has_database(environment: Mapping[str, str]) -> bool:
    """Whether a database is given by URL, or a desk of this data folder runs one."""
    if environment.get("DATABASE_URL"):
        return True
    url = urls(Path(environment.get("DATA_DIR") or ROOT / ".data")).get("DATABASE_URL")
    if url is None:
        return False
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def main(command: list[str], *, valkey: bool = True) -> int:
    """The command's own exit code; services given by both URLs are used instead of new ones."""
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return subprocess.run(command).returncode
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the services stop too
    try:
        with throwaway(valkey=valkey) as services:
            return _interruptible(command, {**os.environ, **services.environment()})
    except CannotStart as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


def _interruptible(command: list[str], environment: dict[str, str]) -> int:
    """Ctrl-C goes to the command, which ends by itself; we wait for it."""
    with subprocess.Popen(command, env=environment) as running:
        while True:
            try:
                return running.wait()
            except KeyboardInterrupt:
                continue
            except SystemExit:
                running.terminate()
                running.wait()
                raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
