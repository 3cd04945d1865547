"""Stop and upgrade, destroy and restore, kill -9 in the middle of a wave: nothing is lost or done twice.

One desk for the whole module; each test goes on where the one before it ended.
"""

from __future__ import annotations

import re

import pytest

from tests.end_to_end.running_desk import Rows, RunningDesk, eventually, running_desk

pytestmark = [pytest.mark.slow]

RUNS = (
    "SELECT s.name, e.phase, e.status, e.code FROM strategy_executions e"
    " JOIN strategy_broker_allocations a ON a.id = e.allocation_id"
    " JOIN options_strategies s ON s.id = a.strategy_id"
    " WHERE e.phase = %s AND e.trading_day = %s ORDER BY e.id"
)
#: An order cut off on its way may or may not have left: it waits as UNKNOWN, its pair with it.
BUSY = (
    "SELECT id FROM strategy_executions e WHERE status IN ('due', 'running') AND NOT EXISTS"
    " (SELECT 1 FROM order_history o WHERE o.allocation_id = e.allocation_id AND o.status = 'UNKNOWN')"
    " UNION ALL SELECT id FROM order_history WHERE status = 'SENDING'"
)
SENT = "SELECT id FROM order_history WHERE status NOT IN ('DRAFT', 'READY', 'DENIED') AND id > %s"
CARRIED = (
    "SELECT p.* FROM position_tracker p JOIN strategy_broker_allocations a ON a.id = p.allocation_id"
    " JOIN options_strategies s ON s.id = a.strategy_id"
    " WHERE s.name = 'Cash Secured Put' AND p.quantity != 0 ORDER BY p.id"
)
LAST_ORDER = "SELECT coalesce(max(id), 0) AS id FROM order_history"


@pytest.fixture(scope="module")
def desk():
    with running_desk("--speed", "1") as desk:
        yield desk


def ended(desk: RunningDesk, phase: str, day: str, *, count: int) -> Rows:
    """The day's runs of that phase, once there are so many and none is unfinished."""

    def found() -> Rows:
        rows = desk.rows(RUNS, phase, day)
        unfinished = [row for row in rows if row["status"] in ("due", "running")]
        return [] if unfinished or len(rows) < count else rows

    return eventually(found, within=120, what=f"{count} runs of {phase} on {day}")


def only_unknown_is_open(desk: RunningDesk) -> None:
    """Every order is at the broker once and as we have it; what was cut off is UNKNOWN and absent there."""
    eventually(lambda: not desk.rows(BUSY), within=120, what="all runs ended or wait for an UNKNOWN order")
    said = []

    def agree() -> bool:
        said[:] = [line for line in desk.unexplained() if "(UNKNOWN) is not at the broker" not in line]
        return not said

    eventually(agree, within=30, what=said)


def intraday_exit(desk: RunningDesk, day: str) -> None:
    desk.jump("15:09:58")
    left = ended(desk, "exit", day, count=2)
    assert [(run["name"], run["status"]) for run in left] == [("Iron Condor", "done")] * 2
    desk.await_explained()


def test_a_destroyed_desk_comes_back_from_its_backup_with_both_ledgers_and_trades_on(desk, tmp_path):
    desk.jump("09:19:58")
    entered = ended(desk, "entry", "2026-08-03", count=5)
    assert {(run["status"], run["code"]) for run in entered} == {("done", "")}
    desk.await_explained()
    before = desk.books()
    saved = desk.run("-m", "optionsplatform.backup", "save", str(tmp_path / "desk.tar"))
    assert saved.startswith("saved ")
    desk.stop()
    desk.destroy()
    desk.data_dir.mkdir(mode=0o755)

    desk.run("-m", "optionsplatform.backup", "restore", str(tmp_path / "desk.tar"))
    desk.start()

    assert desk.books() == before
    intraday_exit(desk, "2026-08-03")


def test_a_worker_killed_in_an_entry_wave_sends_no_order_twice(desk):
    desk.jump("15:39:55")
    eventually(lambda: desk.timeline()["market_now"].day == 4, what="the next day")
    (last,) = desk.rows(LAST_ORDER)
    desk.jump("09:19:58")
    eventually(lambda: desk.rows(SENT, last["id"]), what="the wave's first order")

    desk.kill_child("worker")

    eventually(lambda: desk.said.count("worker is up") == 3, within=120, what="the new worker")
    assert "worker died (signal 9); starting it again" in desk.said
    eventually(lambda: len(desk.rows(RUNS, "entry", "2026-08-04")) == 2, what="both entries")
    only_unknown_is_open(desk)


def test_a_start_after_a_supervisor_killed_in_an_exit_wave_finds_what_was_left_and_loses_nothing(desk):
    carried = desk.rows(CARRIED)
    assert len(carried) == 2
    (last,) = desk.rows(LAST_ORDER)
    desk.jump("15:09:58")
    eventually(lambda: desk.rows(SENT, last["id"]), what="the wave's first order")

    desk.kill_supervisor()
    assert desk.left_over() != []
    desk.start()

    assert "database is up to date (0 migrations applied)" in desk.said
    assert desk.rows(CARRIED) == carried
    (left,) = re.findall("stopped what an earlier run had left: (.*)", desk.said)
    assert {"beat", "market", "simulator", "web", "worker"} <= set(left.split(", "))
    only_unknown_is_open(desk)
    desk.stop()
