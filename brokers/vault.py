"""Broker secrets at rest: each is sealed to its own row, user and field. Knows no settings.

A ciphertext that is copied to another row, user or field does not open.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from users import sealing
from users.sealing import Unsealable

__all__ = ["Unsealable", "Vault"]


class Vault:
    """Seals under the newest key and opens with any it was given; shows none of them."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._keys = sealing.read_keys(lines)

    def __repr__(self) -> str:
        return f"Vault({', '.join(self._keys)})"

    def seal(self, plain: str, *, table: str, row: int, user: int, field: str) -> str:
        """`plain` as "key id.ciphertext", for this place only."""
        return sealing.seal(plain, self._keys, _place(table, row, user, field))

    def open_(self, sealed: str, *, table: str, row: int, user: int, field: str) -> str:
        """The plain text; Unsealable when it was changed, moved, or its key is gone."""
        return sealing.unseal(sealed, self._keys, _place(table, row, user, field))

    def is_current(self, sealed: str) -> bool:
        """Whether it is sealed under the newest key."""
        return sealed.partition(".")[0] == next(iter(self._keys))


def _place(table: str, row: int, user: int, field: str) -> bytes:
    """The associated data; JSON keeps the parts apart whatever they contain."""
    return json.dumps([table, row, user, field]).encode()
