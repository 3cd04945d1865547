"""One embedded PostgreSQL server, run from its wheel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import psutil
import psycopg

from optionsplatform import pids
from optionsplatform.kept import DATABASE, Kept, last_line, open_log, wait_for
from optionsplatform.runtime import POSTGRES_MAJOR, CannotStart, Runtime

LEFT_WITHIN = 15.0  # seconds: a killed server's backends may be amid a statement
HELD_BY_OTHERS = "pre-existing shared memory block"


class Postgres:
    """One PostgreSQL server on a loopback port, with a password."""

    name = "PostgreSQL"

    def __init__(self, runtime: Runtime, kept: Kept, *, durable: bool = True) -> None:
        self._runtime, self._kept, self._durable = runtime, kept, durable
        self._folder = runtime.own_folder("postgres")
        self._data = self._folder / "data"
        self._log = self._folder / "postgres.log"

    def url(self, database: str = DATABASE) -> str:
        return self._kept.database_url(database)

    def process(self) -> psutil.Process | None:
        """The running server of this data folder, whoever started it."""
        try:
            process = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
            ours = process.name() == "postgres" and str(self._data) in process.cmdline()
        except (FileNotFoundError, ValueError, IndexError, psutil.Error):
            return None
        return process if ours and process.status() != psutil.STATUS_ZOMBIE else None

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> bool:
        """Running and reachable; True when it was found running already."""
        if left := self.process():
            if wait_for(self.answers, 10.0):
                return True
            pids.stop(left, first=signal.SIGINT)
        self._initialise()
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # of a server that is gone
        self._kept.claim_port("postgres")
        if not wait_for(self._is_launched, LEFT_WITHIN):
            raise CannotStart(f"PostgreSQL did not start: {last_line(self._log)}")
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            known = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(known, [DATABASE]).fetchone() is None:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')
        return False

    def _is_launched(self) -> bool:
        """False while backends of a killed server still hold its memory; they end once they notice."""
        if wait_for(self.answers, 60.0, self._launch()):
            return True
        if HELD_BY_OTHERS in "\n".join(self._log.read_text(errors="replace").splitlines()[-4:]):
            return False
        raise CannotStart(f"PostgreSQL did not start: {last_line(self._log)}")

    def stop(self) -> None:
        if running := self.process():
            pids.stop(running, first=signal.SIGINT, grace=30.0)

    def _initialise(self) -> None:
        version = self._data / "PG_VERSION"
        if version.exists():
            if (found := version.read_text().strip()) != POSTGRES_MAJOR:
                raise CannotStart(
                    f"{self._data} was made by PostgreSQL {found} and this is {POSTGRES_MAJOR};"
                    " back up with the older release and restore here"
                )
            return
        fresh = self._folder / "data.new"  # renamed when whole: a start cut short begins again
        shutil.rmtree(fresh, ignore_errors=True)
        password_file = self._folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._kept.password("postgres"))
        self._runtime.give(password_file)
        options = "--username=postgres --auth=scram-sha-256 --encoding=UTF8 --locale=C"
        locale = "--locale-provider=builtin --builtin-locale=C.UTF-8 --no-sync"
        program = str(self._runtime.postgres_programs / "initdb")
        made = subprocess.run(
            [program, "-D", str(fresh), f"--pwfile={password_file}", *options.split(), *locale.split()],
            capture_output=True,
            text=True,
            env=self._environment(),
            **self._runtime.run_as,
        )
        password_file.unlink()
        if made.returncode != 0:
            lines = made.stderr.strip().splitlines() or ["no message"]
            raise CannotStart(f"PostgreSQL could not make its data folder: {lines[-1]}")
        fresh.rename(self._data)

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = {
            "port": self._kept.port("postgres"),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            settings |= {"wal_level": "minimal", "max_wal_senders": 0}
        arguments = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        program = str(self._runtime.postgres_programs / "postgres")
        with open_log(self._log) as log:
            return subprocess.Popen(
                [program, "-D", str(self._data), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment(),
                **self._runtime.run_as,
            )

    def _environment(self) -> dict[str, str]:
        return {"HOME": str(self._folder), "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"}
