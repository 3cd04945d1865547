"""`python -m optionsplatform.beating NAME`: 0 while that process beats; the health check of containers."""

from __future__ import annotations

import os
import sys

import redis

from optionsplatform.processes import worker_name


def beating(name: str, *, url: str) -> bool:
    """Whether the process renewed its heartbeat in the last seconds; a worker is the one of this machine."""
    beat = worker_name(name) if name == "worker" else name
    with redis.Redis.from_url(url, socket_timeout=5) as connection:
        return bool(connection.exists(f"heartbeat:{beat}"))


if __name__ == "__main__":
    sys.exit(0 if beating(sys.argv[1], url=os.environ["REDIS_URL"]) else 1)
