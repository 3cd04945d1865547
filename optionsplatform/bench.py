"""`bin/bench`: the figures that the README and notes quote. Medians; a wrong result fails the run."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from optionsplatform import bench_faults, bench_replay
from optionsplatform.kept import free_port

ROOT = Path(__file__).resolve().parent.parent
READY = "Ctrl-C stops everything"
PATIENCE = 600.0


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench")
    benches = parser.add_subparsers(dest="bench", required=True)
    benches.add_parser("start", help="first, second and later starts of a fresh clone")
    headless = benches.add_parser("trade_day", help="a recorded day through the engine")
    headless.add_argument("files", nargs="+")
    headless.add_argument("--runs", type=int, default=3)
    benches.add_parser("pricing", help="IV and Greeks: speed beside accuracy, peers in the same table")
    benches.add_parser("live", help="published frame to socket, 1 and 100 sockets")
    benches.add_parser("engine", help="the engine under load; its own options follow", add_help=False)
    bench_replay.add_arguments(benches.add_parser("replay", help="simulated days in a row; --year for a year"))
    bench_faults.add_arguments(benches.add_parser("faults", help="SIGKILLs in a running stack, both ledgers compared"))
    options, options_of_its_own = parser.parse_known_args(words)
    if options_of_its_own and options.bench != "engine":
        parser.error(f"unknown: {' '.join(options_of_its_own)}")
    options.rest = options_of_its_own
    return BENCHES[options.bench](options)


def _live(_options: argparse.Namespace) -> int:
    return _on_own_services("manage.py", "bench_live")


def _engine(options: argparse.Namespace) -> int:
    return _on_own_services("-m", "optionsplatform.engine_bench", *options.rest)


def _on_own_services(*command: str) -> int:
    """A command of Python on a PostgreSQL and a Valkey that exist only for it."""
    words = [sys.executable, "-m", "optionsplatform.throwaway", sys.executable, *command]
    return subprocess.run(words, cwd=ROOT).returncode


def _trade_day(options: argparse.Namespace) -> int:
    """The same files several times: their outputs must be the same bytes."""
    files, runs = options.files, options.runs
    command = [sys.executable, "manage.py", "trade_day", *files, "--json"]
    seconds, outputs = [], set()
    for _ in range(runs):
        began = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True)
        seconds.append(time.perf_counter() - began)
        if done.returncode != 0:
            sys.stderr.write(done.stderr.decode())
            return 1
        outputs.add(done.stdout)
    if len(outputs) != 1:
        _say(f"WRONG: {runs} runs of the same input gave {len(outputs)} different outputs")
        return 1
    _say(f"trade_day: median {statistics.median(seconds):.1f} s of {runs} runs "
         f"({', '.join(f'{s:.1f}' for s in seconds)}), identical output, {len(outputs.pop())} bytes")  # fmt: skip
    return 0


def _pricing(_options: argparse.Namespace) -> int:
    """In its own process on one thread, or the CPU time of a matrix product would count them all."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "optionsplatform.bench_pricing"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | threads).returncode


def _start(_options: argparse.Namespace) -> int:
    """A fresh clone with an empty home: with nothing installed, with no data, with data."""
    folder = Path(tempfile.mkdtemp(prefix="bench-start-"))
    try:
        clone, home = folder / "clone", folder / "home"
        home.mkdir()
        git = shutil.which("git") or "git"
        subprocess.run([git, "clone", "--quiet", str(ROOT), str(clone)], check=True)
        _say(f"first start, with installing:  {_until_ready(clone, home):6.1f} s")
        _say(f"second start, nothing changed: {_until_ready(clone, home):6.1f} s")
        shutil.rmtree(clone / ".data")
        _say(f"new data, packages installed:  {_until_ready(clone, home):6.1f} s")
        warm = [_until_ready(clone, home) for _ in range(3)]
        _say(f"warm start:                    {statistics.median(warm):6.1f} s (median of 3)")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _until_ready(clone: Path, home: Path) -> float:
    """Seconds from the command to every process up; then it is stopped as Ctrl-C would."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    began = time.perf_counter()
    command = [str(clone / "bin/start"), "--port", str(free_port()), "--speed", "10"]
    with subprocess.Popen(
        command, cwd=clone, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as running:
        assert running.stdout is not None
        said = []
        for line in running.stdout:
            said.append(line)
            if READY in line:
                break
            if time.perf_counter() - began > PATIENCE:
                break
        took = time.perf_counter() - began
        ready = bool(said) and READY in said[-1]
        running.send_signal(signal.SIGINT)
        for _ in running.stdout:
            pass
    if not ready:
        raise SystemExit(f"the desk did not start:\n{''.join(said)}")
    return took


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


BENCHES = {
    "start": _start, "trade_day": _trade_day, "pricing": _pricing, "live": _live, "engine": _engine,
    "replay": bench_replay.run, "faults": bench_faults.run,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
