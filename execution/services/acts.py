"""Who acts, from where and when; written into the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import NotRequired, TypedDict

from users.models import User
from users.services import record as write


class Act(TypedDict):
    """Who does it, from where and when: for the audit log."""

    by: User
    source: str
    now: datetime
    address: NotRequired[str | None]


def record(action: str, owner: User, after: dict[str, object], act: Act) -> None:
    """An entry of the audit log about the owner's trading."""
    write(
        actor=act["by"],
        owner=owner,
        action=action,
        obj=owner,
        after=after,
        source=act["source"],
        address=act.get("address"),
        now=act["now"],
    )
