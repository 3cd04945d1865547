"""A broker's instrument master into the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from market import facts_in_force
from market.importers.rows import UnknownFormat
from market.instrument_services import Imported, import_master
from market.management.progress import Bar

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Reads instrument masters (Zerodha, Angel One, Finvasia, Alice Blue, Upstox; plain, .gz or "
        ".zip). Bad rows are listed and the good ones kept; lots that the facts do not confirm are "
        "flagged in the admin. The same file again changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        facts_in_force.refresh()
        for path in options["files"]:
            try:
                done = import_master(
                    file_name=path.name,
                    data=path.read_bytes(),
                    now=timezone.now(),
                    progress=Bar(self.stdout, f"reading {path.name}"),
                )
            except (UnknownFormat, OSError) as problem:
                raise CommandError(f"{path}: {problem}") from problem
            self._say(done)

    def _say(self, done: Imported) -> None:
        row = done.master
        self.stdout.write(
            f"{row.source}: {row.rows} rows, {row.kept} contracts kept "
            f"({done.added} new, {done.changed} changed), {row.bad_count} bad"
        )
        for reason, count in sorted(row.left_out.items()):
            self.stdout.write(f"  left out {count}: {reason}")
        for line, reason in row.bad_rows[:SHOWN]:
            self.stdout.write(f"  bad line {line}: {reason}")
        if row.bad_count > SHOWN:
            self.stdout.write(f"  and {row.bad_count - SHOWN} more: see the admin, Master imports")
        for flag in done.flags:
            self.stdout.write(
                self.style.WARNING(
                    f"  FLAG {flag.underlying} {flag.expiry}, lot {flag.lot} ({flag.rows} rows, "
                    f"such as {flag.example}): {flag.said}"
                )
            )
