"""Ten thousand schedules of crashes, lost answers, late books, repeats and halts: no invariant breaks.

Each runs the engine's own decisions on rows in memory, against a broker with books of its own. The
seed is printed in pytest's header; SCHEDULES_SEED=<seed> plays the same ones again, SCHEDULES=<n> more.
"""

import os
from collections import Counter

import pytest

from tests.unit.execution.schedules.broker import Violation
from tests.unit.execution.schedules.play import Schedule

SEED = os.environ["SCHEDULES_SEED"]
COUNT = int(os.environ.get("SCHEDULES", "10000"))


EVERYTHING = {
    "killed", "halted", "unknown", "adopted", "rejected", "never sent", "partly filled", "cancelled",
    "sliced", "unwound", "exited", "late in the book", "filled while being cancelled",
    "filled after its end",
    "stop placed", "stop filled", "stop partly filled", "stop moved", "stop withdrawn", "stop refused",
    "stop unknown", "stop filled while being cancelled", "leg left alone",
}  # fmt: skip


def test_no_schedule_breaks_an_invariant():
    """The rarest thing happens four times in ten thousand: where it has not, more are played."""
    met = Counter()
    for n in range(4 * COUNT):
        if n >= COUNT and (COUNT < 10_000 or met.keys() >= EVERYTHING):
            break
        schedule = Schedule(f"{SEED}:{n}")
        try:
            schedule.play()
        except Violation as violation:
            pytest.fail(f"SCHEDULES_SEED={SEED}, schedule {n}: {violation}")
        met.update(schedule.met())

    missing = EVERYTHING - met.keys()
    assert COUNT < 10_000 or not missing, f"these schedules prove too little: {missing}"


def test_a_seed_is_the_same_schedule_every_time():
    def story(seed):
        schedule = Schedule(seed)
        schedule.play()
        return [(o.client_ref, o.status, o.filled_quantity) for o in schedule.rows.orders.values()], schedule.kills

    assert story("7:7") == story("7:7")
    assert story("7:7") != story("7:8")
