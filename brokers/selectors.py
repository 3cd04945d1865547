"""Which broker accounts a user has, and their secrets for those who must use them."""

from __future__ import annotations

from django.conf import settings
from django.db.models import QuerySet

from brokers.models import BrokerAccount
from brokers.vault import Vault
from users.models import User
from users.prepared import Param, Prepared

TABLE = "brokers_brokeraccount"
WITH_USER = Prepared(lambda: BrokerAccount.objects.select_related("user").filter(pk=Param("account")))


def accounts_of(user: User) -> QuerySet[BrokerAccount]:
    """Every account of the user, archived ones too, newest first."""
    return BrokerAccount.objects.filter(user=user).order_by("-id")


def open_accounts_of(user: User) -> QuerySet[BrokerAccount]:
    """The accounts that can trade."""
    return accounts_of(user).filter(archived_at=None)


def connected_accounts() -> QuerySet[BrokerAccount]:
    """Every user's accounts that can trade: for the engine and the order streams."""
    return BrokerAccount.objects.filter(archived_at=None).order_by("id")


def account_with_user(account_id: int) -> BrokerAccount:
    """The account with its owner, for the engine."""
    (account,) = WITH_USER.rows(account=account_id)
    return account


def vault() -> Vault:
    return Vault(settings.VAULT_KEYS)


def secret_of(account: BrokerAccount, field: str) -> str:
    """One secret in plain text: only to put on the wire, never to log, store or show."""
    return vault().open_(
        account.sealed_secrets[field],
        table=TABLE,
        row=account.pk,
        user=account.user_id,
        field=field,
    )
