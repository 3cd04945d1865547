"""Facts of a new year or a changed lot, holiday or rate: an operator's CSV files into the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from market import fact_selectors, fact_services
from users.errors import Refused


class Command(BaseCommand):
    help = (
        "Adds and changes facts from CSV files; a file's header says which table it is for (the "
        "files in market/facts are examples). All files are taken, or none. Without a file: the "
        "packaged facts go into the tables if these are empty. Running processes follow at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        seeded = fact_services.seed_facts(now=now)
        by = fact_services.By(actor=None, source="command", now=now)
        try:
            files = [(path.name, path.read_text(encoding="utf-8")) for path in options["files"]]
            done = fact_services.import_facts(files=files, by=by)
        except Refused as refusal:
            raise CommandError(f"{refusal.message} {refusal.fix}") from refusal
        except (OSError, UnicodeDecodeError) as problem:
            raise CommandError(str(problem)) from problem
        if seeded:
            self.stdout.write("the packaged facts are in the tables")
        for each in done:
            self.stdout.write(
                f"{each.file_name}: {each.table}, {each.added} added, {each.changed} changed, "
                f"{each.same} as they were"
            )
        self.stdout.write(f"facts are at revision {fact_selectors.revision()}")
