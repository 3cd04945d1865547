"""Paths under /options/ answer with and without a trailing slash."""

from __future__ import annotations

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest


class StripOptionsSlash:
    """Drop the trailing slash of an API path before it is routed; URLs are written without it."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest):
        if request.path_info.startswith("/options/"):
            request.path_info = request.path_info.rstrip("/")
        return self._get_response(request)
