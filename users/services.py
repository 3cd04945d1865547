"""Audit, notices and API keys: every change of a row of this app."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Model, Q

from users import alarms, selectors
from users.errors import Refused
from users.models import AlarmDelivery, ApiKey, AuditEntry, Notice, User

LONGEST_KEY_LIFE = timedelta(days=366)
USE_IS_NOTED_EVERY = timedelta(minutes=1)


def record(  # noqa: PLR0913 - keyword only
    *,
    actor: User | None,
    owner: User | None,
    action: str,
    obj: Model,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    source: str,
    address: str | None = None,
    now: datetime,
) -> AuditEntry:
    """Append one act to the audit log, in the caller's transaction."""
    return AuditEntry.objects.create(
        at=now,
        actor=actor,
        owner=owner,
        action=action,
        object_type=obj._meta.label_lower,
        object_id=str(obj.pk),
        before=before,
        after=after,
        source=source,
        address=address,
    )


@transaction.atomic
def notify(  # noqa: PLR0913 - keyword only
    *,
    user: User,
    kind: str,
    severity: str,
    title: str,
    body: str,
    dedupe_key: str,
    link: str = "",
    now: datetime,
) -> Notice | None:
    """Tell the user once, through every alarm channel that takes it; None when this cause was told before."""
    notice, created = Notice.objects.get_or_create(
        user=user,
        dedupe_key=dedupe_key,
        defaults={
            "kind": kind,
            "severity": Notice.Severity(severity),
            "title": title,
            "body": body,
            "link": link,
            "created_at": now,
        },
    )
    if not created:
        return None
    _queue_alarms(notice, now)
    return notice


def notify_operators(*, kind: str, title: str, body: str, dedupe_key: str, now: datetime) -> None:
    """A critical notice to everyone who keeps the installation running."""
    for operator in selectors.operators():
        notify(
            user=operator, kind=kind, severity=Notice.Severity.CRITICAL, title=title, body=body,
            dedupe_key=dedupe_key, link="/notices", now=now,
        )  # fmt: skip


def _queue_alarms(notice: Notice, now: datetime) -> None:
    """A delivery for every channel of the user that takes it, in the caller's transaction."""
    if notice.severity not in alarms.SEVERITIES:
        return
    taking = [
        channel
        for channel in selectors.channels_of(notice.user)
        if alarms.wants(
            lowest=channel.lowest, topics=channel.topics, severity=notice.severity, kind=notice.kind
        )
    ]
    AlarmDelivery.objects.bulk_create(
        [AlarmDelivery(channel=channel, notice=notice, next_try_at=now) for channel in taking]
    )


def mark_read(*, user: User, notice_id: int, now: datetime) -> Notice:
    """Set read_at at the first reading; Notice.DoesNotExist for another user's notice."""
    selectors.notices_of(user).filter(pk=notice_id, read_at=None).update(read_at=now)
    return selectors.notices_of(user).get(pk=notice_id)


def claim_email(*, notice_id: int, now: datetime) -> bool:
    """Mark the notice as e-mailed by this worker; False when another did."""
    return Notice.objects.filter(pk=notice_id, emailed_at=None).update(emailed_at=now) == 1


def release_email(*, notice_id: int, claimed_at: datetime) -> None:
    """The mail server did not take it: the next run tries again."""
    Notice.objects.filter(pk=notice_id, emailed_at=claimed_at).update(emailed_at=None)


@transaction.atomic
def create_api_key(  # noqa: PLR0913 - keyword only
    *,
    user: User,
    name: str,
    scope: str,
    expires_at: datetime,
    source: str,
    address: str | None = None,
    now: datetime,
) -> tuple[ApiKey, str]:
    """A new key and its token "prefix.secret", which is shown now and never again."""
    _check_key(name=name, scope=scope, expires_at=expires_at, now=now)
    secret = secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        user=user,
        name=name.strip(),
        prefix=secrets.token_hex(6),
        digest=selectors.digest(secret),
        scope=scope,
        expires_at=expires_at,
    )
    record(
        actor=user,
        owner=user,
        action="api_key.create",
        obj=key,
        after={"name": key.name, "scope": scope, "expires_at": expires_at.isoformat()},
        source=source,
        address=address,
        now=now,
    )
    return key, f"{key.prefix}.{secret}"


def _check_key(*, name: str, scope: str, expires_at: datetime, now: datetime) -> None:
    if not name.strip():
        raise Refused(
            "name_missing",
            "The key has no name.",
            fix="Name the program that uses it.",
            field="name",
        )
    if scope not in ApiKey.Scope.values:
        raise Refused(
            "unknown_scope",
            f"{scope!r} is not a scope.",
            fix=f"Use one of {', '.join(ApiKey.Scope.values)}.",
            field="scope",
        )
    if not now < expires_at <= now + LONGEST_KEY_LIFE:
        raise Refused(
            "key_life",
            "The key must expire after now and within 366 days.",
            fix="Choose an earlier or later expires_at.",
            field="expires_at",
        )


@transaction.atomic
def revoke_api_key(
    *, user: User, key_id: int, source: str, address: str | None = None, now: datetime
) -> ApiKey:
    """Stop the key at once; a second call changes nothing. ApiKey.DoesNotExist for a stranger's."""
    key = selectors.keys_of(user).select_for_update().get(pk=key_id)
    if key.revoked_at is not None:
        return key
    key.revoked_at = now
    key.save(update_fields=["revoked_at"])
    record(
        actor=user,
        owner=user,
        action="api_key.revoke",
        obj=key,
        before={"name": key.name, "scope": key.scope},
        source=source,
        address=address,
        now=now,
    )
    return key


def note_key_use(*, key: ApiKey, now: datetime) -> None:
    """Write last_used_at at most once a minute, so that reading stays cheap."""
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_IS_NOTED_EVERY)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
