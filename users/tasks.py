"""E-mail and alarm what cannot wait until the user looks."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from smtplib import SMTPException

import structlog
from celery import shared_task
from django.conf import settings
from django.core.mail import send_mail
from django.utils import timezone

from users import alarm_services, selectors, services
from users.models import Notice

log = structlog.get_logger(__name__)

BATCH = 50
LONGEST_RUN = 20.0  # seconds: a slow address delays the others no longer
OLDEST = timedelta(days=1)


@shared_task(name="users.email_notices")
def email_notices() -> int:
    """Send what waits; the number of e-mails that the mail server took."""
    return send_waiting(now=timezone.now())


def send_waiting(*, now: datetime) -> int:
    sent = 0
    for notice in selectors.notices_to_email(since=now - OLDEST)[:BATCH]:
        if services.claim_email(notice_id=notice.pk, now=now):
            sent += _send(notice, now=now)
    return sent


def _send(notice: Notice, *, now: datetime) -> int:
    """One e-mail, outside any transaction; a refused one is released for the next run."""
    link = f"\n\n{settings.SITE_URL}{notice.link}" if notice.link else ""
    subject = " ".join(f"[{notice.get_severity_display()}] {notice.title}".split())
    try:
        send_mail(subject, notice.body + link, None, [notice.user.email])
    except (SMTPException, OSError) as error:
        services.release_email(notice_id=notice.pk, claimed_at=now)
        log.warning("notice_email_failed", notice=notice.pk, error=str(error))
        return 0
    return 1


@shared_task(name="users.deliver_alarms")
def deliver_alarms() -> int:
    """Try what waits; the number of alarms that were taken."""
    return deliver_waiting()


def deliver_waiting(*, at: datetime | None = None) -> int:
    """Each due delivery once. `at` in place of the clock, for tests of the waits between attempts."""
    sent, until = 0, time.monotonic() + LONGEST_RUN
    due = selectors.deliveries_due(now=at or timezone.now())[:BATCH]
    for pk in list(due.values_list("pk", flat=True)):
        if time.monotonic() > until:
            break
        now = at or timezone.now()
        delivery = alarm_services.claim_delivery(delivery_id=pk, now=now)
        if delivery is None:
            continue
        outcome = alarm_services.carry(delivery, now=now)
        alarm_services.record_attempt(delivery_id=pk, outcome=outcome, now=at or timezone.now())
        sent += outcome.ok
    return sent
