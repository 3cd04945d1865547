"""A skipped test is printed, and fails the run unless tests/allowed_skips.txt lists its reason."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

FILE = Path(__file__).with_name("allowed_skips.txt")


class Allowed(NamedTuple):
    test: str
    reason: str

    def covers(self, test: str, reason: str) -> bool:
        return fnmatchcase(test, self.test) and fnmatchcase(reason, self.reason)


def read(text: str) -> list[Allowed]:
    """Lines of `test pattern | reason pattern`; # begins a comment."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    pairs = [line.split("|") for line in lines if line]
    return [Allowed(test.strip(), reason.strip()) for test, reason in pairs]


class Skips:
    """Collects the skips of a run, those of all workers too."""

    def __init__(self, allowed: list[Allowed]) -> None:
        self._allowed = allowed
        self._surprises: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.nodeid, report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._note(report.nodeid, report.longrepr)

    def _note(self, test: str, longrepr: object) -> None:
        said = longrepr[2] if isinstance(longrepr, tuple | list) else str(longrepr)
        reason = str(said).removeprefix("Skipped: ")
        if not any(allowed.covers(test, reason) for allowed in self._allowed):
            self._surprises[test] = reason

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._surprises and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for test, reason in sorted(self._surprises.items()):
            terminalreporter.write_line(f"skipped but not in tests/allowed_skips.txt: {test}: {reason}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    """The controlling process judges; workers only report to it."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Skips(read(FILE.read_text())), "allowed-skips")
