"""One JSON document a request, nested no deeper than any body of this API needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

DEEPEST = 32
TOO_DEEP = f"JSON parse error - nested deeper than {DEEPEST} levels"


class JsonBody(JSONParser):
    """A document that is nested for its own sake is malformed, not a failure of ours."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            document = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError(TOO_DEEP) from error
        if _is_too_deep(document):
            raise ParseError(TOO_DEEP)
        return document


def _is_too_deep(document: Any) -> bool:
    """Level by level, so that the check itself cannot run out of stack."""
    level = [document]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
