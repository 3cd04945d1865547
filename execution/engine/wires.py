"""Opening an account's wire: what stands in the way is one named failure, never a crash."""

from __future__ import annotations

from brokers.models import BrokerAccount
from brokers.types import Adapter, ReadFailed
from execution.engine.desk import Desk
from users.errors import Refused


class NoWire(ReadFailed):
    """The account cannot be reached as it is set up: nothing was sent, nothing was read."""


def open_wire(desk: Desk, account: BrokerAccount) -> Adapter:
    """The account's adapter; NoWire when it has no usable login or no wire."""
    try:
        return desk.adapter_for(account)
    except Refused as error:
        raise NoWire(f"{error} {error.fix}") from error
