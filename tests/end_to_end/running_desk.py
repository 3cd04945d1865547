"""A whole desk as bin/start runs it, in a folder of its own, and the simulator's books beside ours."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from psycopg.rows import dict_row

from optionsplatform.kept import Kept, free_port
from optionsplatform.supervisor import DEMO_EMAIL, DEMO_PASSWORD

ROOT = Path(__file__).resolve().parents[2]
GIVEN = ("DATABASE_URL", "REDIS_URL", "PLATFORM_ENV", "DATA_DIR", "LOG_DIR", "SIMULATOR_URL",
         "SIMULATOR_TOKEN", "SITE_URL", "PORT", "PROCESS_NAME", "PYTEST_PLUGINS")  # fmt: skip
TOKEN = "dev-simulator-token"
UP_WITHIN, STOPPED_WITHIN = 150.0, 60.0
NEVER_AT_THE_BROKER = ("DRAFT", "READY", "DENIED", "NEVER_SENT")
BOOKS = {
    "positions": "SELECT * FROM position_tracker ORDER BY id",
    "orders": "SELECT * FROM order_history ORDER BY id",
    "fills": "SELECT * FROM execution_fill ORDER BY id",
    "runs": "SELECT * FROM strategy_executions ORDER BY id",
    "people": "SELECT id, email FROM users_user ORDER BY id",
    "timelines": "SELECT id, key, nonce FROM market_timeline ORDER BY id",
}
Rows = list[dict[str, Any]]


def eventually(holds: Callable[[], Any], *, within: float = 60.0, what: object = "") -> Any:
    """The first true answer; an AssertionError with the last one when none came in time."""
    pause, deadline = threading.Event(), time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {within:g} s: {what or holds} (last: {found!r})"
        pause.wait(0.1)
    return found


class RunningDesk:
    """One data folder and the supervisor that may be running in it."""

    def __init__(self) -> None:
        self.data_dir = new_folder()
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._said = tempfile.NamedTemporaryFile(prefix="options-desk-", suffix=".log")  # noqa: SIM115

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """All that bin/start has printed, of every start."""
        return Path(self._said.name).read_text(errors="replace")

    def environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name not in GIVEN}

    def start(self, *options: str) -> None:
        """Start it and wait until it says that it is open and everything beats."""
        already = self.said.count(f"open {self.url}")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "optionsplatform.supervisor",
             "--data-dir", str(self.data_dir), "--port", str(self.port), *options],
            cwd=ROOT, env=self.environment(), stdout=self._said.file, stderr=self._said.file,
            start_new_session=True,
        )  # fmt: skip

        def is_open() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"bin/start ended:\n{self.said[-3000:]}"
            return self.said.count(f"open {self.url}") > already

        eventually(is_open, within=UP_WITHIN, what=f"open; it said:\n{self.said[-3000:]}")
        eventually(self.is_ready, within=UP_WITHIN, what="ready")

    def is_ready(self) -> bool:
        return httpx.get(f"{self.url}/readyz", timeout=10, trust_env=False).status_code == 200

    def stop(self) -> None:
        """Ctrl-C; nothing of it may be left."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(STOPPED_WITHIN)
        self._process = None
        assert code == 0, self.said[-3000:]
        assert self.left_over() == []

    def kill_supervisor(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def kill_child(self, name: str) -> None:
        """kill -9 of one supervised process."""
        (child,) = [p for p in self.left_over() if p.environ().get("PROCESS_NAME") == name]
        child.kill()

    def left_over(self) -> list[psutil.Process]:
        """Living Python processes that were started for this data folder."""
        return [p for p in psutil.process_iter() if self._is_ours(p)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return (
                process.status() != psutil.STATUS_ZOMBIE
                and process.environ().get("DATA_DIR") == str(self.data_dir)
            )
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def destroy(self) -> None:
        """The data folder and everything in it, wherever root had to put the services."""
        remembered = self.data_dir / "services.folder"
        if remembered.exists():
            shutil.rmtree(remembered.read_text().strip(), ignore_errors=True)
        shutil.rmtree(self.data_dir)

    def tidy(self) -> None:
        """Whatever the test left: the supervisor, its processes, the services, the folder."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
        services = [p for p in psutil.process_iter(["cmdline"])
                    if str(self.data_dir) in " ".join(p.info["cmdline"] or [])]  # fmt: skip
        for process in (*self.left_over(), *services):
            process.kill()
        if self.data_dir.exists():
            self.destroy()
        self._said.close()

    def run(self, *command: str) -> str:
        """`python <command>` for this desk; what it printed."""
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=120,
            env={**self.environment(), "DATA_DIR": str(self.data_dir), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def jump(self, to: str) -> None:
        """Go on at this time of the day that the market has reached."""
        self.run("manage.py", "use_timeline", f"--at={to}")

    def rows(self, sql: str, *values: Any) -> Rows:
        """What our database holds."""
        url = Kept(self.data_dir).database_url()
        with psycopg.connect(url, row_factory=dict_row) as connection:
            return connection.execute(sql, values).fetchall()

    def books(self) -> dict[str, Rows]:
        """Both ledgers, complete: ours by table, and the simulator's."""
        ours = {name: self.rows(sql) for name, sql in BOOKS.items()}
        return {**ours, "simulator": self.ledger()}

    def timeline(self) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM market_timeline WHERE active")
        return row

    def ledger(self) -> Rows:
        """The simulator's books of the active timeline, by account."""
        answer = httpx.get(
            f"http://127.0.0.1:{Kept(self.data_dir).port('simulator')}/admin/ledger",
            params={"timeline": self.timeline()["key"]},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=20,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["accounts"]

    def client(self) -> httpx.Client:
        """The REST API with the demo trader's session."""
        client = httpx.Client(base_url=self.url, timeout=30, trust_env=False, follow_redirects=True)
        client.get("/accounts/login/")
        client.post(
            "/accounts/login/",
            data={"login": DEMO_EMAIL, "password": DEMO_PASSWORD,
                  "csrfmiddlewaretoken": client.cookies["csrftoken"]},
            headers={"Referer": f"{self.url}/accounts/login/"},
        ).raise_for_status()  # fmt: skip
        assert client.get("/options/positions").status_code == 200
        return client

    def await_explained(self) -> None:
        """Our books and the simulator's agree within some seconds; the differences otherwise."""
        differences = ["not looked yet"]

        def agree() -> bool:
            differences[:] = self.unexplained()
            return not differences

        try:
            eventually(agree, within=30)
        except AssertionError:
            raise AssertionError(f"{len(differences)} unexplained: {differences}") from None

    def unexplained(self) -> list[str]:
        """Every difference between our orders, fills and positions and the simulator's."""
        theirs = self.ledger()
        return [*self._orders(theirs), *self._fills(theirs), *self._positions(theirs)]

    def _orders(self, theirs: Rows) -> Iterator[str]:
        key = self.timeline()["id"]
        ours = {r["client_ref"]: r for r in self.rows("SELECT * FROM order_history WHERE timeline_id = %s", key)}
        at_broker = [order for account in theirs for order in account["orders"]]
        for ref, count in Counter(order["client_ref"] for order in at_broker).items():
            if count > 1:
                yield f"{ref} is {count} times at the broker"
            if ref not in ours:
                yield f"{ref} at the broker is not ours"
        found = {order["client_ref"]: order for order in at_broker}
        for ref, row in ours.items():
            yield from _difference(row, found.get(ref))

    def _fills(self, theirs: Rows) -> Iterator[str]:
        ours = self.rows(
            "SELECT o.client_ref, f.trade_id, f.quantity, f.price FROM execution_fill f"
            " JOIN order_history o ON o.id = f.order_id WHERE f.timeline_id = %s", self.timeline()["id"],
        )  # fmt: skip
        here = Counter((r["client_ref"], r["trade_id"], r["quantity"], r["price"]) for r in ours)
        there = Counter(
            (t["client_ref"], t["trade_id"], t["quantity"], Decimal(t["price"]))
            for account in theirs for t in account["trades"]
        )  # fmt: skip
        for each in (here - there) + (there - here):
            yield f"trade {each} is on one side only"

    def _positions(self, theirs: Rows) -> Iterator[str]:
        ours = self.rows(
            "SELECT a.broker, c.symbol, p.product, sum(p.quantity) AS quantity FROM position_tracker p"
            " JOIN strategy_broker_allocations s ON s.id = p.allocation_id"
            " JOIN brokers_brokeraccount a ON a.id = s.broker_account_id"
            " JOIN market_contract c ON c.id = p.contract_id WHERE p.timeline_id = %s"
            " GROUP BY a.broker, c.symbol, p.product", self.timeline()["id"],
        )  # fmt: skip
        here = {(r["broker"], r["symbol"], r["product"]): int(r["quantity"]) for r in ours if r["quantity"]}
        there = {
            (account["broker"], p["symbol"], p["product"]): p["quantity"]
            for account in theirs for p in account["positions"] if p["quantity"]
        }  # fmt: skip
        for each in sorted(here.keys() | there.keys()):
            if here.get(each) != there.get(each):
                yield f"position {each}: {here.get(each, 0)} here, {there.get(each, 0)} there"


def _difference(ours: dict[str, Any], theirs: dict[str, Any] | None) -> Iterator[str]:
    """What is said of one order here and not at the broker, or the other way round."""
    ref, status = ours["client_ref"], ours["status"]
    if theirs is None:
        if ours["broker_order_id"] or status == "UNKNOWN":
            yield f"{ref} ({status}) is not at the broker"
    elif status in NEVER_AT_THE_BROKER or status == "UNKNOWN":
        yield f"{ref} is {status} here and {theirs['status']} at the broker"
    elif ours["filled_quantity"] != theirs["filled_quantity"]:
        yield f"{ref} filled {ours['filled_quantity']} here, {theirs['filled_quantity']} there"


def new_folder() -> Path:
    """A data folder that the services' own user can reach when root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="options-desk-"))
    folder.chmod(0o755)
    return folder


@contextmanager
def running_desk(*options: str) -> Iterator[RunningDesk]:
    """A desk that is up; nothing of it is left afterwards."""
    desk = RunningDesk()
    try:
        desk.start(*options)
        yield desk
    finally:
        desk.tidy()
