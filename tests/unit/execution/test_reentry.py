"""Which pairs may enter again, from the runs of the day alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from execution.engine.trades import may_enter_again
from execution.models import StrategyExecution
from strategies.models import StrategyVersion

NOON = datetime(2026, 8, 3, 6, 30, tzinfo=UTC)


def run(phase: str, minutes: int, *, cause="schedule", cycle=1, status="done") -> StrategyExecution:
    due = NOON + timedelta(minutes=minutes)
    return StrategyExecution(
        phase=phase, cycle=cycle, cause=cause, status=status, due_at=due, finished_at=due
    )


def left_by(cause: str, **version) -> StrategyExecution:
    found = run("exit", 0, cause=cause)
    values = {"reentry": "asap", "reentry_after": "stop", "reentry_count": 2}
    found.strategy_version = StrategyVersion(**(values | version))
    return found


ENTRY, AGAIN = run("entry", -160), run("entry", -60, cause="reentry", cycle=2)


@pytest.mark.parametrize(
    ("cause", "version", "runs", "may"),
    [
        ("stop", {}, [ENTRY], True),
        ("stop", {"reentry_after": "either"}, [ENTRY], True),
        ("stop", {"reentry_after": "target"}, [ENTRY], False),
        ("target", {}, [ENTRY], False),
        ("target", {"reentry_after": "either"}, [ENTRY], True),
        ("stop", {}, [ENTRY, AGAIN], True),
        ("stop", {"reentry_count": 1}, [ENTRY, AGAIN], False),
        ("stop", {}, [ENTRY, run("entry", 0, cause="reentry", cycle=2)], False),  # asked already
        ("stop", {}, [ENTRY, run("roll", -1, status="running")], False),
        ("stop", {}, [ENTRY, run("exit", 5, cycle=2)], False),  # it has left again since
    ],
)
def test_one_exit_gives_one_re_entry_after_its_cause_and_within_the_count(cause, version, runs, may):
    assert may_enter_again(left_by(cause, **version), runs) is may
