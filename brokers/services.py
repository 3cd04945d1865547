"""Broker accounts: add, change, renew, archive; secrets are sealed before they reach a row."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
from django.conf import settings
from django.db import IntegrityError, transaction

from brokers import registry, selectors
from brokers.models import BrokerAccount
from brokers.types import ALIVE, ReadFailed
from market.kernel.money import rupees
from users import services as users
from users.errors import Conflict, Forbidden, Refused
from users.models import User

Broker, Mode = BrokerAccount.Broker, BrokerAccount.Mode
DEMO_CAPITAL = Decimal("2500000.00")
LARGEST_CAPITAL = Decimal("100000000000")
# What each broker's login needs; a paper login needs nothing of the user's.
LIVE_SECRETS = {
    Broker.ZERODHA: ("api_key", "api_secret"),
    Broker.ANGELONE: ("api_key", "mpin", "totp_secret"),
    Broker.FINVASIA: ("client_secret",),
}


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
    _check_new(user=user, broker=broker, mode=mode, client_id=client_id, capital=capital)
    plain = dict(live_secrets or {})
    if mode == Mode.LIVE:
        _check_live(broker, plain, may_go_live=may_go_live)
    else:
        _check_paper(plain)
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
    _require_paper(account)
    plain = {**_opened(account), "token": secrets.token_urlsafe(32)}
    _register(plain, account.broker, account.capital, transport)
    with transaction.atomic():
        _seal(account, plain)
        _record(account, "broker_account.renew_login", act)


def log_in_again(*, account: BrokerAccount, transport: httpx.BaseTransport | None = None) -> None:
    """Tell the simulator an existing login once more, for one whose ledger was replaced."""
    _require_paper(account)
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
    _require_open(account)
    wanted: dict[str, Any] = {"label": label, "capital": capital}
    after = {name: value for name, value in wanted.items() if value is not None}
    if capital is not None:
        after["capital"] = rupees(capital)
        _check_capital(capital)
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
        _require_flat(account, transport)
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


def _check_new(*, user: User, broker: str, mode: str, client_id: str, capital: Decimal) -> None:
    if broker not in Broker.values:
        raise Refused("unknown_broker", f"{broker!r} is not a broker here.", fix=f"Use one of {', '.join(Broker.values)}.", field="broker")  # fmt: skip
    if mode not in Mode.values:
        raise Refused("unknown_mode", f"{mode!r} is not a mode.", fix="Use paper or live.", field="mode")  # fmt: skip
    if not client_id.isalnum():
        raise Refused("bad_client_id", "The client id must be letters and digits.", fix="Copy it from the broker's profile page.", field="client_id")  # fmt: skip
    _check_capital(capital)
    same = {"broker": broker, "mode": mode, "client_id": client_id}
    if selectors.open_accounts_of(user).filter(**same).exists():
        raise _duplicate()


def _check_capital(capital: Decimal) -> None:
    if not 0 <= capital <= LARGEST_CAPITAL:
        raise Refused("bad_capital", "The capital must be 0 or more, in rupees.", fix="Give what the account may use.", field="capital")  # fmt: skip


def _check_paper(given: dict[str, str]) -> None:
    if not settings.PLATFORM.enable_paper_trading:
        raise Refused("paper_trading_off", "Paper trading is switched off in this environment.", fix="Set enable_paper_trading in environments.json.", field="mode")  # fmt: skip
    if given:
        raise Refused("secrets_not_needed", "A paper account has no secrets of yours.", fix="Leave secrets out.", field="secrets")  # fmt: skip


def _check_live(broker: str, given: dict[str, str], *, may_go_live: bool) -> None:
    if not may_go_live:
        raise Forbidden("paper_key", "This API key is for paper accounts only.", fix="Sign in with the browser.", field="mode")  # fmt: skip
    if settings.PLATFORM.market_profile == "brief":
        raise Refused("profile_brief", "Live accounts need the dated contract facts; the profile 'brief' is active.", fix="Set market_profile to null in environments.json.", field="mode")  # fmt: skip
    needed = LIVE_SECRETS[Broker(broker)]
    if given.keys() != set(needed) or not all(given.values()):
        raise Refused("secrets_missing", f"A live account at {Broker(broker).label} needs exactly: {', '.join(needed)}.", fix="Send each of them, none empty.", field="secrets")  # fmt: skip


def _require_paper(account: BrokerAccount) -> None:
    _require_open(account)
    if account.mode != Mode.PAPER:
        raise registry.NoLiveWire(account)


def _require_open(account: BrokerAccount) -> None:
    if account.archived_at is not None:
        raise Refused("account_archived", "The account is archived.", fix="Add it again.")


def _require_flat(account: BrokerAccount, transport: httpx.BaseTransport | None) -> None:
    """Archiving what still has orders or positions would leave them without a watcher."""
    wire = registry.adapter_for(account, transport=transport)
    try:
        held = wire.positions()
        working = [
            o for o in wire.orders() if o.status in ALIVE
        ]
    except ReadFailed as error:
        raise _unreachable(account.get_broker_display()) from error
    if held or working:
        raise Conflict(
            "account_not_flat",
            f"The account has {len(held)} open positions and {len(working)} open orders.",
            fix="Exit or square off first.",
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
        raise _unreachable(Broker(broker).label) from error


@transaction.atomic
def _save_new(user: User, fields: dict[str, Any], plain: dict[str, str], act: Act) -> BrokerAccount:
    try:
        with transaction.atomic():
            account = BrokerAccount.objects.create(user=user, **fields)
    except IntegrityError as error:
        raise _duplicate() from error
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


def _duplicate() -> Refused:
    return Refused("duplicate_account", "You already have this account.", fix="Use the existing one, or archive it first.", field="client_id")  # fmt: skip


def _unreachable(broker: str) -> Refused:
    return Refused("broker_unreachable", f"{broker} did not answer, so nothing was changed.", fix="Try again in a moment; see /healthz for the simulator's state.")  # fmt: skip
