"""`manage.py kill --user EMAIL`: halt and close from the command line, also while the web is down.

It writes the same rows as the page and the API. The workers close; this waits and says how far they are.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from threading import Event
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from execution import receipts, services
from execution.models import Receipt
from execution.receipts import Progress
from execution.selectors import target_of
from execution.tasks import start_after_commit
from users.models import User

SCOPES = ("user", "account", "basket", "strategy", "pair")


class Command(BaseCommand):
    help = (
        "Cancel open orders, close positions and let nothing new in until it is resumed. "
        "Ends with 0 when every broker's own book is flat, with 1 when something is left."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, metavar="EMAIL")
        parser.add_argument("--scope", choices=SCOPES, default="user")
        parser.add_argument("--target", type=int, metavar="ID", help="of the account, basket, strategy or pair")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--wait", type=float, default=120.0, metavar="SECONDS", help="how long to watch")

    def handle(self, *args: Any, **options: Any) -> None:
        user = self._user(options["user"])
        scope, target = options["scope"], options["target"]
        name = self._name(user, scope, target)
        if not options["yes"] and not self._agreed(name):
            raise CommandError("Nothing was done.")
        act = {"by": user, "source": "command", "now": timezone.now()}
        with transaction.atomic():
            exits = services.kill(user=user, scope=scope, target=target, **act)  # type: ignore[arg-type]  # an Act by its names
            start_after_commit(exits)
        self.stdout.write(f"Halted: {name}. {len(exits)} pairs have something to close.")
        receipt = receipts.newest(user, verb=Receipt.Verb.KILL, scope=scope, target=target)
        if receipt is None:
            self.stdout.write("No market runs, so there is nothing to close.")
            return
        self._watch(user, receipt, wait=options["wait"])

    def _watch(self, user: User, receipt: Receipt, *, wait: float) -> None:
        until, said, pause = time.monotonic() + wait, "", Event()
        while True:
            parts = services.progress_of(receipts.receipts_of(user).get(pk=receipt.pk))
            now = "\n".join(_line(part) for part in parts)
            if now != said:
                self.stdout.write(now)
                said = now
            if all(part.verified_at for part in parts):
                left = receipts.besides([each for part in parts for each in part.left_to_expire])
                self.stdout.write(self.style.SUCCESS(f"Verified flat{left}."))
                return
            if time.monotonic() >= until:
                raise CommandError("Not verified flat yet; the halt stands and the workers go on closing.")
            pause.wait(0.5)

    def _agreed(self, name: str) -> bool:
        self.stdout.write(f"This cancels and closes all that is open in {name}.")
        return input("Type kill to go on: ").strip() == "kill"

    def _user(self, email: str) -> User:
        user = User.objects.filter(email=email.lower()).first()
        if user is None:
            raise CommandError(f"There is no user {email}.")
        return user

    def _name(self, user: User, scope: str, target: int | None) -> str:
        if (scope == "user") != (target is None):
            raise CommandError("Give --target with every scope but user.")
        if scope == "user":
            return f"everything of {user.email}"
        try:
            return f"{scope} {target_of(user, scope, target)}"
        except ObjectDoesNotExist as error:
            raise CommandError(f"{user.email} has no {scope} {target}.") from error


def _line(part: Progress) -> str:
    said = "".join(f"; {words}" for words in (*part.left, *part.said))
    state = f"{part.verdict} at {timezone.localtime(part.verified_at):%H:%M:%S}" if part.verified_at else (
        "closing" if part.positions_open or part.orders_open else "the broker's book is being read"
    )  # fmt: skip
    return (
        f"  {part.account}: {part.orders_ended} orders ended, {part.orders_open} open; "
        f"{part.positions_closed} positions closed, {part.positions_open} open; {state}{said}"
    )
