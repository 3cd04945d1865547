"""`python -m optionsplatform.beating NAME`: 0 while that process beats; the health check of containers."""

from __future__ import annotations

import os
import sys

import redis


def beating(name: str, *, url: str) -> bool:
    """Whether the process renewed its heartbeat in the last seconds."""
    with redis.Redis.from_url(url, socket_timeout=5) as connection:
        return bool(connection.exists(f"heartbeat:{name}"))


if __name__ == "__main__":
    sys.exit(0 if beating(sys.argv[1], url=os.environ["REDIS_URL"]) else 1)
