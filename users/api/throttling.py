"""Requests per minute of one API key; stopping is never throttled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from redis.exceptions import ConnectionError as CacheDown
from redis.exceptions import TimeoutError as CacheSlow
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from users.models import ApiKey

if TYPE_CHECKING:  # rest_framework.views imports this module
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)


class KeyThrottle(SimpleRateThrottle):
    """Counts per key. A view that exits, cancels or kills sets `never_throttled = True`."""

    scope = "key"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        if getattr(view, "never_throttled", False) or not isinstance(request.auth, ApiKey):
            return None
        return self.cache_format % {"scope": self.scope, "ident": request.auth.prefix}

    def allow_request(self, request: Request, view: APIView) -> bool:
        try:
            return super().allow_request(request, view)
        except (CacheDown, CacheSlow) as error:  # counting is lost for a while; trading is not
            log.warning("throttle_cache_down", error=str(error))
            return True
