"""`manage.py load_demo`: the demo's people, basket, paper accounts and marketplace. Dev only."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from marketplace import demo
from users.errors import Refused


class Command(BaseCommand):
    help = "Loads the demo: people with a known password, a basket, three paper accounts, a listing."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ENVIRONMENT != "dev":
            raise CommandError("The demo has a password that everybody knows: it loads in dev only.")
        try:
            demo.load(now=timezone.now())
        except Refused as error:
            raise CommandError(f"{error.message} {error.fix}") from error
        self.stdout.write(f"demo sign-in {demo.TRADER} / {demo.PASSWORD}")
