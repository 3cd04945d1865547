"""The whole sign-in through an external user pool, against a provider on loopback."""

import json
import os
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.test import Client

from tests.integration.users.browser import sign_in, signed_in
from tests.integration.users.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider
from users.models import User

LOGIN, CALLBACK = "/accounts/oidc/pool/login/", "/accounts/oidc/pool/login/callback/"
PRINT = "import json; from optionsplatform import settings as s; print(json.dumps({}))"
PROVIDERS = "s.SOCIALACCOUNT_PROVIDERS"
FORM_ACTION = "s.CONTENT_SECURITY_POLICY['DIRECTIVES']['form-action']"


def settings_from_environment(server_url, *, wanted=PROVIDERS, **more):
    """The setting as a start with these OIDC_* variables has it, or the words of its refusal."""
    variables = {
        "OIDC_SERVER_URL": server_url,
        "OIDC_CLIENT_ID": CLIENT_ID,
        "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "OIDC_NAME": "Pool",
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-c", PRINT.replace("{}", wanted)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


@pytest.fixture(scope="module")
def started():
    provider = Provider()
    yield provider, settings_from_environment(provider.url)
    provider.stop()


@pytest.fixture
def pool(started, db, settings):
    provider, settings.SOCIALACCOUNT_PROVIDERS = started
    provider.claims = {"sub": "u-1", "email": "Asha.Rao@Pool.example", "email_verified": True}
    provider.id_token_changes, provider.denies = {}, False
    provider.seen.clear()
    provider.refusals.clear()
    return provider


def at_the_pool(client):
    """Sign in at the pool; the path on which the pool sends the browser back."""
    asked = client.post(f"{LOGIN}?process=login&next=/options/notices")
    assert asked.status_code == 302
    back = httpx.get(asked.url).headers["Location"]
    assert back.startswith(f"http://testserver{CALLBACK}")
    return back.removeprefix("http://testserver")


def test_the_sign_in_page_offers_the_pool_by_its_name(client, pool):
    page = client.get("/accounts/login/").content.decode()

    assert ">Pool</a>" in page
    assert LOGIN in page


def test_a_person_of_the_pool_signs_in_and_has_an_account(client, pool):
    done = client.get(at_the_pool(client))

    assert (done.status_code, done.url) == (302, "/options/notices")
    assert signed_in(client)
    user = User.objects.get()
    assert user.email == "asha.rao@pool.example"
    assert not user.has_usable_password()
    assert EmailAddress.objects.get(user=user).verified is True
    assert SocialAccount.objects.get(user=user).uid == "u-1"
    assert not SocialToken.objects.exists()
    assert pool.seen.count("/token") == 1
    assert pool.refusals == []


def test_the_browser_carries_a_pkce_challenge_and_a_state_but_no_secret(client, pool):
    asked = client.post(LOGIN)

    query = parse_qs(urlsplit(asked.url).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["response_type"] == ["code"]
    assert len(query["state"][0]) >= 16
    assert CLIENT_SECRET not in asked.url


def test_the_second_sign_in_finds_the_same_account_even_after_a_new_email(client, pool):
    client.get(at_the_pool(client))
    pool.claims["email"] = "asha@elsewhere.example"
    other = Client()

    other.get(at_the_pool(other))

    assert signed_in(other)
    assert User.objects.count() == 1


def test_a_pool_email_does_not_take_over_an_account_with_a_password(client, pool, user):
    pool.claims["email"] = user.email

    client.get(at_the_pool(client), follow=True)

    assert not signed_in(client)
    assert User.objects.count() == 1


def test_an_account_can_be_connected_to_the_pool_by_its_owner(client, pool, user):
    sign_in(client, user)
    asked = client.post(f"{LOGIN}?process=connect")
    back = httpx.get(asked.url).headers["Location"].removeprefix("http://testserver")
    client.get(back)
    other = Client()

    other.get(at_the_pool(other))

    assert other.session["_auth_user_id"] == str(user.pk)


@pytest.mark.parametrize(
    "changes",
    [{"aud": "another-client"}, {"iss": "http://evil.example"}, {"exp": 1_000_000_000}],
)
def test_a_token_for_someone_else_opens_nothing(client, pool, changes):
    pool.id_token_changes = changes

    client.get(at_the_pool(client))

    assert not signed_in(client)
    assert not User.objects.exists()


def test_a_callback_that_this_browser_did_not_ask_for_opens_nothing(client, pool):
    back = at_the_pool(Client())

    client.get(back)

    assert not signed_in(client)
    assert "/token" not in pool.seen


def test_a_code_opens_only_once(client, pool):
    back = at_the_pool(client)
    client.get(back)
    client.post("/accounts/logout/")

    client.get(back)

    assert not signed_in(client)


def test_a_wrong_client_secret_is_refused_by_the_pool(client, pool, settings):
    settings.SOCIALACCOUNT_PROVIDERS = settings_from_environment(pool.url, OIDC_CLIENT_SECRET="x")

    answer = client.get(at_the_pool(client))

    assert answer.status_code == 401
    assert pool.refusals == ["wrong client"]
    assert not signed_in(client)


def test_saying_no_at_the_pool_leads_back_without_signing_in(client, pool):
    pool.denies = True

    page = client.get(at_the_pool(client), follow=True)

    assert page.status_code == 200
    assert "base.html" in [template.name for template in page.templates]
    assert not signed_in(client)


def test_the_pool_is_open_to_its_people_where_sign_up_is_closed(client, pool, settings):
    settings.SIGN_UP_OPEN = False

    client.get(at_the_pool(client))

    assert signed_in(client)


def test_prod_refuses_a_pool_without_tls(db):
    secrets = {
        "PLATFORM_ENV": "prod",
        "SECRET_KEY": "x" * 60,
        "VAULT_KEYS": "p:" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "SIMULATOR_TOKEN": "its-own",
    }

    assert "OIDC_SERVER_URL must be https" in settings_from_environment("http://pool", **secrets)
    assert "openid_connect" in settings_from_environment("https://pool", **secrets)


def test_the_browser_may_follow_the_sign_in_form_to_the_pool(db):
    allowed = settings_from_environment("https://pool.example/realms/desk", wanted=FORM_ACTION)

    assert allowed == ["'self'", "https://pool.example"]
