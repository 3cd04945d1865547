"""`bin/bench replay`: simulated days in a row through the engine, a year of them with --year.

A fresh seed each time unless one is given, and printed. It fails when a run differs from another of
the same seed, when the paper broker's books and ours differ, or when a script that shares no code
with the project does not find the same P&L in the fills.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from market.sources.paths import playable

ROOT = Path(__file__).resolve().parent.parent
RECOMPUTE = ROOT / "tests" / "end_to_end" / "recompute.py"
FIRST, LAST = (
    date(2026, 1, 1),
    date(2026, 12, 29),
)  # rates as the script knows them, to the last known expiry
DAYS, EVERY, RUNS = 10, 900, 2
SHORT = 3  # days that are played twice where the whole is played once


class Wrong(Exception):
    """A run did not give what it must."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--days", type=int, default=DAYS, help=f"trading days from {FIRST}; default {DAYS}"
    )
    parser.add_argument("--year", action="store_true", help=f"every trading day to {LAST}, once")
    parser.add_argument("--seed", type=int, help="default: a fresh one, printed")
    parser.add_argument(
        "--every", type=int, default=EVERY, help=f"seconds between frames; default {EVERY}"
    )
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of the same seed; default {RUNS}")


def run(options: argparse.Namespace) -> int:
    """0 when every run was right."""
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    days, runs = (_year(), 1) if options.year else (options.days, options.runs)
    _say(
        f"replay: seed {seed}, {days} simulated days from {FIRST}, a frame every {options.every} s and when the strategies act"
    )
    try:
        if runs == 1:
            _same([_play(min(SHORT, days), seed, options.every)[0] for _ in range(2)])
        played = [_play(days, seed, options.every) for _ in range(runs)]
        _same([text for text, _ in played])
        report = _checked(played[0][0])
    except Wrong as problem:
        _say(f"WRONG: {problem}")
        return 1
    seconds = statistics.median(took for _, took in played)
    _say(f"replay: {seconds:.1f} s for {days} days, {days / seconds:.2f} days a second, median of {runs}; "
         f"{len(report['orders'])} orders, {len(report['fills'])} fills, "
         f"net {report['baskets'][0]['net']}, recomputed to the paisa; {'same seed, same bytes' if runs > 1 else 'played once'}")  # fmt: skip
    return 0


def _play(days: int, seed: int, every: int) -> tuple[bytes, float]:
    """What one run printed, and its seconds with start and database."""
    words = ["--simulate", days, "--seed", seed, "--first-day", FIRST, "--every", every, "--json"]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "manage.py", "trade_day", *map(str, words)], cwd=ROOT, capture_output=True
    )
    took = time.perf_counter() - began
    if done.returncode != 0:
        raise Wrong(
            f"trade_day ended with {done.returncode}: {done.stderr.decode().strip()[-500:]}"
        )
    return done.stdout, took


def _same(outputs: list[bytes]) -> None:
    if len(set(outputs)) != 1:
        raise Wrong(
            f"{len(outputs)} runs of the same seed gave {len(set(outputs))} different outputs"
        )


def _checked(text: bytes) -> dict[str, Any]:
    """The report, when the books agree and the script finds the same money in the fills."""
    report: dict[str, Any] = json.loads(text)
    if report["ledger"]["unexplained"] or report["ledger"]["sent_twice"]:
        raise Wrong(f"the books differ: {report['ledger']}")
    if not report["fills"]:
        raise Wrong("nothing was traded")
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(text)
        file.flush()
        found = subprocess.run(
            [sys.executable, "-I", str(RECOMPUTE), file.name], capture_output=True, text=True
        )
    if found.returncode != 0:
        raise Wrong(
            f"recomputed from the fills: {found.stdout.strip()[-500:]}{found.stderr[-500:]}"
        )
    return report


def _year() -> int:
    span = (LAST - FIRST).days + 1
    return sum(1 for n in range(span) if playable(FIRST + timedelta(days=n)) is not None)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
