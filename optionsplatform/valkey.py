"""One embedded Valkey server, run from its wheel."""

from __future__ import annotations

import os
import subprocess

import psutil
import redis

from optionsplatform import pids
from optionsplatform.kept import Kept, last_line, open_log, wait_for
from optionsplatform.runtime import CannotStart, Runtime


class Valkey:
    """One Valkey server on a loopback port, with a password."""

    name = "Valkey"

    def __init__(self, runtime: Runtime, kept: Kept) -> None:
        self._runtime, self._kept = runtime, kept
        self._folder = runtime.own_folder("valkey")
        self._pid_file = self._folder / "valkey.pid"

    def url(self) -> str:
        return self._kept.valkey_url()

    def process(self) -> psutil.Process | None:
        """The running server of this folder: the program and the folder it works in must match."""
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            ours = process.name().startswith("valkey-server") and process.cwd() == str(self._folder)
        except (FileNotFoundError, ValueError, psutil.Error):
            return None
        return process if ours and process.status() != psutil.STATUS_ZOMBIE else None

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=2, retry=None) as connection:
                return bool(connection.ping())
        except redis.RedisError:
            return False

    def start(self) -> bool:
        """Running and reachable; True when it was found running already."""
        if left := self.process():
            if wait_for(self.answers, 5.0):
                return True
            pids.stop(left)
        self._kept.claim_port("valkey")
        server = self._launch()
        if not wait_for(self.answers, 20.0, server):
            raise CannotStart(f"Valkey did not start: {last_line(self._folder / 'valkey.log')}")
        return False

    def stop(self) -> None:
        if running := self.process():
            pids.stop(running)

    def _launch(self) -> subprocess.Popen[bytes]:
        configuration = self._folder / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"bind 127.0.0.1\nport {self._kept.port('valkey')}\n"
            f"requirepass {self._kept.password('valkey')}\ndir {self._folder}\n"
            f"pidfile {self._pid_file}\nsave 60 1\nmaxmemory-policy noeviction\n"
        )
        self._runtime.give(configuration)
        self._pid_file.unlink(missing_ok=True)  # one it may not overwrite would hide it from us
        with open_log(self._folder / "valkey.log") as log:
            return subprocess.Popen(
                [str(self._runtime.valkey_server), str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
                **self._runtime.run_as,
            )
