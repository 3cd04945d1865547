"""Is the process up, is the desk ready, and what the numbers are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import redis
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from execution import running
from market import quotes
from optionsplatform.metrics import exposition
from optionsplatform.processes import BEATING

LOOPBACK = {"127.0.0.1", "::1"}


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """This process answers; nothing else is asked."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when everything the desk needs is there; 503 names what is not; how many workers are alive."""
    problems = not_ready()
    workers = None if "valkey" in problems else sum(running.workers().values())
    body = {"ready": not problems, "not_ready": problems, "workers": workers}
    return JsonResponse(body, status=503 if problems else 200)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for this machine and for signed-in staff and operators."""
    if not _may_read_metrics(request):
        return HttpResponseForbidden("metrics are for this machine, staff and operators\n")
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def not_ready() -> dict[str, str]:
    """What is not ready, each with the reason in plain words."""
    checks: dict[str, Callable[[], str]] = {
        "database": _database,
        "migrations": _migrations,
        "valkey": _valkey,
    }
    problems = {name: why for name, check in checks.items() if (why := check())}
    if "valkey" not in problems:
        problems |= dict.fromkeys(_silent(), "no heartbeat in the last 10 seconds")
    return problems


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as problem:
        return _first_line(problem)
    return ""


@cache
def _all_applied() -> None:
    """Remembered once true: a newer code's migrations come with a new process."""
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise LookupError(f"{len(plan)} not applied, the first is {plan[0][0]}")


def _migrations() -> str:
    try:
        _all_applied()
    except DatabaseError as problem:
        return _first_line(problem)
    except LookupError as problem:
        return str(problem)
    return ""


def _valkey() -> str:
    try:
        quotes.connection().ping()
    except redis.RedisError as problem:
        return _first_line(problem)
    return ""


def _silent() -> list[str]:
    beats = quotes.connection().mget([f"heartbeat:{name}" for name in BEATING])
    return [name for name, beat in zip(BEATING, beats, strict=True) if beat is None]


def _may_read_metrics(request: HttpRequest) -> bool:
    forwarded = "HTTP_X_FORWARDED_FOR" in request.META
    if request.META.get("REMOTE_ADDR") in LOOPBACK and not forwarded:
        return True
    user = request.user
    return user.is_authenticated and (user.is_staff or user.groups.filter(name="operator").exists())


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
