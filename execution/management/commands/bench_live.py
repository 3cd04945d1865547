"""`manage.py bench_live`: from a published frame to the browser's end of the socket, for real.

A throwaway database and an empty Valkey database; run_live and uvicorn as processes of their own;
this process publishes frames and holds the sockets. Any wrong or missing row fails the run.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import orjson
import redis
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from websockets.asyncio.client import ClientConnection, connect

from allocations.models import StrategyBrokerAllocation
from baskets.models import Basket
from brokers.models import BrokerAccount
from execution.live.lines import Line, Scope, build
from execution.live.valuation import revalue
from execution.models import Position
from market import quotes
from market.kernel.contracts import parse
from market.kernel.frame import Frame, Quote
from market.models import Contract, Timeline
from strategies.models import Strategy, StrategyVersion
from users.models import User

KEY = "bench"
START = datetime(2026, 8, 4, 4, 30, tzinfo=UTC)
DAY, EXPIRY = date(2026, 8, 4), date(2026, 8, 11)
HELD = tuple(f"NIFTY-20260811-{k}" for k in ("24300-PE", "24400-PE", "24600-CE", "24700-CE"))
QUANTITY = -130
CHAIN = tuple(f"NIFTY-20260811-{k}-{t}" for k in range(22000, 27000, 50) for t in ("CE", "PE"))
PER_SECOND = 5
READY_SECONDS = 120


class Command(BaseCommand):
    help = "Measures frame to socket, p50 and p95, with 1 and 100 sockets at 5 frames a second."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--frames", type=int, default=50, help="measured frames of each run")
        parser.add_argument("--sockets", type=int, nargs="+", default=[1, 100])
        parser.add_argument("--redis-url", help="an empty Valkey database (default: number 15)")

    def handle(self, *args: Any, **options: Any) -> None:
        url = options["redis_url"] or settings.REDIS_URL.rpartition("/")[0] + "/15"
        self.stdout.write(f"2,000 positions revalued in {revaluation() * 1000:.1f} ms (median of 21)")
        with ExitStack() as stack:
            client = stack.enter_context(empty_valkey(url))
            env = stack.enter_context(throwaway_database()) | {"REDIS_URL": url}
            cookies = make_world(max(options["sockets"]))
            publish(client, 0)
            port = free_port()
            stack.enter_context(process(["-m", "uvicorn", "optionsplatform.asgi:application", "--port", str(port), "--log-level", "warning", "--no-access-log"], env))
            stack.enter_context(process(["manage.py", "run_live"], env))
            wait_until_up(client, port)
            first = 1
            for sockets in options["sockets"]:
                run = Run(client, port, cookies[:sockets], first, options["frames"])
                taken = asyncio.run(run.measure())
                first += options["frames"]
                self.report(sockets, options["frames"], taken)

    def report(self, sockets: int, frames: int, taken: list[float]) -> None:
        merged = sockets * frames - len(taken)
        cuts = statistics.quantiles(taken, n=100, method="inclusive")
        self.stdout.write(
            f"{sockets:>5} sockets, {frames} frames at {PER_SECOND}/s, {len(taken)} updates right, {merged} merged into newer ones: "
            f"p50 {cuts[49] * 1000:.1f} ms, p95 {cuts[94] * 1000:.1f} ms, max {max(taken) * 1000:.1f} ms"
        )


@dataclass
class Run:
    """Frames out, rows in; every row is compared with what that frame must give."""

    client: redis.Redis
    port: int
    cookies: list[str]
    first: int
    frames: int
    sent: dict[int, float] = field(default_factory=dict)
    taken: list[float] = field(default_factory=list)

    async def measure(self) -> list[float]:
        joined = [asyncio.Event() for _ in self.cookies]
        last = self.first + self.frames - 1
        readers = [
            asyncio.create_task(self._read(cookie, event, last))
            for cookie, event in zip(self.cookies, joined, strict=True)
        ]
        await asyncio.wait_for(asyncio.gather(*(event.wait() for event in joined)), READY_SECONDS)
        for n in range(self.first, last + 1):
            self.sent[n] = time.perf_counter()
            publish(self.client, n)
            await asyncio.sleep(max(0.0, self.sent[n] + 1 / PER_SECOND - time.perf_counter()))
        async with asyncio.timeout(15):
            await asyncio.gather(*readers)
        return self.taken

    async def _read(self, cookie: str, joined: asyncio.Event, last: int) -> None:
        site = f"127.0.0.1:{self.port}"
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}
        async with connect(f"ws://{site}/ws/live", origin=f"http://{site}", additional_headers=headers) as ws:  # type: ignore[arg-type]  # a dict of headers is accepted
            await ws.send(orjson.dumps({"id": 1, "op": "sub", "ch": ["positions", "summary", "market"]}).decode())
            await self._follow(ws, joined, last)

    async def _follow(self, ws: ClientConnection, joined: asyncio.Event, last: int) -> None:
        rows: dict[str, dict[str, Any]] = {}
        seq, seen = -1, self.first - 1
        while seen < last:
            message = orjson.loads(await ws.recv())
            arrived = time.perf_counter()
            if message.get("ch") != "positions":
                continue
            if message["t"] == "delta" and message["prev"] != seq:
                raise CommandError(f"delta {message['seq']} follows {seq}")
            seq = message["seq"]
            for key, changed in message["d"].items():
                rows[key] = {**rows.get(key, {}), **changed}
            joined.set()
            if (n := frame_shown(rows)) > seen:  # the last frame must come: the run waits for it
                self.taken.append(arrived - self.sent[n])
                seen = n


def revaluation() -> float:
    """Seconds for one revaluation of 2,000 positions in 2,000 contracts."""
    symbols = [f"NIFTY-20260811-{k}-{t}" for k in range(20000, 30000, 10) for t in ("CE", "PE")]
    scope, zero = Scope(1, 1, 1, 1, 1), Decimal(0)
    book = build(
        Line(n, scope, parse(symbol), 65, QUANTITY, Decimal(100), Decimal(100) * QUANTITY, zero, zero, zero, zero)
        for n, symbol in enumerate(symbols)
    )
    frame = make_frame(0, symbols)
    taken = []
    for _ in range(21):
        start = time.perf_counter()
        revalue(book, frame)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def frame_shown(rows: dict[str, dict[str, Any]]) -> int:
    """The frame whose prices these rows show; every row must show the same, with the right P&L."""
    numbers = {round((Decimal(row["ltp"]) - 100) / Decimal("0.05")) for row in rows.values()}
    if len(rows) != len(HELD) or len(numbers) != 1:
        raise CommandError(f"the rows show frames {sorted(numbers)} at once")
    (n,) = numbers
    wanted = QUANTITY * (price(n) + Decimal("0.05") - 100)
    wrong = [row["pnl"] for row in rows.values() if Decimal(row["pnl"]) != wanted]
    if wrong:
        raise CommandError(f"P&L {wrong[0]} at frame {n}, expected {wanted}")
    return n


def price(n: int) -> Decimal:
    return Decimal(100) + n * Decimal("0.05")


def publish(client: redis.Redis, n: int) -> None:
    quotes.publish(make_frame(n, CHAIN), client=client)


def make_frame(n: int, symbols: Iterable[str]) -> Frame:
    now = START + timedelta(seconds=n)
    ltp, tick = price(n), Decimal("0.05")
    quote = Quote(ltp - tick, ltp + tick, ltp, 650, 650, now)
    forwards = {("NIFTY", EXPIRY): Decimal("24500")}
    spots = {"NIFTY": Decimal("24490.15") + n}
    every = dict.fromkeys(symbols, quote)
    return Frame(
        timeline=KEY, n=n, now=now, cadence=1.0, quotes=every, spots=spots, forwards=forwards
    )


def make_world(users: int) -> list[str]:
    """One short position in each held contract for every user; returns their session keys."""
    timeline = Timeline.objects.create(key=KEY, source="simulated", first_day=DAY, active=True)
    contracts = [make_contract(symbol) for symbol in HELD]
    cookies = []
    for n in range(users):
        user = User.objects.create_user(f"bench{n}@example.com")
        pair = make_pair(user)
        Position.objects.bulk_create(
            Position(allocation=pair, timeline=timeline, contract=c, product="NRML", leg_number=1, quantity=QUANTITY, cost=100 * QUANTITY, average_price=100, day=DAY)
            for c in contracts
        )
        session = SessionStore()
        session.update({SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0], HASH_SESSION_KEY: user.get_session_auth_hash()})
        session.save()
        cookies.append(str(session.session_key))
    return cookies


def make_contract(symbol: str) -> Contract:
    spec = parse(symbol)
    return Contract.objects.create(
        symbol=symbol, exchange="NSE", underlying=spec.underlying, expiry=spec.expiry, option_type=spec.option_type, strike=spec.strike, lot_size=65, tick_size=Decimal("0.05")
    )


def make_pair(user: User) -> StrategyBrokerAllocation:
    basket = Basket.objects.create(owner=user, name="Bench")
    strategy = Strategy.objects.create(basket=basket, name="Strangle", underlying="NIFTY")
    version = StrategyVersion.objects.create(strategy=strategy, number=1, entry_time=clock_time(9, 20))
    account = BrokerAccount.objects.create(user=user, broker="zerodha", mode="paper", client_id="B", label="B", capital=1)
    return StrategyBrokerAllocation.objects.create(
        strategy=strategy, broker_account=account, strategy_version=version, lots=2, max_lots=2, max_day_loss=1, max_margin=1, max_open_positions=4
    )


@contextmanager
def throwaway_database():
    """Migrated, used as this process's database, dropped at the end; yields the children's environment."""
    connection.settings_dict["TEST"]["NAME"] = f"bench_live_{os.getpid()}"
    before = connection.settings_dict["NAME"]
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield {"DATABASE_URL": urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl()}
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)


@contextmanager
def empty_valkey(url: str):
    client = redis.Redis.from_url(url)
    if client.dbsize():
        raise CommandError(f"{url} is not empty; name an empty Valkey database with --redis-url")
    try:
        yield client
    finally:
        client.flushdb()
        client.close()


@contextmanager
def process(arguments: list[str], env: dict[str, str]):
    child = subprocess.Popen([sys.executable, *arguments], env=os.environ | env, cwd=settings.BASE_DIR)  # noqa: S603 - fixed commands
    try:
        yield child
    finally:
        child.terminate()
        child.wait(timeout=20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_up(client: redis.Redis, port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0 and client.exists("heartbeat:live"):
                return
        client.blpop(["bench:nothing"], timeout=0.2)  # a pause
    raise CommandError(f"the web server or run_live was not up within {READY_SECONDS} s")
