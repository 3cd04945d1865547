from allauth.mfa.models import Authenticator
from django.db import connection
from django.test import Client

from tests.integration.users.browser import activate_totp, codes, sign_in, signed_in


def test_with_an_authenticator_app_the_password_alone_opens_nothing(client, user):
    sign_in(client, user)
    secret = activate_totp(client)
    other = Client()

    answer = sign_in(other, user)

    assert answer.url.startswith("/accounts/2fa/authenticate/")
    assert not signed_in(other)
    other.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert not signed_in(other)
    other.post("/accounts/2fa/authenticate/", {"code": codes(secret)[2]})
    assert signed_in(other)


def test_a_code_opens_only_once(client, user):
    sign_in(client, user)
    code = codes(activate_totp(client))[2]

    opened = []
    for browser in (Client(), Client()):
        sign_in(browser, user)
        browser.post("/accounts/2fa/authenticate/", {"code": code})
        opened.append(signed_in(browser))

    assert opened == [True, False]


def test_secrets_of_second_factors_are_sealed_in_the_database(client, user):
    sign_in(client, user)
    secret = activate_totp(client)

    with connection.cursor() as cursor:
        cursor.execute("SELECT data::text FROM mfa_authenticator")
        stored = " ".join(row[0] for row in cursor.fetchall())

    assert Authenticator.objects.count() == 2  # the app and its recovery codes
    assert secret not in stored
    assert stored.count('"dev.') == 2


def test_a_recovery_code_opens_when_the_phone_is_lost(client, user):
    sign_in(client, user)
    activate_totp(client)
    row = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)
    code = row.wrap().get_unused_codes()[0]
    other = Client()
    sign_in(other, user)

    other.post("/accounts/2fa/authenticate/", {"code": code})

    assert signed_in(other)
