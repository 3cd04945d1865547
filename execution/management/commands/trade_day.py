"""`manage.py trade_day FILE...` or `--simulate DAYS`: days through the same engine, headless, as fast as it can."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from execution import story as stories
from execution.headless import folder, report
from execution.headless.days import Days, Expiry, RecordedDays, SimulatedDays
from execution.headless.tables import lines
from execution.headless.world import open_world, throwaway_database
from market.kernel.calendar import OutsideCoverage
from market.kernel.contracts import UNDERLYINGS
from market.sources import recorded
from market.sources.files import UnknownFormat
from market.sources.simulated import NotSimulated
from users.errors import Refused

FIRST_DAY = date(2026, 1, 1)
EVERY = 60
MOST_SECONDS = 3600


class Command(BaseCommand):
    help = (
        "Trade recorded or simulated days headless, in a row, and print executions, orders, fills, "
        "charges, P&L and margin; --report also writes the backtest report."
    )
    requires_system_checks = ()  # bin/check makes them; no start waits for them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="*", metavar="FILE", help="recorded days, index files too")
        parser.add_argument("--spot", nargs="*", default=[], metavar="FILE", help="index files")
        parser.add_argument("--simulate", type=int, metavar="DAYS",
                            help="so many simulated trading days instead of files")  # fmt: skip
        parser.add_argument("--seed", type=int, default=1, help="of the simulated days; default 1")
        parser.add_argument("--first-day", default=FIRST_DAY.isoformat(), metavar="YYYY-MM-DD",
                            help=f"of the simulated days; default {FIRST_DAY}")  # fmt: skip
        parser.add_argument("--every", type=int, default=EVERY, metavar="SECONDS",
                            help=f"between simulated frames; default {EVERY}")  # fmt: skip
        parser.add_argument("--basket", type=Path, default=stories.CONSERVATIVE_INCOME,
                            help="a story file; default the Conservative Income basket")  # fmt: skip
        parser.add_argument("--entry", metavar="HH:MM", help="enter all strategies at HH:MM")
        parser.add_argument("--exit", metavar="HH:MM", help="exit the intraday strategies at HH:MM")
        parser.add_argument("--settlement", action="append", default=[], metavar="UNDERLYING[@DAY]=VALUE",
                            help="official settlement value of that day, or of the last recorded one")  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
        parser.add_argument("--report", type=Path, metavar="FOLDER",
                            help="write report.html and report.json, the backtest, there")  # fmt: skip

    def handle(self, **options: Any) -> None:
        try:
            document = run(options)
            if options["report"] is not None:
                folder.write(options["report"], document)
        except (Refused, UnknownFormat, recorded.NothingRecorded, OutsideCoverage, NotSimulated, OSError) as error:
            fix = f" {error.fix}" if isinstance(error, Refused) else ""
            raise CommandError(f"{error}{fix}") from error
        if options["json"]:
            self.stdout.write(json.dumps(document, indent=1, sort_keys=True))
        else:
            self.stdout.write("\n".join(lines(document)))


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Play the days in a throwaway database; the report's document."""
    entry, leave = (_time(name, options[name]) for name in ("entry", "exit"))
    story = stories.at_times(stories.read(options["basket"]), entry=entry, leave=leave)
    days = _days(options, story)
    played = days.played
    with throwaway_database(f"trade_day_{os.getpid()}"):
        player = open_world(story, first_day=played[0], files=days.names, seed=days.seed)
        with player.alone():
            days.play(player)
        return report.document(
            player,
            days=played,
            inputs={
                "basket": story["basket"],
                "entry": str(entry) if entry else None,
                "exit": str(leave) if leave else None,
                **days.inputs(),
            },
            data=days.data(),
        )


def _days(options: dict[str, Any], story: Mapping[str, Any]) -> Days:
    files, count = options["files"], options["simulate"]
    if (count is None) == (not files):
        raise CommandError("Give recorded FILEs, or --simulate DAYS: one of the two.")
    if count is None:
        days = recorded.days(files, options["spot"])
        names = [Path(name).name for name in (*files, *options["spot"])]
        official = dict(_settlement(text, days[-1].day) for text in options["settlement"])
        return RecordedDays(days=days, names=names, official=official)
    if options["settlement"] or options["spot"]:
        raise CommandError("--settlement and --spot go with recorded files: simulated days bring their own.")
    return SimulatedDays(
        seed=options["seed"],
        first_day=_day("--first-day", options["first_day"]),
        count=_within("--simulate", count, 1, 10_000),
        every=_within("--every", options["every"], 1, MOST_SECONDS),
        underlyings=frozenset(row["underlying"] for row in story["strategies"]),
        acting=_acting(story),
    )


def _acting(story: Mapping[str, Any]) -> frozenset[time]:
    """The times of day at which the story's strategies enter, exit and roll."""
    terms = (row.get("terms", {}) for row in story["strategies"])
    times = (each.get(name) for each in terms for name in ("entry_time", "exit_time", "roll_time"))
    return frozenset(time.fromisoformat(each) for each in times if each)


def _settlement(text: str, last: date) -> tuple[Expiry, Decimal]:
    name, _, value = text.partition("=")
    underlying, at, day = name.partition("@")
    try:
        price = Decimal(value)
    except InvalidOperation as error:
        raise CommandError(f"--settlement {text!r}: write UNDERLYING=VALUE, such as NIFTY=24612.35.") from error
    if underlying not in UNDERLYINGS or not (price.is_finite() and price > 0):
        raise CommandError(f"--settlement {text!r}: use a known underlying and a value above 0.")
    return (underlying, _day(f"--settlement {text!r}", day) if at else last), price


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{name}: {text!r} is not a day; write YYYY-MM-DD, such as 2026-08-04.") from error


def _within(name: str, number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        raise CommandError(f"{name} {number}: give {least} to {most}.")
    return number


def _time(name: str, text: str | None) -> time | None:
    try:
        return None if text is None else time.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"--{name} {text!r}: write HH:MM, such as 09:20.") from error
