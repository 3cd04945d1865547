"""Broker accounts: add, change, renew, archive; secrets are sealed before they reach a row."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
from django.db import IntegrityError, transaction

from brokers import account_checks, registry, selectors
from brokers.models import BrokerAccount
from brokers.types import ReadFailed
from market.kernel.money import rupees
from users import services as users
from users.models import User

Broker, Mode = BrokerAccount.Broker, BrokerAccount.Mode
DEMO_CAPITAL = Decimal("2500000.00")

@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who does it, from where and when: for the audit log."""

    actor: User
    source: str
    now: datetime
    address: str | None = None


def add_account(  # noqa: PLR0913 - keyword only
    *,
    user: User,
    broker: str,
    mode: str,
    client_id: str,
    label: str,
    capital: Decimal,
    act: Act,
    live_secrets: Mapping[str, str] | None = None,
    may_go_live: bool = True,
    transport: httpx.BaseTransport | None = None,
) -> BrokerAccount:
    """A new account. A paper login is opened at the simulator first; nothing is saved if that fails."""
    capital = rupees(capital)
    account_checks.check_new(user=user, broker=broker, mode=mode, client_id=client_id, capital=capital)
    plain = dict(live_secrets or {})
    if mode == Mode.LIVE:
        account_checks.check_live(broker, plain, may_go_live=may_go_live)
    else:
        account_checks.check_paper(plain)
        plain = _new_login(broker)
        _register(plain, broker, capital, transport)
    fields = {"broker": broker, "mode": mode, "client_id": client_id, "capital": capital}
    return _save_new(user, {**fields, "label": label.strip() or client_id}, plain, act)


def open_paper_accounts(
    *,
    user: User,
    act: Act,
    capital: Decimal = DEMO_CAPITAL,
    transport: httpx.BaseTransport | None = None,
) -> list[BrokerAccount]:
    """One paper account at each broker; those that exist are logged in again with their token."""
    return [_open_paper(user, broker, capital, act, transport) for broker in Broker.values]


def renew_login(
    *, account: BrokerAccount, act: Act, transport: httpx.BaseTransport | None = None
) -> None:
    """Give a paper account a new access token; the old one stops working at once."""
    account_checks.require_paper(account)
    plain = {**_opened(account), "token": secrets.token_urlsafe(32)}
    _register(plain, account.broker, account.capital, transport)
    with transaction.atomic():
        _seal(account, plain)
        _record(account, "broker_account.renew_login", act)


def log_in_again(*, account: BrokerAccount, transport: httpx.BaseTransport | None = None) -> None:
    """Tell the simulator an existing login once more, for one whose ledger was replaced."""
    account_checks.require_paper(account)
    _register(_opened(account), account.broker, account.capital, transport)


def change_account(
    *,
    account: BrokerAccount,
    act: Act,
    label: str | None = None,
    capital: Decimal | None = None,
    transport: httpx.BaseTransport | None = None,
) -> BrokerAccount:
    """Rename an account, or set the capital: a paper login gets it at the simulator first."""
    account_checks.require_open(account)
    wanted: dict[str, Any] = {"label": label, "capital": capital}
    after = {name: value for name, value in wanted.items() if value is not None}
    if capital is not None:
        after["capital"] = rupees(capital)
        account_checks.check_capital(capital)
        if account.mode == Mode.PAPER:
            _register(_opened(account), account.broker, capital, transport)
    before = {name: str(getattr(account, name)) for name in after}
    with transaction.atomic():
        for name, value in after.items():
            setattr(account, name, value)
        account.save(update_fields=list(after))
        shown = {name: str(value) for name, value in after.items()}
        _record(account, "broker_account.change", act, before=before, after=shown)
    return account


def archive_account(
    *, account: BrokerAccount, act: Act, transport: httpx.BaseTransport | None = None
) -> BrokerAccount:
    """Stop using a flat account; its orders and trades stay. Archiving twice does nothing."""
    if account.archived_at is not None:
        return account
    if account.mode == Mode.PAPER:
        account_checks.require_flat(account, transport)
    with transaction.atomic():
        open_rows = selectors.connected_accounts().filter(pk=account.pk)
        if open_rows.update(archived_at=act.now):
            _record(account, "broker_account.archive", act)
    account.refresh_from_db()
    return account


def rotate_secrets() -> int:
    """Seal every secret again that is not under the newest key; how many accounts changed."""
    return sum(
        _rotate(pk) for pk in BrokerAccount.objects.order_by("pk").values_list("pk", flat=True)
    )


@transaction.atomic
def _rotate(pk: int) -> bool:
    account = BrokerAccount.objects.select_for_update().get(pk=pk)
    vault = selectors.vault()
    if all(vault.is_current(sealed) for sealed in account.sealed_secrets.values()):
        return False
    _seal(account, _opened(account))
    return True


def _open_paper(
    user: User,
    broker: str,
    capital: Decimal,
    act: Act,
    transport: httpx.BaseTransport | None,
) -> BrokerAccount:
    mine = selectors.open_accounts_of(user).filter(broker=broker, mode=Mode.PAPER)
    if account := mine.order_by("id").first():
        log_in_again(account=account, transport=transport)
        return account
    return add_account(
        user=user,
        broker=broker,
        mode=Mode.PAPER,
        client_id=f"PAPER{broker[:2].upper()}1",
        label=f"{Broker(broker).label} paper",
        capital=capital,
        act=act,
        transport=transport,
    )


def _new_login(broker: str) -> dict[str, str]:
    return {"login": f"{broker}-{secrets.token_hex(6)}", "token": secrets.token_urlsafe(32)}


def _register(
    plain: Mapping[str, str],
    broker: str,
    capital: Decimal,
    transport: httpx.BaseTransport | None,
) -> None:
    try:
        registry.register_login(
            login=plain["login"],
            broker=broker,
            capital=str(capital),
            token=plain["token"],
            transport=transport,
        )
    except ReadFailed as error:
        raise account_checks.unreachable(Broker(broker).label) from error


@transaction.atomic
def _save_new(user: User, fields: dict[str, Any], plain: dict[str, str], act: Act) -> BrokerAccount:
    try:
        with transaction.atomic():
            account = BrokerAccount.objects.create(user=user, **fields)
    except IntegrityError as error:
        raise account_checks.duplicate() from error
    _seal(account, plain)
    shown = {name: str(value) for name, value in fields.items()}
    _record(account, "broker_account.add", act, after=shown)
    return account


def _seal(account: BrokerAccount, plain: Mapping[str, str]) -> None:
    vault = selectors.vault()
    account.sealed_secrets = {
        field: vault.seal(
            value, table=selectors.TABLE, row=account.pk, user=account.user_id, field=field
        )
        for field, value in plain.items()
    }
    account.save(update_fields=["sealed_secrets"])


def _opened(account: BrokerAccount) -> dict[str, str]:
    return {field: selectors.secret_of(account, field) for field in account.sealed_secrets}


def _record(account: BrokerAccount, action: str, act: Act, **values: Any) -> None:
    users.record(
        actor=act.actor,
        owner=account.user,
        action=action,
        obj=account,
        source=act.source,
        address=act.address,
        now=act.now,
        **values,
    )
