import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from tests.factories import PASSWORD, make_api_key, make_operator
from tests.integration.users.browser import ACTIVATE, LOGIN, activate_totp, sign_in
from users import alarm_services
from users.models import AlarmAttempt, User

ADMIN = "/admin/"


def test_the_admin_is_behind_the_same_login(client, db):
    answer = client.get(f"{ADMIN}login/", {"next": ADMIN})

    assert answer.url == f"{LOGIN}?next=%2Fadmin%2F"
    assert client.post(f"{ADMIN}login/", {"username": "a", "password": "b"}).status_code == 302


def test_the_admin_is_not_for_traders(client, user):
    sign_in(client, user)

    assert client.get(ADMIN, follow=True).status_code == 403


def test_the_admin_asks_staff_for_a_second_factor_where_the_environment_says_so(
    client, db, settings
):
    settings.ADMIN_REQUIRES_MFA = True
    staff = make_operator()
    sign_in(client, staff)

    sent_to = [url for url, _ in client.get(ADMIN, follow=True).redirect_chain]
    assert ACTIVATE in sent_to
    activate_totp(client)
    assert client.get(ADMIN).status_code == 200


@pytest.mark.parametrize("model", ["user", "apikey", "auditentry", "notice"])
def test_a_superuser_sees_the_lists_of_the_admin_and_no_secret(client, db, model):
    root = User.objects.create_superuser("root@example.com", PASSWORD)
    key, _ = make_api_key(root)
    client.force_login(root)

    page = client.get(f"{ADMIN}users/{model}/")

    assert page.status_code == 200
    assert key.digest.encode() not in page.content


def test_the_admin_makes_and_closes_users_but_never_deletes_or_promotes_for_operators(client, db):
    operator = make_operator()
    operator.user_permissions.set(Permission.objects.filter(content_type__app_label="users"))
    root = User.objects.create_superuser("root@example.com", PASSWORD)
    client.force_login(operator)

    made = client.post(
        f"{ADMIN}users/user/add/",
        {"email": "Made@Example.com", "password1": PASSWORD, "password2": PASSWORD},
    )
    new = User.objects.get(email="made@example.com")
    page = f"{ADMIN}users/user/{new.pk}/change/"
    client.post(page, {"email": new.email, "is_active": "", "is_superuser": "on", "is_staff": "on"})
    new.refresh_from_db()

    assert made.status_code == 302
    assert (new.is_active, new.is_staff, new.is_superuser) == (False, False, False)
    assert client.get(f"{ADMIN}users/user/{new.pk}/delete/").status_code == 403
    denied = client.post(f"{ADMIN}users/user/{root.pk}/change/", {"email": "mine@example.com"})
    assert denied.status_code == 403


def test_only_the_admin_may_run_the_scripts_that_draw_it(client, db):
    client.force_login(User.objects.create_superuser("root@example.com", PASSWORD))

    assert "'unsafe-eval'" in client.get(ADMIN)["Content-Security-Policy"]
    assert "unsafe" not in client.get("/accounts/email/")["Content-Security-Policy"]


def test_an_alarm_channel_is_shown_with_its_tries_and_its_audit_but_without_a_secret(client, db, user):
    now = timezone.now()
    channel, secret = alarm_services.add_channel(
        user=user, kind="webhook", name="Pager", address="https://hooks.example.com/T0/secret-path",
        source="page", now=now,
    )  # fmt: skip
    bot, _ = alarm_services.add_channel(
        user=user, kind="telegram", name="Bot", address="4711", token="123456:" + "A" * 35,
        source="page", now=now,
    )  # fmt: skip
    delivery = alarm_services.send_test(user=user, channel_id=channel.pk, now=now)
    AlarmAttempt.objects.create(delivery=delivery, at=now, ok=False, said="503 of the receiver")
    client.force_login(User.objects.create_superuser("root@example.com", PASSWORD))

    lists = client.get(f"{ADMIN}users/alarmchannel/").content.decode()
    one = client.get(f"{ADMIN}users/alarmchannel/{channel.pk}/change/").content.decode()
    told = client.get(f"{ADMIN}users/alarmdelivery/{delivery.pk}/change/").content.decode()

    assert "hooks.example.com" in lists
    assert f"alarm_channel.add by {user}" in one
    assert "503 of the receiver" in told
    bot.refresh_from_db()
    channel.refresh_from_db()
    for page in (lists, one, told):
        for hidden in (secret, "secret-path", channel.sealed, bot.sealed, "A" * 35):
            assert hidden not in page
    assert client.post(f"{ADMIN}users/alarmchannel/{channel.pk}/change/", {"name": "x"}).status_code == 403
