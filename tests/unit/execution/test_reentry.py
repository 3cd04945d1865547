"""Which pairs may enter again, from the runs of the day alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from execution.engine.trades import may_come_back, may_enter_again
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


def leg(minutes: int, number: int, *, status="due", **fields) -> StrategyExecution:
    found = run("adjust", minutes, cause="reentry", status=status, **fields)
    found.only_legs = [number]
    return found


def begun(phase: str, minutes: int, **fields) -> StrategyExecution:
    found = run(phase, minutes, **fields)
    found.started_at = found.due_at
    return found


def left_alone(minutes: int, number: int, *, cycle=1) -> StrategyExecution:
    found = left_by("leg_stop")
    found.only_legs, found.cycle = [number], cycle
    found.due_at = found.finished_at = NOON + timedelta(minutes=minutes)
    return found


GOING = run("exit", 5, cause="user", cycle=2, status="running")
GOING.finished_at = None


@pytest.mark.parametrize(
    ("runs", "may"),
    [
        ([begun("entry", -160)], True),
        ([leg(-60, 3, status="done")], True),  # it came back from an earlier stop
        ([leg(-60, 3, status="done"), leg(-30, 3, status="missed")], False),  # the count is used up
        ([leg(-60, 4), leg(-30, 4)], True),  # each leg has a count of its own
        ([leg(0, 3)], False),  # asked already
        ([left_alone(10, 4, cycle=2)], True),  # legs that go one by one do not end the trade
        ([run("exit", -100, cause="stop")], True),  # an earlier trade of the day
        ([run("exit", 5, cause="target", cycle=2)], False),
        ([GOING], False),
        ([begun("roll", 5)], False),
        ([run("roll", 5, status="denied")], True),  # it did not roll
        ([begun("entry", 5, cause="user", cycle=2)], False),
    ],
)
def test_a_leg_comes_back_into_its_own_trade_within_its_own_count(runs, may):
    assert may_come_back(3, left_alone(0, 3), runs) is may
