import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest

from optionsplatform import pids
from optionsplatform.children import Children
from optionsplatform.processes import Process

LIVES = "import time; print('hello', flush=True); time.sleep(600)"
DIES = "import sys; print('cannot go on', flush=True); sys.exit(3)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


class Watch:
    """Children of a small table, with what was said about them."""

    def __init__(self, data_dir, **scripts):
        self.said, self.deaths, self.beating = [], [], set(scripts)
        self.environment = environment = {
            **os.environ, "DATA_DIR": str(data_dir), "LOG_DIR": str(data_dir / "logs")
        }  # fmt: skip
        self.children = Children(
            [Process(name=name, command=("-c", script)) for name, script in scripts.items()],
            environment=environment,
            folder=data_dir / "pids",
            say=self.said.append,
            died=lambda name, code: self.deaths.append((name, code)),
            heartbeat=lambda name: name in self.beating,
        )

    def until(self, condition, seconds=10.0):
        pause, deadline = threading.Event(), time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.said
            self.children.watch()
            pause.wait(0.02)


@pytest.fixture
def watch(data_dir):
    made = []

    def make(**scripts):
        made.append(Watch(data_dir, **scripts))
        return made[-1]

    yield make
    for each in made:
        each.children.stop()


def test_a_dead_child_is_started_again_and_said_so(watch):
    watched = watch(market=LIVES)
    watched.children.start()
    first = watched.children["market"].pid
    os.kill(first, signal.SIGKILL)

    watched.until(lambda: watched.children["market"].pid not in (None, first))

    assert "market died (signal 9); starting it again in 0.5 s" in watched.said
    assert watched.deaths == [("market", -9)]
    assert psutil.pid_exists(watched.children["market"].pid)


def test_a_child_that_keeps_dying_is_started_with_growing_pauses(watch):
    watched = watch(market=DIES)
    watched.children.start()

    watched.until(lambda: len(watched.deaths) == 3)

    assert [line for line in watched.said if "died" in line] == [
        "market died (exit code 3); starting it again in 0.5 s",
        "market died (exit code 3); starting it again in 1 s",
        "market died (exit code 3); starting it again in 2 s",
    ]


def test_what_a_child_writes_is_passed_on_with_its_name(watch):
    watched = watch(market=LIVES)
    watched.children.start()

    watched.until(lambda: "   market | hello" in watched.said)


def test_of_a_long_outburst_only_the_end_is_shown(watch):
    watched = watch(market="for n in range(100): print(n, flush=True)\nimport time; time.sleep(600)")
    watched.children.start()

    watched.until(lambda: "   market | 99" in watched.said)

    assert len(watched.said) < 12


def test_a_child_that_hangs_is_restarted(watch):
    watched = watch(live=LIVES)
    watched.children.start()
    watched.until(lambda: not watched.children.waiting())
    first = watched.children["live"].pid
    watched.beating.clear()

    watched.children.restart_silent(after=60.0)
    assert watched.children["live"].pid == first
    watched.children.restart_silent(after=0.0)
    watched.until(lambda: watched.children["live"].pid not in (None, first))

    assert "live hangs: no heartbeat; restarting it" in watched.said


def test_every_running_child_starts_again_with_the_new_address_of_a_service_and_none_counts_as_dead(watch):
    tells = "import os, time; print(os.environ.get('ADDRESS'), flush=True); time.sleep(600)"
    watched = watch(market=tells, live=tells, worker=tells)
    watched.children.start("market", "live")
    watched.until(lambda: {"     live | None", "   market | None"} <= set(watched.said))

    watched.children.move({**watched.environment, "ADDRESS": "new"})

    watched.until(lambda: {"     live | new", "   market | new"} <= set(watched.said))
    assert watched.deaths == []
    assert watched.children["worker"].pid is None
    watched.children.start("worker")
    watched.until(lambda: "   worker | new" in watched.said)


def test_all_children_stop_even_one_that_ignores_the_request(watch):
    watched = watch(market=LIVES, live=DEAF)
    watched.children.start()
    watched.until(lambda: "     live | deaf" in watched.said)
    processes = [psutil.Process(watched.children[name].pid) for name in ("market", "live")]

    assert watched.children["live"].stop(grace=0.3) is False
    assert watched.children["market"].stop() is True

    assert not any(process.is_running() for process in processes)


def test_what_an_earlier_run_wrote_is_not_repeated(watch, data_dir):
    (data_dir / "logs").mkdir()
    (data_dir / "logs" / "market.console").write_text("from yesterday\n")
    watched = watch(market=LIVES)
    watched.children.start()

    watched.until(lambda: "   market | hello" in watched.said)

    assert not any("yesterday" in line for line in watched.said)


def test_what_a_killed_supervisor_left_is_found_and_stopped(watch, data_dir):
    script = textwrap.dedent(
        f"""
        import os, pathlib
        from tests.integration.optionsplatform.test_children import Watch, LIVES
        watched = Watch(pathlib.Path({str(data_dir)!r}), market=LIVES)
        watched.children.start()
        print(watched.children["market"].pid, flush=True)
        os.kill(os.getpid(), 9)
        """
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    orphan = psutil.Process(int(killed.stdout))

    assert watch(market=LIVES).children.stop_left_overs() == ["market"]

    assert not orphan.is_running()


def test_a_pid_that_now_belongs_to_somebody_else_is_not_stopped(watch, data_dir):
    stranger = subprocess.Popen([sys.executable, "-c", LIVES], stdout=subprocess.DEVNULL)
    watched = watch(market=LIVES)
    pids.write(data_dir / "pids" / "market.pid", pid=stranger.pid, command=[sys.executable, "-c", LIVES])

    assert watched.children.stop_left_overs() == []

    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
