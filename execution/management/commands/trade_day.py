"""`manage.py trade_day FILE...`: recorded days through the same engine, headless, as fast as it can."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from datetime import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from execution import story as stories
from execution.headless import report
from execution.headless.play import Player
from execution.headless.tables import lines
from execution.headless.world import open_world, throwaway_database
from market.kernel.contracts import UNDERLYINGS
from market.services import set_settlement_price
from market.sources import recorded
from market.sources.files import UnknownFormat
from users.errors import Refused


class Command(BaseCommand):
    help = "Trade recorded days headless and print executions, orders, fills, charges, P&L and margin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="recorded days, index files too")
        parser.add_argument("--spot", nargs="*", default=[], metavar="FILE", help="index files")
        parser.add_argument("--basket", type=Path, default=stories.CONSERVATIVE_INCOME,
                            help="a story file; default the Conservative Income basket")  # fmt: skip
        parser.add_argument("--entry", metavar="HH:MM", help="enter all strategies at HH:MM")
        parser.add_argument("--exit", metavar="HH:MM", help="exit the intraday strategies at HH:MM")
        parser.add_argument("--settlement", action="append", default=[], metavar="UNDERLYING=VALUE",
                            help="official settlement value of the (last) expiry day")  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print the whole report as JSON")

    def handle(self, **options: Any) -> None:
        try:
            document = run(options)
        except (Refused, UnknownFormat, recorded.NothingRecorded, OSError) as error:
            fix = f" {error.fix}" if isinstance(error, Refused) else ""
            raise CommandError(f"{error}{fix}") from error
        if options["json"]:
            self.stdout.write(json.dumps(document, indent=1, sort_keys=True))
        else:
            self.stdout.write("\n".join(lines(document)))


def run(options: dict[str, Any]) -> dict[str, Any]:
    """Play the files in a throwaway database; the report's document."""
    values = [_settlement(text) for text in options["settlement"]]
    entry, leave = (_time(name, options[name]) for name in ("entry", "exit"))
    days = recorded.days(options["files"], options["spot"])
    story = stories.read(options["basket"])
    story = stories.at_times(story, entry=entry, leave=leave)
    names = [Path(name).name for name in (*options["files"], *options["spot"])]
    with throwaway_database(f"trade_day_{os.getpid()}"):
        player = open_world(story, first_day=days[0].day, files=names)
        _enter_settlements(player, values, days)
        n = 1
        with player.alone():
            for day in days:
                player.play(day.frames(player.timeline.key, first_n=n))
                n = player.last.n + 1 if player.last else n
        return report.document(
            player,
            days=[day.day for day in days],
            inputs={
                "files": names,
                "basket": story["basket"],
                "entry": str(entry) if entry else None,
                "exit": str(leave) if leave else None,
                "settlement": {name: str(value) for name, value in values},
            },
            data=[report.quality(day.day, day.quality) for day in days],
        )


def _enter_settlements(
    player: Player, values: list[tuple[str, Decimal]], days: list[recorded.RecordedDay]
) -> None:
    for underlying, price in values:
        set_settlement_price(
            timeline=player.timeline,
            underlying=underlying,
            day=days[-1].day,
            price=price,
            source="given to trade_day",
            now=player.wall,
        )


def _settlement(text: str) -> tuple[str, Decimal]:
    underlying, _, value = text.partition("=")
    try:
        price = Decimal(value)
    except InvalidOperation as error:
        raise CommandError(f"--settlement {text!r}: write UNDERLYING=VALUE, such as NIFTY=24612.35.") from error
    if underlying not in UNDERLYINGS or not (price.is_finite() and price > 0):
        raise CommandError(f"--settlement {text!r}: use a known underlying and a value above 0.")
    return underlying, price


def _time(name: str, text: str | None) -> time | None:
    try:
        return None if text is None else time.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"--{name} {text!r}: write HH:MM, such as 09:20.") from error
