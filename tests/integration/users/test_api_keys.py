from datetime import UTC, datetime, timedelta

import pytest
from django.test import RequestFactory
from rest_framework.request import Request
from rest_framework.test import APIClient

from tests.factories import NOW, make_api_key
from users import selectors, services
from users.api.authentication import paper_only
from users.errors import Refused
from users.models import ApiKey, Notice

KEYS = "/options/api-keys"


def new_key(**changes):
    expires = datetime.now(UTC) + timedelta(days=30)
    return {"name": "robot", "scope": "trade", "expires_at": expires.isoformat(), **changes}


def test_a_key_is_made_in_the_browser_and_its_token_shown_once(api, user):
    made = api.post(KEYS, new_key(), format="json")

    assert made.status_code == 201
    key = ApiKey.objects.get()
    prefix, secret = made.data["token"].split(".")
    assert prefix == key.prefix
    assert secret not in str(key.__dict__)
    assert key.digest == selectors.digest(secret)
    listed = api.get(KEYS).json()
    assert [row["prefix"] for row in listed["data"]] == [prefix]
    assert "token" not in listed["data"][0]
    assert "digest" not in listed["data"][0]
    assert selectors.audit_of(user).get().action == "api_key.create"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": " "}, "/name"),
        ({"scope": "root"}, "/scope"),
        ({"expires_at": "2020-01-01T00:00:00+05:30"}, "/expires_at"),
        ({"expires_at": "2090-01-01T00:00:00+05:30"}, "/expires_at"),
        ({"admin": True}, "/admin"),
    ],
)
def test_a_bad_key_is_refused_with_its_field_and_nothing_is_saved(api, changes, pointer):
    answer = api.post(KEYS, new_key(**changes), format="json")

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        '{"\\ud800": 1}',
        '{"scope": "\\ud800"}',
        '{"name": "\\ud800"}',
        '{"name": "\\u0000"}',
        "[]",
        "null",
        "5",
    ],
)
def test_strange_but_valid_json_is_a_422_problem(api, body):
    answer = api.post(KEYS, body, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("body", ["", "{", '{"name": NaN}', b"\xff"])
def test_what_is_no_json_is_refused(api, body):
    answer = api.post(KEYS, body, content_type="application/json")

    assert answer.status_code in (400, 422)
    assert answer["Content-Type"] == "application/problem+json"


def test_another_format_is_refused(api):
    assert api.post(KEYS, "a=1", content_type="text/plain").json()["status"] == 415
    assert api.get(KEYS, HTTP_ACCEPT="text/csv").json()["status"] == 406


def test_keys_cannot_manage_keys(key_api):
    answer = key_api("trade").get(KEYS)

    assert answer.status_code == 403
    assert answer.json()["detail"] == "API keys cannot do this; sign in with the browser."


def test_a_key_signs_its_owner_in_and_notes_the_use(key_api):
    assert key_api("read").get("/options/notices").status_code == 200
    assert ApiKey.objects.get().last_used_at is not None


@pytest.mark.parametrize("token", ["", "nothing", "a.b", "a b c", ".", "0123456789ab.wrong", "ÿ.ÿ"])
def test_a_wrong_token_is_401(db, token):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")

    answer = client.get("/options/notices")

    assert answer.status_code == 401
    assert answer.json()["code"] == "bad_credentials"
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_the_right_prefix_with_another_secret_opens_nothing(user):
    key, _ = make_api_key(user)

    assert selectors.key_for(f"{key.prefix}.guess", now=datetime.now(UTC)) is None


def test_a_revoked_key_stops_at_once(api, key_api, user):
    program = key_api("trade")
    key = ApiKey.objects.get()

    assert api.delete(f"{KEYS}/{key.pk}").status_code == 204
    assert program.get("/options/notices").status_code == 401
    assert api.delete(f"{KEYS}/{key.pk}").status_code == 204
    assert [entry.action for entry in selectors.audit_of(user)] == [
        "api_key.revoke",
        "api_key.create",
    ]


def test_an_expired_key_opens_nothing(user):
    _, token = make_api_key(user, now=NOW, life=timedelta(days=1))

    assert selectors.key_for(token, now=NOW + timedelta(hours=23)) is not None
    assert selectors.key_for(token, now=NOW + timedelta(days=1)) is None


def test_the_key_of_a_closed_account_opens_nothing(user, key_api):
    program = key_api("trade")
    user.is_active = False
    user.save()

    assert program.get("/options/notices").status_code == 401


@pytest.mark.parametrize(("scope", "status"), [("read", 200), ("paper", 200), ("trade", 200)])
def test_every_key_may_mark_a_notice_read_because_it_moves_no_money(key_api, user, scope, status):
    notice = services.notify(
        user=user, kind="k", severity="info", title="t", body="b", dedupe_key="d", now=NOW
    )

    assert key_api(scope).post(f"/options/notices/{notice.pk}/read").status_code == status


@pytest.mark.parametrize(
    ("scope", "expected"), [("read", False), ("paper", True), ("trade", False)]
)
def test_only_a_paper_key_is_held_to_paper_accounts(user, scope, expected):
    request = Request(RequestFactory().get("/"))
    request.auth, _ = make_api_key(user, scope=scope)

    assert paper_only(request) is expected


def test_a_browser_is_not_held_to_paper_accounts(user):
    request = Request(RequestFactory().get("/"))
    request.auth = None

    assert paper_only(request) is False


def test_a_strangers_key_is_not_there(api, stranger):
    key, _ = make_api_key(stranger)

    assert api.delete(f"{KEYS}/{key.pk}").status_code == 404
    key.refresh_from_db()
    assert key.revoked_at is None


def test_the_service_refuses_an_unknown_scope(user):
    with pytest.raises(Refused) as refusal:
        make_api_key(user, scope="root")

    assert (refusal.value.code, refusal.value.field) == ("unknown_scope", "scope")


def test_a_key_has_its_own_rate_and_others_are_not_slowed(user, key_api, monkeypatch):
    from users.api.throttling import KeyThrottle

    monkeypatch.setattr(KeyThrottle, "THROTTLE_RATES", {"key": "2/min"})
    first, second = key_api("read"), key_api("read")

    answers = [first.get("/options/notices").status_code for _ in range(3)]
    slowed = first.get("/options/notices")

    assert answers == [200, 200, 429]
    assert slowed.json()["code"] == "too_many_requests"
    assert slowed.json()["retryable"] is True
    assert 1 <= int(slowed["Retry-After"]) <= 61
    assert second.get("/options/notices").status_code == 200
    assert Notice.objects.count() == 0
