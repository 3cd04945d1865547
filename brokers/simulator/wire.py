"""What goes over the simulator's plain wire: answers, refusals, and reading of numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `delay` seconds late, or never (`dropped`: the connection closes)."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    delay: float = 0.0
    dropped: bool = False


class Refusal(Exception):
    """The broker's own reason to refuse; nothing was placed or changed."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def answer(self) -> Answer:
        return reply({"code": self.code, "message": self.message}, self.status)


def reply(document: Any, status: int = 200) -> Answer:
    return Answer(status, orjson.dumps(document))


def document_of(body: bytes) -> dict[str, Any]:
    """The JSON object of a request's body."""
    try:
        found = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise Refusal("BAD_REQUEST", f"The body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refusal("BAD_REQUEST", "The body must be a JSON object.")
    return found


def text_of(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise Refusal("BAD_REQUEST", f"{name} must be a text that is not empty.")
    return value


def choice_of(document: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = text_of(document, name)
    if value not in choices:
        raise Refusal("BAD_REQUEST", f"{name} must be one of {', '.join(choices)}.")
    return value


def whole_of(document: dict[str, Any], name: str) -> int:
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refusal("BAD_REQUEST", f"{name} must be a whole number.")
    return value


def decimal_of(document: dict[str, Any], name: str) -> Decimal | None:
    """The number written as text (or an integer); None when it is absent or null."""
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise Refusal("BAD_REQUEST", f"{name} must be a decimal written as text.")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise Refusal("BAD_REQUEST", f"{name} is not a number.") from error
    if not number.is_finite():
        raise Refusal("BAD_REQUEST", f"{name} must be finite.")
    return number


def microseconds(wall: datetime) -> int:
    """Wall time as the ledger keeps it; exact and ordered."""
    return round(wall.timestamp() * 1_000_000)
