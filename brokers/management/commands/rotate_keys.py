"""`manage.py rotate_keys`: seal every stored secret again under the first key of VAULT_KEYS."""

from __future__ import annotations

from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand
from django.db import transaction

from brokers import services
from users import alarm_services

FACTOR_SECRETS = ("secret", "seed")


class Command(BaseCommand):
    help = (
        "Put the new key first in VAULT_KEYS and keep the old one behind it, restart, run this, "
        "then remove the old key."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = services.rotate_secrets()
        factors = sum(_seal_factor(pk) for pk in Authenticator.objects.values_list("pk", flat=True))
        channels = alarm_services.rotate_channels()
        self.stdout.write(
            f"Sealed again: {accounts} broker accounts, {factors} second factors, {channels} alarm channels."
        )


@transaction.atomic
def _seal_factor(pk: int) -> bool:
    """Second factors are sealed by allauth's adapter with the same keys."""
    factor = Authenticator.objects.select_for_update().get(pk=pk)
    adapter = get_adapter()
    sealed = {name: factor.data[name] for name in FACTOR_SECRETS if name in factor.data}
    for name, value in sealed.items():
        factor.data[name] = adapter.encrypt(adapter.decrypt(value))
    if sealed:
        factor.save(update_fields=["data"])
    return bool(sealed)
