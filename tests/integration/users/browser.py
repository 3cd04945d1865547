"""What a person does in the browser, for the tests of accounts, second factors and the admin."""

from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)

from tests.factories import PASSWORD

LOGIN = "/accounts/login/"
ACTIVATE = "/accounts/2fa/totp/activate/"


def sign_in(client, user, password=PASSWORD, next_page="/"):
    return client.post(f"{LOGIN}?next={next_page}", {"login": user.email, "password": password})


def signed_in(client):
    return "_auth_user_id" in client.session


def codes(secret):
    """The codes of the last, this and the next half minute; each opens once."""
    return [
        format_hotp_value(hotp_value(secret, counter))
        for counter in yield_hotp_counters_from_time()
    ]


def confirm_password(client):
    """allauth asks for the password again before a second factor changes."""
    answer = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert answer.status_code == 302


def activate_totp(client):
    confirm_password(client)
    page = client.get(ACTIVATE)
    secret = page.context["form"].secret
    answer = client.post(ACTIVATE, {"code": codes(secret)[1]})
    assert answer.status_code == 302, answer.context["form"].errors
    return secret
