"""`bin/bench faults`: SIGKILLs in a running stack, and what both ledgers say afterwards.

Every kill follows from the seed and its number, so a run that was broken off goes on with --resume.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import django

from optionsplatform.bench_stack import TOKEN, Stack, pause
from optionsplatform.kept import wait_for

KILLS, IN_A_ROUND, SETTLED_WITHIN = 500, 4, 120.0
HELD = 0.6  # of the rounds leave the pairs with stops at the broker as they are, to be killed under them
TARGETS = {
    "worker": 9, "simulator": 3, "streams": 3, "beat": 2, "market": 2, "postgres": 2, "valkey": 1,
    "live": 1, "web": 1,
}  # fmt: skip
#: What the network does in the round: none of it, answers or requests cut off, everything slow.
NETWORK: dict[str, tuple[int, list[dict[str, Any]]]] = {
    "whole": (6, []),
    "answer held": (4, [{"kind": "delay_answer", "seconds": 1.5, "count": 2}]),
    "answers cut": (2, [{"kind": "drop_answer", "count": 2}]),
    "answers say 500": (1, [{"kind": "answer_500_but_placed", "count": 2}]),
    "late in the book": (1, [{"kind": "drop_answer", "count": 1}, {"kind": "hide_order_for", "seconds": 5}]),
    "slow": (1, [{"kind": "delay_answer", "seconds": 0.4, "count": 12},
                 {"kind": "delay_answer", "route": "orders", "seconds": 0.4, "count": 6}]),
}  # fmt: skip
DECIDED = "decided by the owner"  # orders that never arrived: so their pairs trade on
MUST_BE_ZERO = ("duplicates", "orphans", "phantoms", "naked_shorts", "stops_left", "lost_fills",
                "positions", "unexplained_unknown")  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=KILLS, help=f"default {KILLS}")
    parser.add_argument("--seed", type=int, help="default: a fresh one, printed")
    parser.add_argument("--resume", action="store_true", help="go on where the run of --seed ended")
    parser.add_argument("--day", action="store_true", help="one whole day, disturbed and undisturbed")


def run(options: argparse.Namespace) -> int:
    """0 when everything that must be zero is."""
    if options.resume and options.seed is None:
        raise SystemExit("--resume needs the --seed of the run that is to go on")
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    if options.day:
        from optionsplatform import bench_day

        return bench_day.run(seed)
    folder = Path(tempfile.gettempdir()) / f"bench-faults-{seed}"
    if not options.resume:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755, exist_ok=True)
    say(f"faults: seed {seed}, {options.kills} kills, in {folder}")
    stop_on_sigterm()
    stack = Stack(folder)
    try:
        stack.start("--speed=1", f"--seed={seed}", *([] if options.resume else ["--new"]))
        set_up_django(stack)
        return Proof(stack, folder, seed).play(options.kills)
    finally:
        stack.stop()


class Proof:
    """Rounds of kills; what has been done stands in progress.json."""

    def __init__(self, stack: Stack, folder: Path, seed: int) -> None:
        from optionsplatform import bench_flow
        from optionsplatform.bench_books import Books, stops_at_broker

        self._stack, self._seed, self._flow = stack, seed, bench_flow
        self._books, self._stops = Books(stack.simulator_url, TOKEN), stops_at_broker
        self._progress = folder / "progress.json"
        self._done: Counter[str] = Counter()
        if self._progress.exists():
            self._done.update(json.loads(self._progress.read_text()))
        self._user = bench_flow.open_story()

    def play(self, kills: int) -> int:
        while (made := self._made()) < kills:
            self._round(Random(f"{self._seed}:{made}"))  # noqa: S311 - a schedule, not a secret
            for name, count in self._settle().items():
                self._done[self._bad_key(name)] += count
            self._progress.write_text(json.dumps(self._done))
            bad = self._bad()
            say(f"{self._made():5} kills, {self._books.placed()} orders, stops {self._stops_line()}, "
                f"{dict(bad) or 'nothing wrong'}")  # fmt: skip
        return self._report(self._bad())

    @staticmethod
    def _key(network: str) -> str:
        return f"network {network}"

    @staticmethod
    def _bad_key(name: str) -> str:
        return f"bad {name}"

    def _bad(self) -> Counter[str]:
        """What was wrong since the run of this seed began, before it was broken off too."""
        names = (*MUST_BE_ZERO, "not quiet")
        return Counter({name: n for name in names if (n := self._done[self._bad_key(name)])})

    def _stops_line(self) -> str:
        counts = self._flow.patiently(self._stops)
        return ", ".join(f"{count} {name}" for name, count in counts.items())

    def _made(self) -> int:
        return sum(count for name, count in self._done.items() if name in TARGETS)

    def _round(self, rng: Random) -> None:
        """Trades begin, and while they are under way single processes are killed."""
        network = rng.choices(list(NETWORK), weights=[weight for weight, _ in NETWORK.values()])[0]
        self._done[self._key(network)] += 1
        before = self._books.placed()
        for fault in NETWORK[network][1]:
            self._books.arm(**fault)
        self._done[DECIDED] += self._flow.patiently(lambda: self._flow.decide_unanswered(self._user))
        hold = rng.random() < HELD
        self._flow.patiently(lambda: self._flow.turn(self._user, hold=hold))
        if network == "answer held":  # the order is at the broker, its answer is not yet here
            wait_for(lambda: self._books.placed() > before, 8.0)
            self._kill("worker")
        for _ in range(IN_A_ROUND):
            pause(rng.uniform(0.0, 2.5))
            self._kill(rng.choices(list(TARGETS), weights=list(TARGETS.values()))[0])

    def _kill(self, name: str) -> None:
        self._stack.kill(name)
        self._done[name] += 1

    def _settle(self) -> dict[str, int]:
        """The faults stop; both ledgers must agree, or what is wrong is counted and said."""
        self._stack.await_up()
        self._books.disarm()
        found = self._flow.patiently(self._books.compare)
        quiet = wait_for(self._is_settled, SETTLED_WITHIN)
        if not quiet:
            found = self._flow.patiently(self._books.compare)
        wrong = {name: vars(found)[name] for name in MUST_BE_ZERO if vars(found)[name]} if not quiet else {}
        for name, lines in wrong.items():
            say(f"  {name}: {lines[:3]}")
        if not quiet and not wrong:
            say("  not quiet: runs or orders are still under way")
            return {"not quiet": 1}
        return {name: len(lines) for name, lines in wrong.items()}

    def _is_settled(self) -> bool:
        from optionsplatform.bench_books import is_quiet

        return bool(self._flow.patiently(lambda: is_quiet() and self._books.compare().is_clean))

    def _report(self, bad: Counter[str]) -> int:
        last = self._flow.patiently(self._books.compare)
        say(f"\nkills: {', '.join(f'{name} {self._done[name]}' for name in TARGETS)}")
        say(f"network: {', '.join(f'{name} {self._done[self._key(name)]}' for name in NETWORK)}")
        say(f"orders at the broker: {self._books.placed()}")
        say(f"stops at the broker: {self._stops_line()}")
        for name in MUST_BE_ZERO:
            say(f"{name.replace('_', ' '):20} {bad[name]}")
        say(f"{'rounds not quiet':20} {bad['not quiet']}")
        say(f"{'UNKNOWN, decided':20} {self._done[DECIDED]}")
        say(f"{'UNKNOWN, explained':20} {len(last.unknown)}")
        for line in last.unknown:
            say(f"  {line}")
        return 1 if bad else 0


def stop_on_sigterm() -> None:
    """Broken off from outside, the stack stops too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def set_up_django(stack: Stack) -> None:
    os.environ.update(stack.environment)
    django.setup()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


