"""PostgreSQL and Valkey from their PyPI wheels, for a desk with neither installed.

Ports and passwords are chosen once and kept in the data folder. What a killed supervisor left
running is reused when it answers with our password, and stopped when it does not.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optionsplatform.kept import Kept
from optionsplatform.postgres import Postgres
from optionsplatform.runtime import choose
from optionsplatform.valkey import Valkey


class Services:
    """The embedded services a data folder needs; those given by URL are left out."""

    def __init__(
        self,
        data_dir: Path,
        *,
        postgres: bool = True,
        valkey: bool = True,
        durable: bool = True,
        temporary: bool = False,
    ) -> None:
        self.runtime = choose(data_dir, temporary=temporary)
        kept = Kept(data_dir)
        self.postgres = Postgres(self.runtime, kept, durable=durable) if postgres else None
        self.valkey = Valkey(self.runtime, kept) if valkey else None

    def __iter__(self) -> Iterator[Postgres | Valkey]:
        return iter([service for service in (self.postgres, self.valkey) if service is not None])

    def environment(self) -> dict[str, str]:
        """The two URLs, for the processes that use the services."""
        urls = {}
        if self.postgres is not None:
            urls["DATABASE_URL"] = self.postgres.url()
        if self.valkey is not None:
            urls["REDIS_URL"] = self.valkey.url()
        return urls

    def start(self) -> bool:
        """Start what does not run; True when everything was running already."""
        found = [service.start() for service in self]
        return all(found)

    def stop(self) -> None:
        for service in self:
            service.stop()


@contextmanager
def throwaway(*, valkey: bool = True) -> Iterator[Services]:
    """Services in a temporary folder that disappears with them: for tests and `trade_day`."""
    folder = Path(tempfile.mkdtemp(prefix="options-"))
    folder.chmod(0o755)
    services = None
    try:
        services = Services(folder, valkey=valkey, durable=False, temporary=True)
        services.start()
        yield services
    finally:
        if services is not None:
            services.stop()
            shutil.rmtree(services.runtime.folder)
        shutil.rmtree(folder, ignore_errors=True)
