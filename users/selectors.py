"""What the other apps may read about a user, and what a user may read of their own."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

from django.db.models import Model, Q, QuerySet

from users.models import AlarmChannel, AlarmDelivery, ApiKey, AuditEntry, Notice, User


def by_id(user_id: int) -> User:
    """The active user; User.DoesNotExist when there is none or the account is closed."""
    return User.objects.get(pk=user_id, is_active=True)


def operators() -> QuerySet[User]:
    """Who is told when the installation itself is in trouble."""
    rows = User.objects.filter(Q(is_superuser=True) | Q(groups__name="operator"), is_active=True)
    return rows.distinct()


def notices_of(user: User) -> QuerySet[Notice]:
    return Notice.objects.filter(user=user).order_by("-id")


def notices_to_email(*, since: datetime) -> QuerySet[Notice]:
    """Warnings and worse that nobody was e-mailed about; older ones are only in the list."""
    severe = (Notice.Severity.WARNING, Notice.Severity.CRITICAL)
    waiting = Notice.objects.filter(emailed_at=None, severity__in=severe, created_at__gte=since)
    return waiting.filter(user__is_active=True).select_related("user").order_by("pk")


def channels_of(user: User) -> QuerySet[AlarmChannel]:
    """The user's alarm channels that are in use, newest first."""
    return AlarmChannel.objects.filter(user=user, ended_at=None).order_by("-id")


def last_deliveries(channels: Iterable[AlarmChannel]) -> dict[int, AlarmDelivery]:
    """By channel, its newest delivery with its attempts."""
    rows = AlarmDelivery.objects.filter(channel__in=[channel.pk for channel in channels])
    newest = rows.order_by("channel_id", "-pk").distinct("channel_id").prefetch_related("tries")
    return {row.channel_id: row for row in newest}


def deliveries_due(*, now: datetime) -> QuerySet[AlarmDelivery]:
    """What waits for its next attempt, the longest waiting first."""
    rows = AlarmDelivery.objects.filter(status="waiting", next_try_at__lte=now, channel__ended_at=None)
    return rows.filter(channel__user__is_active=True).order_by("next_try_at", "pk")


def keys_of(user: User) -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(user=user).order_by("-id")


def audit_about(obj: Model) -> QuerySet[AuditEntry]:
    """What was done to one row, the newest first."""
    rows = AuditEntry.objects.filter(object_type=obj._meta.label_lower, object_id=str(obj.pk))
    return rows.select_related("actor").order_by("-id")


def audit_of(user: User) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(owner=user).select_related("actor").order_by("-id")


def key_for(token: str, *, now: datetime) -> ApiKey | None:
    """The usable key that `prefix.secret` opens, or None: unknown, revoked, expired, user closed."""
    prefix, _, secret = token.partition(".")
    key = (
        ApiKey.objects.select_related("user")
        .filter(prefix=prefix, revoked_at=None, expires_at__gt=now, user__is_active=True)
        .first()
    )
    if key is None or not hmac.compare_digest(key.digest, digest(secret)):
        return None
    return key


def digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
