"""`manage.py reconcile`: read the brokers' books now and say what does not agree."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from brokers.models import BrokerAccount
from execution.models import AccountBook, Mismatch
from execution.reconcile import books, look
from execution.reconcile.words import about
from execution.running import desk_now
from execution.tasks import enqueue


class Command(BaseCommand):
    help = "Compares our book with the brokers' for every account that trades, or for one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", type=int, help="the id of one broker account")

    def handle(self, *args: Any, **options: Any) -> None:
        desk = desk_now()
        if desk is None:
            raise CommandError("No market is running: start it with bin/start, then reconcile.")
        ids = [pk for pk, _ in books.accounts_in(desk.timeline) if options["account"] in (None, pk)]
        if not ids:
            raise CommandError("No such account trades here.")
        for account in BrokerAccount.objects.filter(pk__in=ids).select_related("user").order_by("pk"):
            enqueue(look.look(account, desk))
            self._say(account, desk.timeline.pk)

    def _say(self, account: BrokerAccount, timeline: int) -> None:
        book = AccountBook.objects.get(broker_account=account, timeline=timeline)
        if book.failing_since is not None:
            self.stdout.write(f"{account}: cannot be read: {book.why}")
            return
        rows = Mismatch.objects.filter(broker_account=account, timeline=timeline, resolved_at=None)
        found = [about(row) for row in rows.select_related("contract").order_by("pk")]
        self.stdout.write(f"{account}: {'agrees' if not found else f'{len(found)} open'}")
        for title, body in found:
            self.stdout.write(f"  {title}: {body}")
