"""Run a command on a PostgreSQL and a Valkey that exist only as long as it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from optionsplatform.embedded import throwaway
from optionsplatform.runtime import CannotStart


def main(command: list[str]) -> int:
    """The command's own exit code; services given by both URLs are used instead of new ones."""
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return subprocess.run(command).returncode
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the services stop too
    try:
        with throwaway() as services:
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
