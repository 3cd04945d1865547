"""What an account's holder does in the broker's own app, and looks at the books of an account."""

from __future__ import annotations

from brokers import selectors
from brokers.models import BrokerAccount
from execution.engine.desk import Desk as EngineDesk
from execution.models import AccountPosition, Mismatch
from execution.reconcile import look
from tests.integration.execution.conftest import Desk


def engine(desk: Desk) -> EngineDesk:
    return desk.player._desk(desk.player.last)


def trade(desk: Desk, account: BrokerAccount, symbol: str, side: str, quantity: int, **more) -> str:
    """An order in the broker's app; its number."""
    body = {"account": login(account), "symbol": symbol, "side": side, "quantity": quantity, **more}
    return desk.player._operator("POST", "/admin/app/orders", body)["order_id"]


def square_off(desk: Desk, account: BrokerAccount, symbol: str) -> None:
    desk.player._operator("POST", "/admin/app/square-off", {"account": login(account), "symbol": symbol})


def echo_tags(desk: Desk, *, echo: bool) -> None:
    desk.beginning = None
    desk.player._operator("POST", "/admin/tags", {"echo": echo})


def reconciled(desk: Desk, account: BrokerAccount) -> list[Mismatch]:
    """Look now, whatever is due; the mismatches that are open afterwards."""
    desk.player._drain(look.look(account, engine(desk)), desk.player.last)
    return open_mismatches(account)


def open_mismatches(account: BrokerAccount) -> list[Mismatch]:
    return list(Mismatch.objects.filter(broker_account=account, resolved_at=None).order_by("pk"))


def sums(account: BrokerAccount) -> dict[str, tuple[int, int, int]]:
    """By contract: ours, external, the broker's net."""
    rows = AccountPosition.objects.filter(broker_account=account).exclude(ours=0, external=0, theirs=0)
    return {
        symbol: (ours, external, theirs)
        for symbol, ours, external, theirs in rows.values_list(
            "contract__symbol", "ours", "external", "theirs"
        )
    }


def net(desk: Desk, account: BrokerAccount) -> dict[str, int]:
    """The broker's own ledger of the account."""
    (mine,) = [row for row in desk.ledger() if row["account"] == login(account)]
    return {row["symbol"]: row["quantity"] for row in mine["positions"] if row["quantity"]}


def login(account: BrokerAccount) -> str:
    return selectors.secret_of(account, "login")
