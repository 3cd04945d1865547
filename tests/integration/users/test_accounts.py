"""Signing up, in and out, and passwords, as a person does it in the browser."""

import re

import pytest
from django.core import mail
from django.test import Client

from tests.factories import PASSWORD, UserFactory
from tests.integration.users.browser import LOGIN, confirm_password, sign_in, signed_in
from users.models import User

SIGNUP = "/accounts/signup/"
NEW_PASSWORD = "another-horse-battery"


def sign_up(client, email="New.Trader@Example.com", password=PASSWORD):
    return client.post(SIGNUP, {"email": email, "password1": password, "password2": password})


def test_signing_up_signs_in_with_the_email_in_lower_case(client, db):
    answer = sign_up(client)

    assert (answer.status_code, answer.url) == (302, "/")
    assert signed_in(client)
    assert User.objects.get().email == "new.trader@example.com"


@pytest.mark.parametrize("password", ["short", "1234567890", "password12"])
def test_a_weak_password_makes_no_account(client, db, password):
    answer = sign_up(client, password=password)

    assert answer.status_code == 200
    assert "password1" in answer.context["form"].errors
    assert not User.objects.exists()


def test_a_taken_email_makes_no_second_account(client, user):
    answer = sign_up(client, email=user.email.upper())

    assert "email" in answer.context["form"].errors
    assert User.objects.count() == 1


def test_where_emails_are_verified_a_taken_one_is_told_only_to_its_owner(client, user, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"

    answer = sign_up(client, email=user.email)

    assert answer.url == "/accounts/confirm-email/"
    assert not signed_in(client)
    assert User.objects.count() == 1
    assert "already exists" in mail.outbox[0].body


def test_where_emails_are_verified_the_link_in_the_email_opens_the_account(client, db, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    sign_up(client)
    assert not signed_in(client)

    link = re.search(r"http://testserver(/accounts/confirm-email/\S+)", mail.outbox[0].body)[1]
    client.post(link)
    sign_in(client, User.objects.get())

    assert signed_in(client)


def test_an_installation_can_close_sign_up(client, db, settings):
    settings.SIGN_UP_OPEN = False

    sign_up(client)

    assert not User.objects.exists()


def test_signing_in_and_out(client, user):
    assert sign_in(client, user).url == "/"
    assert signed_in(client)

    client.post("/accounts/logout/")

    assert not signed_in(client)


def test_the_email_may_be_typed_in_capitals(client, user):
    client.post(LOGIN, {"login": user.email.upper(), "password": PASSWORD})

    assert signed_in(client)


def test_a_wrong_password_opens_nothing(client, user):
    assert sign_in(client, user, "wrong").status_code == 200
    assert not signed_in(client)


def test_guessing_is_slowed_even_with_the_right_password_after_it(client, user):
    for _ in range(5):
        sign_in(client, user, "wrong")

    sign_in(client, user)

    assert not signed_in(client)


def test_a_closed_account_does_not_open(client, db):
    sign_in(client, UserFactory(is_active=False))

    assert not signed_in(client)


def test_closing_an_account_ends_its_sessions(client, user):
    sign_in(client, user)
    User.objects.update(is_active=False)

    assert client.get("/options/notices").status_code == 401


def test_signing_in_does_not_follow_a_link_to_another_site(client, user):
    assert sign_in(client, user, next_page="https://evil.example/").url == "/"


def test_a_forgotten_password_is_reset_by_the_link_in_the_email(client, user):
    client.post("/accounts/password/reset/", {"email": user.email})

    [message] = mail.outbox
    assert message.to == [user.email]
    link = re.search(r"http://testserver(/accounts/password/reset/key/\S+)", message.body)[1]
    form_page = client.get(link, follow=True)
    done = client.post(
        form_page.request["PATH_INFO"], {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    )

    assert done.status_code == 302
    assert sign_in(Client(), user).status_code == 200
    assert sign_in(Client(), user, NEW_PASSWORD).status_code == 302
    again = Client().get(link, follow=True)
    assert again.context["token_fail"] is True


def test_without_a_mail_server_the_console_says_the_link(client, user, settings, capsys):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

    client.post("/accounts/password/reset/", {"email": user.email})

    assert "http://testserver/accounts/password/reset/key/" in capsys.readouterr().out


def test_a_reset_for_an_unknown_email_looks_the_same(client, user):
    known = client.post("/accounts/password/reset/", {"email": user.email})
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@example.com"})

    assert (known.status_code, known.url) == (unknown.status_code, unknown.url)


@pytest.mark.parametrize(
    "path",
    ["login/", "signup/", "password/reset/", "password/reset/done/", "inactive/", "confirm-email/"],
)
def test_every_page_for_visitors_is_in_the_house_style(client, db, path):
    page = client.get(f"/accounts/{path}")

    assert page.status_code == 200
    assert "base.html" in [template.name for template in page.templates]


@pytest.mark.parametrize(
    "path",
    [
        "logout/",
        "email/",
        "password/change/",
        "2fa/",
        "2fa/totp/activate/",
        "sessions/",
        "3rdparty/",
    ],
)
def test_every_page_of_the_account_is_in_the_house_style(client, user, path):
    sign_in(client, user)
    confirm_password(client)

    page = client.get(f"/accounts/{path}")

    assert page.status_code == 200
    assert "base.html" in [template.name for template in page.templates]
