"""Which wire an account speaks on, and where: the only door to the adapters."""

from __future__ import annotations

import os
from functools import cache
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from brokers import selectors
from brokers.adapters import plain
from brokers.models import BrokerAccount
from brokers.types import Adapter
from brokers.vault import Unsealable
from users.errors import Refused

# Hosts where orders cost money; a subdomain of one is one.
LIVE_HOSTS = (
    "kite.trade", "zerodha.com", "angelone.in", "angelbroking.com", "shoonya.com", "finvasia.com",
)  # fmt: skip


class NoLiveWire(Refused):
    """Live brokers are not connected in this version; nothing pretends to be one."""

    def __init__(self, account: BrokerAccount) -> None:
        super().__init__(
            "no_live_wire",
            f"Live trading at {account.get_broker_display()} is not built yet.",
            fix="Use a paper account.",
        )


class NoLogin(Refused):
    """The account has no login that can be opened: none is kept, or it was sealed with another key."""

    def __init__(self, account: BrokerAccount) -> None:
        super().__init__(
            "no_login",
            f"{account.label} has no usable login.",
            fix="Renew the account's login.",
        )


class WrongEndpoint(Refused):
    """A paper account would have been routed to a live broker."""

    def __init__(self, host: str) -> None:
        super().__init__(
            "paper_to_live_host",
            f"Paper accounts must not be sent to {host}, which is a live broker.",
            fix="Set SIMULATOR_URL to the broker simulator.",
        )


POOLS = 64  # of listeners


def adapter_for(account: BrokerAccount, *, transport: httpx.BaseTransport | None = None) -> Adapter:
    """The account's wire. `transport` replaces the socket, for headless runs and tests."""
    return _wire(account, _client(endpoint_of(account), transport))


def listening_adapter_for(account: BrokerAccount) -> Adapter:
    """As `adapter_for`, for who holds a connection for seconds: a pool looks through all that it has at
    every request, so that hundreds of listeners share many small ones."""
    return _wire(account, _pooled(endpoint_of(account), os.getpid(), account.pk % POOLS))


def _wire(account: BrokerAccount, client: httpx.Client) -> Adapter:
    try:
        token = selectors.secret_of(account, "token")
    except (KeyError, Unsealable) as error:
        raise NoLogin(account) from error
    return plain.PlainWire(client, token=token)


def endpoint_of(account: BrokerAccount) -> str:
    """Where the account's orders go: paper to the simulator only, live nowhere yet."""
    if account.mode != BrokerAccount.Mode.PAPER:
        raise NoLiveWire(account)
    return _simulator_url()


def register_login(
    *,
    login: str,
    broker: str,
    capital: str,
    token: str,
    transport: httpx.BaseTransport | None = None,
) -> None:
    """Open or renew a paper login at the simulator; types.ReadFailed when it did not confirm."""
    plain.register_login(
        _client(_simulator_url(), transport),
        operator_token=settings.SIMULATOR_TOKEN,
        login={"account": login, "broker": broker, "capital": capital, "token": token},
    )


def _simulator_url() -> str:
    url: str = settings.SIMULATOR_URL
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if any(host == live or host.endswith(f".{live}") for live in LIVE_HOSTS):
        raise WrongEndpoint(host)
    return url


def _client(base_url: str, transport: httpx.BaseTransport | None) -> httpx.Client:
    if transport is not None:
        return plain.open_client(base_url, transport=transport)
    return _pooled(base_url, os.getpid(), None)


@cache
def _pooled(base_url: str, _process: int, _listeners: int | None) -> httpx.Client:
    """One connection pool for each base URL and group of listeners; a forked worker opens its own."""
    return plain.open_client(base_url)
