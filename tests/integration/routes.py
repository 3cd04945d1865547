"""Every route of the resolver, with what it needs to be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import get_resolver
from django.utils.regex_helper import normalize

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Route:
    """One URL pattern: its address with %(names)s, and what answers it."""

    template: str
    names: tuple[str, ...]
    name: str
    view: Any

    def __str__(self) -> str:
        return self.template or "/"

    @property
    def area(self) -> str:
        first = self.template.partition("/")[0]
        return first if first in ("admin", "accounts", "options") else "pages"

    @property
    def methods(self) -> tuple[str, ...]:
        """What a class answers; a function says so only when it is called."""
        return tuple(name for name in METHODS if hasattr(self.view, name))

    def address(self, ids: dict[str, Any]) -> str:
        """Fails on a name that the world has no object for: give it one in World.ids."""
        missing = set(self.names) - ids.keys()
        assert not missing, f"{self}: no object of the owner's world stands for {missing}"
        return "/" + self.template % ids


def every_route() -> list[Route]:
    return list(_walk(get_resolver().url_patterns, ""))


def in_area(area: str) -> list[Route]:
    return [route for route in every_route() if route.area == area]


def _walk(patterns: Any, prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        here = prefix + normalize(pattern.pattern.regex.pattern)[0][0]
        if hasattr(pattern, "url_patterns"):
            yield from _walk(pattern.url_patterns, here)
            continue
        callback = pattern.callback
        view = getattr(callback, "view_class", None) or getattr(callback, "cls", None) or callback
        names = tuple(part.partition(")")[0] for part in here.split("%(")[1:])
        yield Route(here, names, pattern.name or "", view)
