"""The dead-man's check: an outside monitor hears from us each minute while all is well, and alarms when
it does not. What cannot speak any more cannot say so itself."""

from __future__ import annotations

import httpx
import structlog
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from execution import silence
from optionsplatform.health import not_ready

log = structlog.get_logger(__name__)
WITHIN = 5.0


@shared_task(name="optionsplatform.deadman")
def deadman() -> bool:
    """Ask DEADMAN_URL when nothing is wrong; whether it was asked and answered."""
    url: str = settings.DEADMAN_URL
    if not url:
        return False
    problems = troubles()
    if problems:
        log.warning("deadman_not_told", problems=problems)
        return False
    try:
        answer = httpx.get(url, timeout=WITHIN, follow_redirects=False)
    except httpx.HTTPError as error:
        log.warning("deadman_unreachable", error=type(error).__name__)
        return False
    if not answer.is_success:
        log.warning("deadman_refused", status=answer.status_code)
    return answer.is_success


def troubles() -> dict[str, str]:
    """What is not well: what /readyz says, and a silent feed."""
    problems = not_ready()
    if not problems and silence.watch(now=timezone.now()):
        problems["feed"] = "no new prices in an open session"
    return problems
