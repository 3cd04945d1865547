"""Alarms that leave the desk: to a server on this machine, signed, tried again, each attempt kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import orjson
import pytest

from tests.factories import NOW
from tests.integration.listener import Listener, listening
from users import alarm_services, alarms, services, tasks
from users.errors import Refused
from users.models import AlarmAttempt, AlarmChannel, AlarmDelivery

CHANNELS = "/options/alarm-channels"


@pytest.fixture
def pager() -> Iterator[Listener]:
    with listening() as said:
        yield said


def tell(user, *, severity="critical", kind="unknown_order", cause="c"):
    return services.notify(user=user, kind=kind, severity=severity, title="An order has no answer",
                           body="It is being looked up.", dedupe_key=cause, link="/executions", now=NOW)  # fmt: skip


def webhook(user, url, **choice):
    return alarm_services.add_channel(
        user=user, kind="webhook", name="Pager", address=f"{url}/desk?who=me", source="test", now=NOW, **choice
    )


def test_a_warning_goes_through_every_channel_that_takes_it_signed(user, stranger, pager):
    channel, secret = webhook(user, pager.url)
    webhook(user, pager.url, topics=["dead_feed"])
    webhook(stranger, pager.url)
    notice = tell(user)

    assert tasks.deliver_waiting(at=NOW) == 1
    assert tasks.deliver_waiting(at=NOW) == 0

    ((path, headers, body),) = pager.heard
    delivery = AlarmDelivery.objects.get()
    stamp = int(headers["X-Desk-Timestamp"])
    assert (path, headers["Host"]) == ("/desk?who=me", pager.url.removeprefix("http://"))
    assert headers["X-Desk-Signature"] == f"v1={alarms.signature(secret, stamp, body)}"
    assert headers["X-Desk-Delivery"] == str(delivery.pk)
    assert stamp == int(NOW.timestamp())
    shown = orjson.loads(body)
    assert (shown["notice"], shown["topic"], shown["severity"]) == (notice.pk, "unknown_order", "critical")
    assert shown["link"].endswith("/executions")
    assert (delivery.channel, delivery.status, delivery.attempts) == (channel, "sent", 1)


def test_what_is_not_taken_is_tried_again_with_growing_waits_and_each_attempt_is_kept(user, pager):
    webhook(user, pager.url)
    pager.answers = [500, 302, 200]
    tell(user)

    assert tasks.deliver_waiting(at=NOW) == 0
    assert tasks.deliver_waiting(at=NOW + timedelta(seconds=9)) == 0
    assert tasks.deliver_waiting(at=NOW + timedelta(seconds=10)) == 0
    assert tasks.deliver_waiting(at=NOW + timedelta(seconds=40)) == 1

    assert list(AlarmAttempt.objects.order_by("pk").values_list("ok", "said")) == [
        (False, "HTTP 500."), (False, "HTTP 302."), (True, "HTTP 200."),
    ]  # fmt: skip
    assert len(pager.heard) == 3


def test_a_final_no_is_given_up_at_once_and_a_dead_address_after_the_last_wait(user, pager):
    webhook(user, pager.url)
    pager.answers = [410]
    tell(user)
    assert tasks.deliver_waiting(at=NOW) == 0
    assert AlarmDelivery.objects.get().status == "given_up"

    alarm_services.add_channel(user=user, kind="webhook", name="Dead", address="http://127.0.0.1:9/", source="test", now=NOW)
    AlarmChannel.objects.filter(name="Pager").update(lowest="critical", topics=["dead_feed"])
    tell(user, cause="2")
    now = NOW
    for wait in (timedelta(0), *alarms.WAITS):
        now += wait
        tasks.deliver_waiting(at=now)

    dead = AlarmDelivery.objects.get(channel__name="Dead")
    assert (dead.status, dead.attempts, len(pager.heard)) == ("given_up", 8, 1)
    assert set(dead.tries.values_list("said", flat=True)) == {"ConnectError."}


def test_a_claimed_delivery_is_left_alone_until_its_lease_ends(user, pager):
    webhook(user, pager.url)
    tell(user)
    held = AlarmDelivery.objects.get()

    assert alarm_services.claim_delivery(delivery_id=held.pk, now=NOW) == held
    assert alarm_services.claim_delivery(delivery_id=held.pk, now=NOW) is None
    assert tasks.deliver_waiting(at=NOW + timedelta(seconds=59)) == 0
    assert tasks.deliver_waiting(at=NOW + alarm_services.LEASE) == 1


def test_where_loopback_is_not_allowed_it_is_refused_when_kept_and_when_sent(user, pager, settings):
    webhook(user, pager.url)
    tell(user)
    settings.ALARMS_TO_LOOPBACK = False

    with pytest.raises(Refused, match="It must be https"):
        webhook(user, pager.url)
    assert tasks.deliver_waiting(at=NOW) == 0
    assert pager.heard == []
    assert AlarmAttempt.objects.get().said == "It must be https."


def test_telegram_gets_the_words_and_neither_row_nor_attempt_shows_the_token(user, pager, settings):
    settings.TELEGRAM_URL = pager.url
    channel, shown = alarm_services.add_channel(
        user=user, kind="telegram", name="Phone", address="-4711", token="123456:ABC-def_1", source="test", now=NOW
    )
    pager.answers = [401]
    tell(user)
    tasks.deliver_waiting(at=NOW)

    ((path, _, body),) = pager.heard
    assert path == "/bot123456:ABC-def_1/sendMessage"
    text = orjson.loads(body)
    assert text["chat_id"] == "-4711"
    assert text["text"].startswith("[Critical] An order has no answer\nIt is being looked up.\nhttp")
    assert shown == ""
    assert "ABC-def" not in channel.sealed + AlarmAttempt.objects.get().said


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "pigeon"}, "unknown_choice"), ({"lowest": "info"}, "unknown_choice"),
        ({"topics": ["weather"]}, "unknown_choice"), ({"name": " "}, "name_missing"),
        ({"kind": "webhook", "token": "x"}, "token_not_needed"),
        ({"kind": "webhook", "token": "", "address": "https://10.0.0.1/"}, "bad_address"),
        ({"token": "no token"}, "bad_token"), ({"token": "1:a/../b"}, "bad_token"), ({"address": "me"}, "bad_chat"),
    ],
)  # fmt: skip
def test_a_channel_that_cannot_work_is_refused(user, changes, code):
    good = {"kind": "telegram", "name": "Phone", "address": "4711", "token": "12:ab", "lowest": "warning", "topics": []}

    with pytest.raises(Refused) as refused:
        alarm_services.add_channel(user=user, source="test", now=NOW, **(good | changes))
    assert refused.value.code == code
    assert not AlarmChannel.objects.exists()


def test_keys_turn_over_and_an_ended_channel_forgets_its_secret(user, pager, settings):
    channel, _ = webhook(user, pager.url)
    settings.VAULT_KEYS = ["new:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=", *settings.VAULT_KEYS]

    assert (alarm_services.rotate_channels(), alarm_services.rotate_channels()) == (1, 0)
    settings.VAULT_KEYS = settings.VAULT_KEYS[:1]
    tell(user)
    assert tasks.deliver_waiting(at=NOW) == 1
    tell(user, cause="2")
    alarm_services.end_channel(user=user, channel_id=channel.pk, source="test", now=NOW)

    assert tasks.deliver_waiting(at=NOW) == 0
    assert AlarmChannel.objects.get().sealed == ""


def test_the_api_and_the_page_add_test_and_remove_a_channel(api, user, client, pager):
    made = api.post(CHANNELS, {"kind": "webhook", "name": "Pager", "address": pager.url}, format="json")
    assert made.status_code == 201, made.content
    assert len(made.json()["secret"]) == 43
    assert "secret" not in api.get(CHANNELS).json()["data"][0]

    assert api.post(f"{CHANNELS}/{made.json()['id']}/test").json()["status"] == "waiting"
    assert tasks.deliver_waiting() == 1
    assert orjson.loads(pager.heard[0][2])["title"] == "Test of Pager"

    client.force_login(user)
    page = client.post("/settings/alarms", {"kind": "webhook", "name": "Second", "address": pager.url, "lowest": "critical"})
    assert b"data-secret" in page.content
    second = AlarmChannel.objects.get(name="Second")
    client.post(f"/settings/alarms/{second.pk}/test")
    assert tasks.deliver_waiting() == 1
    assert b"HTTP 200." in client.get("/settings").content
    client.post(f"/settings/alarms/{second.pk}/end")
    assert api.delete(f"{CHANNELS}/{made.json()['id']}").status_code == 204
    assert api.get(CHANNELS).json()["data"] == []
    wrong = client.post("/settings/alarms", {"kind": "webhook", "name": "x", "address": "nowhere", "lowest": "warning"})
    assert (wrong.status_code, b"Use a public https address" in wrong.content) == (422, True)
