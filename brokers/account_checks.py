"""What may not be done with a broker account, and why: refusals in plain words. Nothing is written here."""

from __future__ import annotations

from decimal import Decimal

import httpx
from django.conf import settings

from brokers import registry, selectors
from brokers.models import BrokerAccount
from brokers.types import ALIVE, ReadFailed
from users.errors import Conflict, Forbidden, Refused
from users.models import User

Broker, Mode = BrokerAccount.Broker, BrokerAccount.Mode
LARGEST_CAPITAL = Decimal("100000000000")
# What each broker's login needs; a paper login needs nothing of the user's.
LIVE_SECRETS = {
    Broker.ZERODHA: ("api_key", "api_secret"),
    Broker.ANGELONE: ("api_key", "mpin", "totp_secret"),
    Broker.FINVASIA: ("client_secret",),
}


def check_new(*, user: User, broker: str, mode: str, client_id: str, capital: Decimal) -> None:
    """A broker and mode that exist, an id that can be one, and no second row of the same account."""
    if broker not in Broker.values:
        raise Refused("unknown_broker", f"{broker!r} is not a broker here.", fix=f"Use one of {', '.join(Broker.values)}.", field="broker")  # fmt: skip
    if mode not in Mode.values:
        raise Refused("unknown_mode", f"{mode!r} is not a mode.", fix="Use paper or live.", field="mode")  # fmt: skip
    if not client_id.isalnum():
        raise Refused("bad_client_id", "The client id must be letters and digits.", fix="Copy it from the broker's profile page.", field="client_id")  # fmt: skip
    check_capital(capital)
    same = {"broker": broker, "mode": mode, "client_id": client_id}
    if selectors.open_accounts_of(user).filter(**same).exists():
        raise duplicate()


def check_capital(capital: Decimal) -> None:
    """An amount that an account may have."""
    if not 0 <= capital <= LARGEST_CAPITAL:
        raise Refused("bad_capital", "The capital must be 0 or more, in rupees.", fix="Give what the account may use.", field="capital")  # fmt: skip


def check_paper(given: dict[str, str]) -> None:
    """Paper trading is on, and no secret was sent with it."""
    if not settings.PLATFORM.enable_paper_trading:
        raise Refused("paper_trading_off", "Paper trading is switched off in this environment.", fix="Set enable_paper_trading in environments.json.", field="mode")  # fmt: skip
    if given:
        raise Refused("secrets_not_needed", "A paper account has no secrets of yours.", fix="Leave secrets out.", field="secrets")  # fmt: skip


def check_live(broker: str, given: dict[str, str], *, may_go_live: bool) -> None:
    """Somebody who may, facts that are dated, and exactly the secrets of that broker."""
    if not may_go_live:
        raise Forbidden("paper_key", "This API key is for paper accounts only.", fix="Sign in with the browser.", field="mode")  # fmt: skip
    if settings.PLATFORM.market_profile == "brief":
        raise Refused("profile_brief", "Live accounts need the dated contract facts; the profile 'brief' is active.", fix="Set market_profile to null in environments.json.", field="mode")  # fmt: skip
    needed = LIVE_SECRETS[Broker(broker)]
    if given.keys() != set(needed) or not all(given.values()):
        raise Refused("secrets_missing", f"A live account at {Broker(broker).label} needs exactly: {', '.join(needed)}.", fix="Send each of them, none empty.", field="secrets")  # fmt: skip


def require_paper(account: BrokerAccount) -> None:
    """Only a paper account has a wire yet."""
    require_open(account)
    if account.mode != Mode.PAPER:
        raise registry.NoLiveWire(account)


def require_open(account: BrokerAccount) -> None:
    """An archived account is changed no more."""
    if account.archived_at is not None:
        raise Refused("account_archived", "The account is archived.", fix="Add it again.")


def require_flat(account: BrokerAccount, transport: httpx.BaseTransport | None) -> None:
    """Archiving what still has orders or positions would leave them without a watcher."""
    wire = registry.adapter_for(account, transport=transport)
    try:
        held = wire.positions()
        working = [o for o in wire.orders() if o.status in ALIVE]
    except ReadFailed as error:
        raise unreachable(account.get_broker_display()) from error
    if held or working:
        raise Conflict(
            "account_not_flat",
            f"The account has {len(held)} open positions and {len(working)} open orders.",
            fix="Exit or square off first.",
        )


def duplicate() -> Refused:
    """The same account is there already."""
    return Refused("duplicate_account", "You already have this account.", fix="Use the existing one, or archive it first.", field="client_id")  # fmt: skip


def unreachable(broker: str) -> Refused:
    """The broker did not answer."""
    return Refused("broker_unreachable", f"{broker} did not answer, so nothing was changed.", fix="Try again in a moment; see /healthz for the simulator's state.")  # fmt: skip
