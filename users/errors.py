"""Why a service refused what a user asked: code, words, the fix, and the field it is about."""

from __future__ import annotations


class Refused(ValueError):
    """Nothing was saved or sent. `field` is a JSON-pointer path without its leading slash."""

    def __init__(self, code: str, message: str, *, fix: str, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.field = field


class Conflict(Refused):
    """The object has moved on since the user read it (412)."""


class Forbidden(Refused):
    """The user may see the object but not do this with it (403)."""
