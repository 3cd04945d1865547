"""The engine under load, with real processes and the simulator as witness.

Quiet entries one by one, then every pair due in the same second, then a halt in the middle of another
wave, then a killed worker. A duplicate, a wrong quantity or a broken limit of rate fails the run.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from baskets.models import Basket
from execution import services
from execution.headless.world import throwaway_database
from execution.management.commands.bench_live import empty_valkey
from execution.models import Order, StrategyExecution
from execution.states import AT_BROKER, OPEN_STATES, OrderState
from market.kernel.clock import IST
from optionsplatform.engine_bench import world
from optionsplatform.engine_bench.failure import Wrong
from optionsplatform.engine_bench.stack import Stack, database_cpu, pause, stack
from optionsplatform.engine_bench.witness import Witness
from users.models import User

FIRST_PROBE, BETWEEN = 12, 1.1  # seconds of market time
PATIENCE = 600.0
LOOK = 0.2
LEGS = 4


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench engine", description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--probes", type=int, default=30, help="quiet entries that are timed")
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    parser.add_argument("--seed", type=int, help="default: a fresh one, printed")
    parser.add_argument("--keep", type=Path, help="leave logs and the ledger in this folder")
    options = parser.parse_args(words)
    if not 1 <= options.accounts <= options.pairs or options.probes < 2:
        parser.error("give at least one pair for each account, and two probes")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the processes stop too
    options.seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    try:
        bench(options)
    except Wrong as problem:
        say(f"WRONG: {problem}")
        return 1
    say("lots exact, nothing placed twice, no window of any broker exceeded")
    return 0


def bench(options: argparse.Namespace) -> None:
    """Everything of its own: a database, an empty Valkey database, a folder, processes."""
    folder = options.keep or Path(tempfile.mkdtemp(prefix="bench-engine-"))
    folder.mkdir(parents=True, exist_ok=True)
    url = settings.REDIS_URL.rpartition("/")[0] + "/15"
    say(f"engine: seed {options.seed}, {options.pairs} four-leg pairs on {options.accounts} accounts, "
        f"{options.workers} worker process(es), {os.cpu_count()} cores")  # fmt: skip
    with ExitStack() as held:
        if options.keep is None:
            held.callback(shutil.rmtree, folder, ignore_errors=True)
        valkey = held.enter_context(empty_valkey(url))
        database = f"bench_engine_{os.getpid()}"
        held.enter_context(throwaway_database(database))
        desk = held.enter_context(stack(folder, database, url))
        settings.SIMULATOR_URL = desk.environment["SIMULATOR_URL"]
        run = Run(desk, valkey, options)
        held.callback(run.close)
        run.play()
    if run.wrong:
        raise Wrong("; ".join(run.wrong[:20]))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Run:
    """One run of the bench, phase by phase."""

    def __init__(self, desk: Stack, valkey: Any, options: argparse.Namespace) -> None:
        self.desk, self.valkey, self.options = desk, valkey, options
        self.witness = Witness(Path(desk.environment["SIMULATOR_DB"]))
        self.workers = [f"worker-{n}" if n > 1 else "worker" for n in range(1, options.workers + 1)]
        self.wrong: list[str] = []
        self.seed = options.seed
        self.market: world.Market | None = None

    def play(self) -> None:
        self.desk.start("simulator")
        self.desk.await_up(self.valkey, "simulator")
        self._build()
        assert self.market is not None
        self.desk.start(*self.workers, "streams", "beat")
        self.desk.await_up(self.valkey, "worker", "streams", "beat")
        self.market.start()
        self._quiet()
        self._storm()
        self._restart()
        self._halt()

    def close(self) -> None:
        if self.market is not None and self.market.is_alive():
            self.market.stop()

    def _build(self) -> None:
        """Probes enter one by one, then all pairs in one second, then a last strategy that is halted."""
        probes, pairs, accounts = (self.options.probes, self.options.pairs, self.options.accounts)
        timeline = world.make_timeline(self.seed)
        self.user = User.objects.create_user("bench@example.com")
        found = world.make_accounts(self.user, accounts)
        basket = Basket.objects.create(owner=self.user, name="Bench")
        start = world.moment(9, 20)
        self.probes = []
        for n in range(probes):
            due = start + timedelta(seconds=FIRST_PROBE + int(n * BETWEEN))
            version = world.make_strategy(basket, n, due.astimezone(IST).time())
            world.make_pairs(version, [found[n % accounts]])
            self.probes.append(version.strategy_id)
        self.due = start + timedelta(seconds=FIRST_PROBE + int(probes * BETWEEN) + 8)
        self.storm = []
        for n in range(0, pairs, accounts):
            version = world.make_strategy(basket, 100 + n, self.due.astimezone(IST).time())
            world.make_pairs(version, found[: pairs - n])
            self.storm.append(version.strategy_id)
        never = world.moment(15, 20).astimezone(IST).time()
        version = world.make_strategy(basket, 99, never)
        world.make_pairs(version, found)
        self.last = version
        self.market = world.Market(timeline, self.seed, start, self.valkey)

    def _quiet(self) -> None:
        """Nothing else is due: what one entry costs from its time to the broker."""
        self._until(lambda: self._done(self.probes) == len(self.probes), "the probes to be filled")
        sent = self._orders(self.probes)
        arrivals = self.witness.arrivals()
        assert self.market is not None
        due, intent = [], []
        first: dict[int, float] = {}
        for order in sent:
            at = arrivals.get(order.client_ref)
            if at is None or order.written_at is None:
                continue  # never left: the connection was refused
            first[order.execution_id] = min(first.get(order.execution_id, at), at)
            intent.append(at - order.written_at.timestamp())
        for run in StrategyExecution.objects.filter(pk__in=first):
            due.append(first[run.pk] - self.market.published[run.due_at])
        self._check_ended(self.probes)
        say(_line("due time to first byte at the broker", due))
        say(_line("intent (READY written) to the broker's socket", intent))

    def _storm(self) -> None:
        """Every pair due in the same second."""
        assert self.market is not None
        wanted, published = self.options.pairs, self.market.published
        self._until(lambda: self.due in published, "the due second")
        began, cpu, database = published[self.due], self.desk.cpu(), database_cpu()
        self._until(lambda: self._done(self.storm) >= wanted, "every pair to be filled")
        took = time.time() - began
        arrivals = self.witness.arrivals()
        by_account: dict[int, float] = {}
        orders = self._orders(self.storm)
        for order in orders:
            at = arrivals.get(order.client_ref, float("inf")) - began
            by_account[order.broker_account_id] = min(by_account.get(order.broker_account_id, at), at)
        last = max(arrivals[o.client_ref] for o in orders if o.client_ref in arrivals) - began
        say(
            f"storm: first order at every account after {max(by_account.values()):.1f} s "
            f"(the first after {min(by_account.values()):.2f} s), last order sent after {last:.1f} s, "
            f"all {wanted} pairs filled after {took:.1f} s: {len(orders) / took:.0f} orders a second; "
            f"slowest frame {self.market.slowest:.1f} s, busiest second of an account {self.witness.busiest()} calls"
        )
        spent = {name: used - cpu.get(name, 0.0) for name, used in self.desk.cpu().items()}
        spent["postgresql"] = database_cpu() - database
        say("storm: CPU seconds " + ", ".join(f"{name} {s:.1f}" for name, s in spent.items()))
        self._check_ended(self.storm)
        self.wrong += self.witness.faults()

    def _restart(self) -> None:
        """Workers and streams killed while exits are under way; how long until our rows are right again."""
        strategy = self.storm[0]
        act: services.Act = {"by": self.user, "source": "bench", "now": datetime.now(UTC)}
        services.exit_now(user=self.user, scope="strategy", target=strategy, **act)
        exits = Order.objects.filter(allocation__strategy=strategy, action="close")
        self._until(lambda: exits.exclude(status="READY").count() > self.options.accounts, "exits under way")
        self.desk.kill(*self.workers, "streams")
        for name in ("worker", "streams"):
            self.valkey.delete(f"heartbeat:{name}")
        pause(1.0)
        filled = self.witness.filled()
        began = time.time()
        self.desk.start(*self.workers, "streams")
        self._until(lambda: self._agrees(filled), "our rows to agree with the broker's")
        agreed = time.time() - began
        self._until(self._is_quiet, "the exits to end")
        say(
            f"killed worker and streams during {exits.count()} exits: restart to synced {agreed:.1f} s, "
            f"all flat after {time.time() - began:.1f} s but {self._unanswered().count()} orders that the killed "
            "worker had committed and whose answer nobody has: not sent again, the owner is asked"
        )
        self.wrong += self.witness.faults()

    def _halt(self) -> None:
        """A halt of everything in the middle of a wave of entries."""
        pairs = list(self.last.strategy.allocations.select_related("strategy", "broker_account"))
        now = datetime.now(UTC)
        act: services.Act = {"by": self.user, "source": "bench", "now": now}
        at = max(self.market.published) if self.market else now
        services.enter_now(user=self.user, entries=[(pair, self.last) for pair in pairs], at=at, **act)
        mine = Order.objects.filter(allocation__in=pairs, action="open")
        self._until(mine.filter(status__in=AT_BROKER | {"FILLED"}).exists, "the first entry to be sent")
        asked = time.time()
        services.kill(user=self.user, scope="user", target=None, **act)
        effective = time.time()
        self._until(self._is_quiet, "everything to be flat")
        late = mine.filter(sending_at__gt=datetime.fromtimestamp(effective, UTC))
        arrivals = self.witness.arrivals()
        reached = max(arrivals[ref] for ref in mine.values_list("client_ref", flat=True) if ref in arrivals)
        say(
            f"halt: committed {effective - asked:.2f} s after it was asked, last opening order at the broker "
            f"{reached - asked:+.2f} s; {late.count()} sent after it; everything flat after {time.time() - asked:.1f} s"
        )
        if late.exists():
            self.wrong.append(f"{late.count()} opening orders were sent after the halt")
        self.wrong += self.witness.faults()
        held = self.witness.rows("SELECT count(*) FROM positions WHERE quantity != 0")[0][0]
        if int(str(held)) > self._unanswered().count() * LEGS:
            self.wrong.append(f"{held} positions are left at the broker after the kill")

    def _check_ended(self, strategies: list[int]) -> None:
        runs = StrategyExecution.objects.filter(allocation__strategy__in=strategies, phase="entry")
        for run in runs.exclude(status="done")[:10]:
            self.wrong.append(f"{run} {run.status} {run.code} {run.detail}")

    def _unanswered(self) -> QuerySet[Order]:
        return Order.objects.filter(status=OrderState.UNKNOWN)

    def _is_quiet(self) -> bool:
        """Nothing is on its way, and no run goes on except behind an order without an answer."""
        busy = Order.objects.filter(status__in=OPEN_STATES - {OrderState.UNKNOWN})
        runs = StrategyExecution.objects.filter(status__in=["due", "running"])
        stuck = self._unanswered().values("allocation")
        return not (busy.exists() or runs.exclude(allocation__in=stuck).exists())

    def _done(self, strategies: list[int]) -> int:
        runs = StrategyExecution.objects.filter(allocation__strategy__in=strategies, phase="entry")
        return runs.exclude(status__in=["due", "running"]).count()

    def _orders(self, strategies: list[int]) -> list[Order]:
        rows = Order.objects.filter(Q(action="open"), allocation__strategy__in=strategies)
        return list(rows.exclude(sending_at=None))

    def _agrees(self, filled: dict[str, int]) -> bool:
        ours = dict(Order.objects.filter(client_ref__in=filled).values_list("client_ref", "filled_quantity"))
        return all(ours.get(ref, 0) >= units for ref, units in filled.items())

    def _until(self, true: Any, what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > deadline:
                raise Wrong(f"waited {PATIENCE:.0f} s for {what}")
            pause(LOOK)


def _line(what: str, seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return (
        f"{what}: p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms, "
        f"max {max(seconds) * 1000:.1f} ms ({len(seconds)} measured)"
    )
