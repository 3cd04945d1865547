"""The simulator as its own process: what it acknowledged survives its kill at any moment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from decimal import Decimal

import httpx
import pytest

from brokers.adapters.plain import open_client
from brokers.types import Ack, BrokerStatus
from tests.unit.brokers.desk import OPERATOR, Desk, frame, quote

pytestmark = pytest.mark.slow


class ProcessDesk(Desk):
    def __init__(self, database: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._environment = {**os.environ, "SIMULATOR_TOKEN": OPERATOR, "SIMULATOR_DB": database}
        self._environment.pop("DJANGO_SETTINGS_MODULE", None)
        self._tags = 0
        self.client = open_client(f"http://127.0.0.1:{self.port}")
        self.start()
        self.wire = self.login("ZD1")

    def start(self) -> None:
        command = [
            sys.executable, "-m", "uvicorn", "brokers.simulator.asgi:application",
            "--host", "127.0.0.1", "--port", str(self.port), "--log-level", "critical",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, env=self._environment)
        for _ in range(400):
            try:
                self.client.get("/healthz")
            except httpx.ConnectError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the simulator did not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def desk(tmp_path):
    opened = ProcessDesk(str(tmp_path / "ledger.db"))
    yield opened
    opened.kill()


def test_what_was_acknowledged_is_there_after_a_kill_and_trading_goes_on(desk):
    desk.push(frame())
    filled, resting = desk.order(), desk.order(price=Decimal("99"))
    assert desk.wire.place(filled) == Ack("O000001")
    assert desk.wire.place(resting) == Ack("O000002")

    desk.kill()
    desk.start()

    assert desk.wire.find(filled.client_ref).status == BrokerStatus.FILLED
    assert desk.wire.find(resting.client_ref).status == BrokerStatus.OPEN
    assert len(desk.wire.trades()) == 1
    assert desk.push(frame(1)) == {"n": 1}
    desk.push(frame(2, CALL=quote("98", "98.50")))
    assert desk.wire.find(resting.client_ref).average_price == Decimal("98.50")
    assert [e.seq for e in desk.wire.events(0, 0).events] == [1, 2, 3, 4, 5, 6]


def test_outside_dev_the_simulator_does_not_start_without_its_own_token():
    environment = {**os.environ, "PLATFORM_ENV": "prod"}
    environment.pop("SIMULATOR_TOKEN", None)

    done = subprocess.run(
        [sys.executable, "-c", "import brokers.simulator.asgi"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.strip().startswith("SIMULATOR_TOKEN is not set")
