"""A file of option quotes: reported beside the exchange's own volatility, or stored in a timeline."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from market import facts_in_force, quotes
from market.importers.bhavcopy import SOURCE as BHAVCOPY
from market.importers.chains import frame_of, read_quotes
from market.importers.comparison import Comparison, Gap, compare
from market.importers.rows import QuoteFile, UnknownFormat
from market.instrument_services import import_bhavcopy, store_quotes
from market.kernel.calendar import OutsideCoverage
from market.kernel.clock import IST
from market.management.progress import Bar
from market.models import Timeline
from users.errors import Refused

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Reads option quotes (NSE and BSE chains, the NSE page's CSV, a UDiFF bhavcopy, a recorded "
        "chain; plain, .gz or .zip), lists bad rows and compares our implied volatility with the "
        "exchange's own; with --timeline the last quotes are stored for that timeline."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--timeline", metavar="KEY", help="store the last quotes for this one")
        parser.add_argument(
            "--at", type=_moment, metavar="YYYY-MM-DDTHH:MM",
            help="when it was in India: needed for the NSE page's CSV; chooses a recorded instant",
        )  # fmt: skip
        parser.add_argument("--underlying", help="of the NSE page's CSV, if its name does not say")
        parser.add_argument("--expiry", type=date.fromisoformat, help="of the same, YYYY-MM-DD")

    def handle(self, *args: Any, **options: Any) -> None:
        facts_in_force.refresh()
        path = options["file"]
        try:
            data = path.read_bytes()
            file = read_quotes(
                path.name, data, at=options["at"], underlying=options["underlying"],
                expiry=options["expiry"], progress=Bar(self.stdout, f"reading {path.name}"),
            )  # fmt: skip
            self._say(file)
            if file.source == BHAVCOPY:
                self._flag(path.name, data, file)
            self._report(file, _instant(file, options["at"]), options["timeline"])
        except (UnknownFormat, OutsideCoverage, Refused, OSError) as problem:
            raise CommandError(f"{path}: {problem}") from problem

    def _say(self, file: QuoteFile) -> None:
        self.stdout.write(
            f"{file.source}: {file.rows} options, {file.kept} quotes kept, {len(file.bad)} bad"
        )
        for reason, count in sorted(file.left_out.items()):
            self.stdout.write(f"  left out {count}: {reason}")
        for line, reason in file.bad[:SHOWN]:
            self.stdout.write(f"  bad line {line}: {reason}")
        if len(file.bad) > SHOWN:
            self.stdout.write(f"  and {len(file.bad) - SHOWN} more bad rows")
        for note in file.notes:
            self.stdout.write(f"  {note}")

    def _flag(self, name: str, data: bytes, file: QuoteFile) -> None:
        done = import_bhavcopy(file_name=name, data=data, file=file, now=timezone.now())
        for flag in done.flags:
            self.stdout.write(
                self.style.WARNING(f"  FLAG {flag.underlying} {flag.expiry}: {flag.said}")
            )

    def _report(self, file: QuoteFile, at: datetime, timeline: str | None) -> None:
        snapshot = file.snapshots[at]
        frame = frame_of(snapshot, at)
        self.stdout.write(
            f"{at.astimezone(IST):%d %b %Y %H:%M}: our volatility against the exchange's"
        )
        for each in compare(snapshot, frame):
            forward = frame.forwards.get((each.underlying, each.expiry))
            how = " (synthetic)" if (each.underlying, each.expiry) in frame.synthetic else ""
            self.stdout.write(f"  {_line(each)}; forward {forward or 'unknown'}{how}")
        if timeline:
            self._store(file, at, timeline)

    def _store(self, file: QuoteFile, at: datetime, key: str) -> None:
        world = Timeline.objects.filter(key=key).first()
        if world is None:
            raise CommandError(f"timeline: there is no {key!r}; see the admin, Timelines.")
        frame = frame_of(file.snapshots[at], at, timeline=key, n=world.frame + 1)
        stored = store_quotes(timeline=world, frame=frame, wall=timezone.now())
        quotes.publish(frame)
        self.stdout.write(f"{stored} quotes stored for timeline {key}, frame {frame.n}")


def _line(each: Comparison) -> str:
    parts = [
        f"{each.underlying} {each.expiry}:",
        f"all {_gap(each.all)},",
        f"out of the money {_gap(each.out)},",
        f"with the exchange's own forward and rate {_gap(each.own)}",
    ]
    if each.without:
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(each.without.items()))
        parts.append(f"(not compared: {why})")
    return " ".join(parts)


def _gap(found: Gap | None) -> str:
    if found is None:
        return "none"
    return f"{found.count}: median {found.median:.2f}, p95 {found.p95:.2f} points"


def _instant(file: QuoteFile, at: datetime | None) -> datetime:
    if not file.snapshots:
        raise UnknownFormat("it holds no usable quote.")
    if at is None:
        return max(file.snapshots)
    if at not in file.snapshots:
        earlier = [each for each in file.snapshots if each <= at]
        if not earlier:
            raise UnknownFormat(f"it has nothing at or before {at.isoformat()} (--at).")
        return max(earlier)
    return at


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=IST) if at.tzinfo is None else at
