"""Bring the database up to date, set the timeline, load the demo: one process, so Django loads once."""

from __future__ import annotations

import argparse
import sys

import django


def main(arguments: list[str]) -> None:
    """Say each step as it is done; whatever goes wrong ends the process with its message last."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--demo", action="store_true")
    options, timeline = parser.parse_known_args(arguments)
    django.setup()
    from django.core.management import call_command

    _migrate()
    call_command("import_facts")
    call_command("use_timeline", *timeline)
    if options.demo:
        _await_simulator()
        call_command("load_demo", verbosity=0)
        _say("demo data is there")


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", verbosity=0)
    _say(f"database is up to date ({len(plan)} migrations applied)")


def _await_simulator() -> None:
    """The demo's paper accounts are opened at the simulator, which starts beside us."""
    from django.conf import settings

    from optionsplatform.children import answers
    from optionsplatform.kept import wait_for

    if not wait_for(lambda: answers(f"{settings.SIMULATOR_URL}/healthz"), 60.0):
        raise TimeoutError("the broker simulator does not answer; its log says why")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
