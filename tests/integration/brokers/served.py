"""The same desk, but over a real socket: uvicorn in a thread, wall time that really passes."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import uvicorn

from brokers.adapters.plain import open_client
from brokers.simulator.asgi import Server
from brokers.simulator.ledger import Ledger
from brokers.simulator.simulator import Simulator
from tests.unit.brokers.desk import OPERATOR, Desk


class ServedDesk(Desk):
    """`stop()` ends the server; the client then meets a refused connection."""

    def __init__(self, *, capital: str = "1000000", latency: float = 0) -> None:
        self.simulator = Simulator(Ledger(), token=OPERATOR, latency=timedelta(seconds=latency))
        config = uvicorn.Config(
            Server(self.simulator), host="127.0.0.1", port=0, log_level="critical", lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        [listener] = self._server.servers[0].sockets
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.client = open_client(self.url)
        self._tags = 0
        self.wire = self.login("ZD1", capital=capital)

    @property
    def wall(self) -> datetime:
        return datetime.now(UTC)

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=5)
        self.client.close()
