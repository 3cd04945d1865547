"""What the embedded services share: ports and passwords that are kept, waiting, and their logs."""

from __future__ import annotations

import json
import random
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

DATABASE = "optionsplatform"
LOG_LIMIT_BYTES = 10_000_000
FIRST_PORT, FEWEST_PORTS = 10_000, 1000
LETS_GO_WITHIN = 2.0  # seconds


def free_port() -> int:
    """A loopback port that nobody listens on now, and that no connection takes by chance.

    Not one that the system gives to clients: while a killed service is away, a client that keeps
    knocking at its port can be given that very port, and the service must then move.
    """
    ports = range(FIRST_PORT, _first_of_clients())
    for port in random.sample(ports, k=len(ports)):
        if not port_is_busy(port):
            return port
    raise OSError(f"no loopback port from {ports.start} to {ports.stop - 1} is free")


def _first_of_clients() -> int:
    """The lowest port that Linux chooses by itself; elsewhere the first of IANA's dynamic ports."""
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(limits.read_text().split()[0]) if limits.exists() else 49152
    return lowest if lowest >= FIRST_PORT + FEWEST_PORTS else 65536


def port_is_busy(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return True
    return False


class Kept:
    """Ports and passwords of one data folder (services.json, readable by its owner only)."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "services.json"
        self._values: dict[str, str | int] = (
            json.loads(self._path.read_text()) if self._path.exists() else {}
        )

    def port(self, name: str, *, renew: bool = False) -> int:
        return int(self._keep(f"{name}_port", free_port, renew=renew))

    def claim_port(self, name: str) -> int:
        """The kept port; another one when it is still somebody else's after a moment.

        A killed server is gone before the last of its threads lets the port go.
        """
        port = self.port(name)
        is_free = wait_for(lambda: not port_is_busy(port), LETS_GO_WITHIN)
        return port if is_free else self.port(name, renew=True)

    def password(self, name: str) -> str:
        return str(self._keep(f"{name}_password", lambda: secrets.token_hex(16)))

    def database_url(self, database: str = DATABASE) -> str:
        password, port = self.password("postgres"), self.port("postgres")
        return f"postgres://postgres:{password}@127.0.0.1:{port}/{database}"

    def valkey_url(self) -> str:
        return f"redis://:{self.password('valkey')}@127.0.0.1:{self.port('valkey')}/0"

    def _keep(self, key: str, make: Callable[[], str | int], *, renew: bool = False) -> str | int:
        if renew or key not in self._values:
            self._values[key] = make()
            new = self._path.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_text(json.dumps(self._values, indent=1))
            new.replace(self._path)
        return self._values[key]


def urls(data_dir: Path) -> dict[str, str]:
    """Where bin/start runs its services, so that manage.py finds them too; {} before a first start."""
    if not (data_dir / "services.json").exists():
        return {}
    kept = Kept(data_dir)
    return {
        "DATABASE_URL": kept.database_url(),
        "REDIS_URL": kept.valkey_url(),
        "SIMULATOR_URL": f"http://127.0.0.1:{kept.port('simulator')}",
    }


def wait_for(
    answers: Callable[[], bool], seconds: float, server: subprocess.Popen[bytes] | None = None
) -> bool:
    """Whether it answers within so many seconds; at once False when the server has ended."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers():
            return True
        if server is not None and server.poll() is not None:
            return False
        pause.wait(0.05)
    return False


def open_log(path: Path) -> BinaryIO:
    """Append; a log that grew beyond its limit begins anew."""
    too_long = path.exists() and path.stat().st_size > LOG_LIMIT_BYTES
    return path.open("wb" if too_long else "ab")


def last_line(log: Path) -> str:
    """The last thing a service wrote."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"see {log}"
