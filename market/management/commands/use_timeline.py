"""Choose the world that runs: keep the active one, go back to an earlier one, or begin another."""

from __future__ import annotations

import secrets
from datetime import date, time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from market import services
from market.models import Timeline
from market.sources import recorded
from users.errors import Refused

FIRST_SIMULATED_DAY = date(2026, 8, 3)  # a Monday well inside the dated contract facts
SIMULATED_SPEED, RECORDED_SPEED = 10, 1


class Command(BaseCommand):
    help = "Keeps the active timeline, or sets the one described; nothing described keeps it."
    requires_system_checks = ()  # bin/check makes them; no start waits for them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--files", nargs="+", type=Path, default=[], help="recorded days")
        parser.add_argument("--spot", type=Path, help="the index of the recorded days")
        parser.add_argument("--speed", type=int, help="market seconds per second: 1, 10 or 60")
        parser.add_argument("--seed", type=int, help="of a simulated market")
        parser.add_argument("--first-day", type=date.fromisoformat, help="YYYY-MM-DD")
        parser.add_argument("--new", action="store_true", help="another world, even if the same")
        parser.add_argument(
            "--at", type=time.fromisoformat, metavar="HH:MM",
            help="jump forward to that time of the simulated day; what lies between is not played",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            timeline = chosen(options)
            if options["speed"] is not None:
                services.set_speed(timeline=timeline, speed=options["speed"])
            timeline = services.activate_timeline(timeline=timeline, now=timezone.now())
            if options["at"] is not None:
                services.jump_forward(timeline=timeline, to=options["at"])
            timeline.refresh_from_db()
        except (Refused, ValueError, LookupError, OSError) as problem:
            raise CommandError(f"timeline: {problem}") from problem
        reached = timeline.market_now
        where = (
            f"at {timezone.localtime(reached):%d %b %Y %H:%M}" if reached else "at its first minute"
        )
        self.stdout.write(
            f"market: {timeline.get_source_display().lower()} from {timeline.first_day},"
            f" x{timeline.speed}, {where} (timeline {timeline.key})"
        )


def chosen(options: dict[str, Any]) -> Timeline:
    """The timeline that the options describe; the active one when they describe none."""
    described = options["files"] or options["seed"] is not None or options["first_day"]
    if not described and not options["new"]:
        active = Timeline.objects.filter(active=True).first()
        if active is not None:
            return active
    wanted = _recorded(options) if options["files"] else _simulated(options)
    same = Timeline.objects.filter(**wanted).order_by("-pk").first()
    if same is not None and not options["new"]:
        return same
    speed = RECORDED_SPEED if options["files"] else SIMULATED_SPEED
    return services.create_timeline(**wanted, key=_key(wanted), speed=options["speed"] or speed)


def _simulated(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "source": Timeline.Source.SIMULATED.value,
        "first_day": options["first_day"] or FIRST_SIMULATED_DAY,
        "seed": options["seed"] if options["seed"] is not None else 1,
        "files": [],
    }


def _recorded(options: dict[str, Any]) -> dict[str, Any]:
    paths = [*options["files"], *([options["spot"]] if options["spot"] else [])]
    files = [str(path.resolve()) for path in paths]
    first_day = options["first_day"] or recorded.days(files)[0].day
    return {
        "source": Timeline.Source.RECORDED.value,
        "first_day": first_day,
        "seed": 0,
        "files": files,
    }


def _key(wanted: dict[str, Any]) -> str:
    """Never used before anywhere: a simulator that outlived its desk's database must not know it."""
    seed = f"-{wanted['seed']}" if wanted["source"] == Timeline.Source.SIMULATED else ""
    stem = f"{wanted['source']}-{wanted['first_day']:%Y%m%d}{seed}".replace("--", "-")
    return f"{stem[:33]}-{secrets.token_hex(3)}"
