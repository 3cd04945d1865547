"""Give every test worker its own Valkey database; loaded by bin/test before Django's settings."""

import os

_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if _worker:
    _server, _, _ = os.environ["REDIS_URL"].rpartition("/")
    os.environ["REDIS_URL"] = f"{_server}/{int(_worker.removeprefix('gw')) + 1}"
