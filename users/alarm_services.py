"""Alarm channels, and the deliveries through them: rows that wait until somebody has taken them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson
from django.conf import settings
from django.db import transaction

from users import alarms, couriers, sealing, selectors
from users.errors import Refused
from users.models import AlarmAttempt, AlarmChannel, AlarmDelivery, Notice, User
from users.services import notify, record

LEASE = timedelta(seconds=60)  # a delivery that a dead worker had claimed is free again after it
MOST_CHANNELS = 10
Kind = AlarmChannel.Kind
Status = AlarmDelivery.Status


@transaction.atomic
def add_channel(  # noqa: PLR0913 - keyword only
    *,
    user: User,
    kind: str,
    name: str,
    address: str,
    token: str = "",
    lowest: str = "warning",
    topics: Sequence[str] = (),
    source: str,
    ip: str | None = None,
    now: datetime,
) -> tuple[AlarmChannel, str]:
    """A new channel, and the secret that signs a webhook: shown now and never again ("" for Telegram)."""
    _check(user, kind=kind, name=name, address=address, token=token, lowest=lowest, topics=topics)
    secret = secrets.token_urlsafe(32) if kind == Kind.WEBHOOK else token.strip()
    channel = AlarmChannel.objects.create(
        user=user, kind=kind, name=name.strip(), address=address.strip(), lowest=lowest,
        topics=sorted(set(topics)), created_at=now,
    )  # fmt: skip
    _seal(channel, secret)
    record(
        actor=user, owner=user, action="alarm_channel.add", obj=channel,
        after={"kind": kind, "name": channel.name, "lowest": lowest, "topics": channel.topics},
        source=source, address=ip, now=now,
    )  # fmt: skip
    return channel, secret if kind == Kind.WEBHOOK else ""


@transaction.atomic
def end_channel(
    *, user: User, channel_id: int, source: str, ip: str | None = None, now: datetime
) -> AlarmChannel:
    """Nothing more goes through it, what waits included; AlarmChannel.DoesNotExist for a stranger's."""
    channel = selectors.channels_of(user).select_for_update().get(pk=channel_id)
    channel.ended_at, channel.sealed = now, ""
    channel.save(update_fields=["ended_at", "sealed"])
    channel.deliveries.filter(status=Status.WAITING).update(status=Status.GIVEN_UP)
    record(
        actor=user, owner=user, action="alarm_channel.end", obj=channel, before={"name": channel.name},
        source=source, address=ip, now=now,
    )  # fmt: skip
    return channel


@transaction.atomic
def send_test(*, user: User, channel_id: int, now: datetime) -> AlarmDelivery:
    """A notice through this channel alone, whatever it takes otherwise."""
    channel = selectors.channels_of(user).get(pk=channel_id)
    notice = notify(
        user=user, kind="test_alarm", severity=Notice.Severity.INFO, title=f"Test of {channel.name}",
        body="An alarm would reach you like this.", link="/settings",
        dedupe_key=f"test:{channel.pk}:{now.isoformat()}", now=now,
    )  # fmt: skip
    if notice is None:
        raise Refused("asked_twice", "This test was sent already.", fix="Wait for it, then try again.")
    return AlarmDelivery.objects.create(channel=channel, notice=notice, next_try_at=now)


def claim_delivery(*, delivery_id: int, now: datetime) -> AlarmDelivery | None:
    """The delivery, for this worker alone for a while; None when another has it or it is over."""
    waiting = AlarmDelivery.objects.filter(
        pk=delivery_id, status=Status.WAITING, next_try_at__lte=now, channel__ended_at=None
    )
    if not waiting.update(next_try_at=now + LEASE):
        return None
    return AlarmDelivery.objects.select_related("channel", "notice").get(pk=delivery_id)


def carry(delivery: AlarmDelivery, *, now: datetime) -> couriers.Outcome:
    """One attempt, outside any transaction."""
    channel, notice = delivery.channel, delivery.notice
    try:
        secret = sealing.unseal(channel.sealed, sealing.read_keys(settings.VAULT_KEYS), _place(channel))
    except sealing.Unsealable:
        return couriers.Outcome(ok=False, said="Its secret cannot be opened with VAULT_KEYS.", final=True)
    if channel.kind == Kind.TELEGRAM:
        return couriers.send_telegram(token=secret, chat=channel.address, text=_text(notice))
    return couriers.send_webhook(
        url=channel.address, secret=secret, body=_body(delivery), delivery=delivery.pk, now=now
    )


@transaction.atomic
def record_attempt(*, delivery_id: int, outcome: couriers.Outcome, now: datetime) -> AlarmDelivery:
    """Write down how an attempt went, and when the next one is."""
    delivery = AlarmDelivery.objects.select_for_update().get(pk=delivery_id)
    AlarmAttempt.objects.create(delivery=delivery, at=now, ok=outcome.ok, said=outcome.said[:200])
    delivery.attempts += 1
    again = None if outcome.final else alarms.next_try(delivery.attempts, now)
    if outcome.ok:
        delivery.status = Status.SENT
    elif again is None:
        delivery.status = Status.GIVEN_UP
    else:
        delivery.next_try_at = again
    delivery.save(update_fields=["attempts", "status", "next_try_at"])
    return delivery


def rotate_channels() -> int:
    """Seal every channel's secret again that is not under the newest key; how many changed."""
    rows = AlarmChannel.objects.filter(ended_at=None).order_by("pk")
    return sum(_rotate(pk) for pk in rows.values_list("pk", flat=True))


@transaction.atomic
def _rotate(pk: int) -> bool:
    channel = AlarmChannel.objects.select_for_update().get(pk=pk)
    keys = sealing.read_keys(settings.VAULT_KEYS)
    if channel.sealed.partition(".")[0] == next(iter(keys)):
        return False
    _seal(channel, sealing.unseal(channel.sealed, keys, _place(channel)))
    return True


def _seal(channel: AlarmChannel, secret: str) -> None:
    channel.sealed = sealing.seal(secret, sealing.read_keys(settings.VAULT_KEYS), _place(channel))
    channel.save(update_fields=["sealed"])


def _place(channel: AlarmChannel) -> bytes:
    return json.dumps(["users_alarmchannel", channel.pk, channel.user_id, "secret"]).encode()


def _check(  # noqa: PLR0913 - keyword only
    user: User, *, kind: str, name: str, address: str, token: str, lowest: str, topics: Sequence[str]
) -> None:
    if not name.strip():
        raise Refused("name_missing", "The channel has no name.", fix="Say where it leads.", field="name")
    if kind not in Kind.values or lowest not in alarms.SEVERITIES or set(topics) - alarms.TOPICS.keys():
        raise Refused("unknown_choice", "This is not a kind, severity or topic of an alarm channel.",
                      fix="Use telegram or webhook, warning or critical, and the listed topics.",
                      field="kind")  # fmt: skip
    if selectors.channels_of(user).count() >= MOST_CHANNELS:
        raise Refused("too_many_channels", f"There are {MOST_CHANNELS} channels already.",
                      fix="Remove one first.")  # fmt: skip
    if kind == Kind.TELEGRAM:
        _check_telegram(address, token)
    elif token:
        raise Refused("token_not_needed", "The desk makes the secret of a webhook itself.",
                      fix="Leave token out.", field="token")  # fmt: skip
    elif why := alarms.bad_form(address.strip(), allow_loopback=settings.ALARMS_TO_LOOPBACK):
        raise Refused("bad_address", f"Nothing can be sent to this address. {why}",
                      fix="Use a public https address that takes POST.", field="address")  # fmt: skip


def _check_telegram(chat: str, token: str) -> None:
    number, _, rest = token.strip().partition(":")
    if not number.isdecimal() or not rest or not rest.replace("-", "").replace("_", "").isalnum():
        raise Refused("bad_token", "This is not the token of a Telegram bot.",
                      fix="Copy it from BotFather: digits, a colon, letters and digits.",
                      field="token")  # fmt: skip
    if not chat.strip().lstrip("-").isdecimal() and not chat.strip().startswith("@"):
        raise Refused("bad_chat", "This is not the id of a Telegram chat.",
                      fix="Use the chat's number, or @name of a channel.", field="address")  # fmt: skip


def _text(notice: Notice) -> str:
    link = f"\n{settings.SITE_URL}{notice.link}" if notice.link else ""
    return f"[{notice.get_severity_display()}] {notice.title}\n{notice.body}{link}"


def _body(delivery: AlarmDelivery) -> bytes:
    notice = delivery.notice
    return orjson.dumps(
        {
            "delivery": delivery.pk,
            "notice": notice.pk,
            "topic": alarms.topic_of(notice.kind),
            "kind": notice.kind,
            "severity": notice.severity,
            "title": notice.title,
            "body": notice.body,
            "link": f"{settings.SITE_URL}{notice.link}" if notice.link else "",
            "at": notice.created_at.isoformat(),
        }
    )
