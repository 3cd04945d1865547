"""`bin/bench faults --day`: a whole simulated day, once in peace and once with a process killed every
few seconds. Both must trade the same contracts and quantities in every pair, and both ledgers agree.

Entries and exits are by the clock and strikes are fixed, so a restart may make them later, never others.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from optionsplatform.bench_faults import MUST_BE_ZERO, TARGETS, say, set_up_django, stop_on_sigterm
from optionsplatform.bench_stack import ROOT, TOKEN, Stack, pause
from optionsplatform.kept import wait_for

SPEED = 60
EVERY = (3.0, 9.0)  # seconds between kills
LONGEST_DAY = 900.0


def run(seed: int) -> int:
    """0 when the disturbed day traded what the other did and its ledgers agree."""
    say(f"day: seed {seed}, speed {SPEED}")
    stop_on_sigterm()
    peace, chaos = _in_a_process(seed, "in peace"), _in_a_process(seed, "killing")
    for day in (peace, chaos):
        say(f"{day['how']}: {day['kills']} kills, {day['orders']} orders, {day['wrong'] or 'both ledgers agree'}")
    for pair in sorted(peace["traded"].keys() | chaos["traded"].keys()):
        same = peace["traded"].get(pair) == chaos["traded"].get(pair)
        say(f"  {pair}: {'the same contracts and quantities' if same else 'DIFFERENT'}")
    equal = bool(peace["traded"]) and peace["traded"] == chaos["traded"]
    return 0 if equal and not peace["wrong"] and not chaos["wrong"] else 1


def _in_a_process(seed: int, how: str) -> dict[str, Any]:
    """The day in a process of its own: Django is set up for one database only."""
    command = [sys.executable, "-m", "optionsplatform.bench_day", str(seed), how]
    day = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        printed, _ = day.communicate()
    finally:
        if day.poll() is None:  # broken off: its stack stops too
            day.terminate()
            day.wait()
    if day.returncode:
        raise SystemExit(f"the day {how} ended with {day.returncode}")
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def _play(seed: int, how: str) -> dict[str, Any]:
    """What each pair traded over the day, and what the ledgers say at its end."""
    folder = Path(tempfile.gettempdir()) / f"bench-day-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    stack = Stack(folder)
    try:
        stack.start("--speed=1", f"--seed={seed}", "--new")
        set_up_django(stack)
        from market.selectors import active_timeline
        from market.services import set_speed
        from optionsplatform import bench_flow
        from optionsplatform.bench_books import Books, is_quiet

        bench_flow.open_story(timed=True)
        set_speed(timeline=active_timeline(), speed=SPEED)
        books, patiently = Books(stack.simulator_url, TOKEN), bench_flow.patiently
        kills, left, rng = 0, LONGEST_DAY, Random(seed)  # noqa: S311 - a schedule, not a secret
        while left > 0 and not patiently(bench_flow.day_is_over):
            wait = rng.uniform(*EVERY)
            pause(wait)
            left -= wait
            if how == "killing":
                stack.kill(rng.choices(list(TARGETS), weights=list(TARGETS.values()))[0])
                kills += 1
        stack.await_up()
        wait_for(lambda: patiently(lambda: is_quiet() and books.compare().is_clean), 90.0)
        found = patiently(books.compare)
        wrong = {name: vars(found)[name] for name in MUST_BE_ZERO if vars(found)[name]}
        return {"how": how, "kills": kills, "orders": books.placed(), "wrong": wrong,
                "traded": patiently(bench_flow.contracts_traded)}  # fmt: skip
    finally:
        stack.stop()


if __name__ == "__main__":
    stop_on_sigterm()
    say(json.dumps(_play(int(sys.argv[1]), sys.argv[2])))
