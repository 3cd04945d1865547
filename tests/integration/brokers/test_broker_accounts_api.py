"""/options/broker-accounts over the API, with a real simulator behind it."""

import uuid

import pytest

from brokers.models import BrokerAccount
from tests.integration.brokers.served import ServedDesk
from tests.unit.brokers.desk import frame

pytestmark = pytest.mark.django_db
URL = "/options/broker-accounts"
NEW = {
    "broker": "zerodha",
    "mode": "paper",
    "client_id": "PAPERZE1",
    "label": "Zerodha paper",
    "capital": "2500000.00",
}
LIVE = {
    **NEW,
    "mode": "live",
    "client_id": "ZD1",
    "secrets": {"api_key": "CANARY-KEY", "api_secret": "CANARY-SECRET"},
}


@pytest.fixture(scope="module")
def server():
    opened = ServedDesk()
    opened.push(frame())
    yield opened
    opened.stop()


@pytest.fixture(autouse=True)
def _simulator(server, settings):
    settings.SIMULATOR_URL = server.url
    settings.SIMULATOR_TOKEN = "operator-token"


def post(client, body):
    return client.post(URL, body, format="json", HTTP_IDEMPOTENCY_KEY=str(uuid.uuid4()))


def test_an_account_is_added_listed_read_and_its_funds_come_from_the_broker(api):
    added = post(api, NEW)
    path = f"{URL}/{added.json()['id']}"

    assert added.status_code == 201
    assert {k: added.json()[k] for k in NEW} == NEW
    assert api.get(URL).json() == {"data": [added.json()], "next_cursor": None}
    assert api.get(path).json() == added.json()
    assert api.get(f"{path}/funds").json() == {
        "balance": "2500000.00",
        "used": "0.00",
        "available": "2500000.00",
    }


def test_a_renamed_account_keeps_the_rest(api):
    account = post(api, NEW).json()

    changed = api.patch(f"{URL}/{account['id']}", {"label": "Income"}, format="json")

    assert changed.status_code == 200
    assert changed.json() == {**account, "label": "Income"}


def test_a_deleted_account_is_archived_and_leaves_the_list(api):
    account = post(api, NEW).json()

    assert api.delete(f"{URL}/{account['id']}").status_code == 204
    assert api.get(URL).json()["data"] == []
    assert api.get(f"{URL}/{account['id']}").json()["archived_at"] is not None
    assert BrokerAccount.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"broker": "robinhood"}, "/broker"),
        ({"mode": "demo"}, "/mode"),
        ({"client_id": "ZD 1"}, "/client_id"),
        ({"client_id": ""}, "/client_id"),
        ({"capital": "-1"}, "/capital"),
        ({"capital": 1.5}, "/capital"),
        ({"capital": "many"}, "/capital"),
        ({"colour": "red"}, "/colour"),
        ({"secrets": {"api_key": "x"}}, "/secrets"),
        ({"mode": "live"}, "/secrets"),
    ],
)
def test_a_bad_account_is_a_422_that_names_the_field_and_saves_nothing(api, change, pointer):
    response = post(api, {**NEW, **change})

    assert response.status_code == 422
    assert response["content-type"].startswith("application/problem+json")
    assert [e["pointer"] for e in response.json()["errors"]] == [pointer]
    assert not BrokerAccount.objects.exists()


def test_a_secret_goes_in_and_never_comes_out(api):
    added = post(api, LIVE)
    path = f"{URL}/{added.json()['id']}"

    assert added.status_code == 201
    for response in (added, api.get(URL), api.get(path), api.get(f"{path}/funds")):
        assert "CANARY" not in response.text
        assert "sealed" not in response.text
    assert api.get(f"{path}/funds").json()["code"] == "no_live_wire"


def test_a_strangers_account_is_not_there(api, stranger, client):
    account = post(api, NEW).json()
    client.force_login(stranger)

    for method in ("get", "patch", "delete"):
        response = getattr(client, method)(
            f"{URL}/{account['id']}", data={}, content_type="application/json"
        )
        assert response.status_code == 404
    assert client.get(f"{URL}/{account['id']}/funds").status_code == 404
    assert client.get(URL).json()["data"] == []


def test_an_api_key_writes_only_within_its_scope(api, key_api):
    post(api, NEW)

    assert post(key_api("read"), {**NEW, "client_id": "R1"}).status_code == 403
    assert post(key_api("paper"), {**NEW, "client_id": "P1"}).status_code == 201
    assert post(key_api("paper"), LIVE).status_code == 403
    assert post(key_api("trade"), LIVE).status_code == 201
    assert len(key_api("read").get(URL).json()["data"]) == 3


def test_a_paper_key_cannot_touch_a_live_account(api, key_api):
    path = f"{URL}/{post(api, LIVE).json()['id']}"

    assert key_api("paper").patch(path, {"label": "x"}, format="json").status_code == 403
    assert key_api("paper").delete(path).status_code == 403


def test_a_silent_broker_is_a_503_that_may_be_tried_again(api, server):
    account = post(api, NEW).json()
    server.fault("answer_500_not_placed", route="funds")

    response = api.get(f"{URL}/{account['id']}/funds")

    assert response.status_code == 503
    assert (response.json()["code"], response.json()["retryable"]) == ("broker_unreachable", True)


def test_somebody_who_is_not_signed_in_gets_nothing(client):
    assert client.get(URL).status_code in (401, 403)


@pytest.mark.parametrize("sealed", [{}, {"token": "not what was sealed"}])
def test_an_account_without_a_usable_login_says_so_everywhere(sealed, user, api, client):
    account = BrokerAccount.objects.get(pk=post(api, NEW).json()["id"])
    BrokerAccount.objects.filter(pk=account.pk).update(sealed_secrets=sealed)
    client.force_login(user)

    answer = api.get(f"{URL}/{account.pk}/funds")
    page = client.get("/accounts-broker")

    assert (answer.status_code, answer.json()["code"]) == (422, "no_login")
    assert page.status_code == 200
    assert "Zerodha paper has no usable login." in page.content.decode()
