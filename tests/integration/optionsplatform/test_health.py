import pytest
import redis
from django.test import Client

from market import quotes
from optionsplatform import health
from optionsplatform.processes import BEATING

pytestmark = pytest.mark.django_db


@pytest.fixture
def beats():
    """All processes beat."""
    valkey = quotes.connection()
    for name in BEATING:
        valkey.set(f"heartbeat:{name}", "now", ex=10)
    yield valkey
    valkey.delete(*(f"heartbeat:{name}" for name in BEATING))


def test_health_asks_nothing_but_the_process(client):
    answer = client.get("/healthz")

    assert (answer.status_code, answer.content) == (200, b"ok")


def test_a_desk_whose_parts_all_answer_is_ready(client, beats):
    answer = client.get("/readyz")

    assert answer.json() == {"ready": True, "not_ready": {}, "workers": 0}
    assert answer.status_code == 200


@pytest.mark.parametrize("name", BEATING)
def test_a_silent_process_is_named(client, beats, name):
    beats.delete(f"heartbeat:{name}")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["not_ready"] == {name: "no heartbeat in the last 10 seconds"}


def test_valkey_that_does_not_answer_is_named(client, monkeypatch):
    gone = redis.Redis(port=1, retry=None)
    monkeypatch.setattr(quotes, "connection", lambda: gone)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert list(answer.json()["not_ready"]) == ["valkey"]


def test_a_migration_that_is_not_applied_is_named(client, beats, db):
    from django.db import connection

    health._all_applied.cache_clear()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'market'")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "the first is market" in answer.json()["not_ready"]["migrations"]


def test_metrics_are_numbers_of_the_desk_for_this_machine(client, beats):
    answer = client.get("/metrics")

    text = answer.content.decode()
    assert answer.status_code == 200
    assert "options_unknown_orders 0.0" in text
    assert 'options_open_orders{status="WORKING"} 0.0' in text
    assert 'options_heartbeat_age_seconds{process="market"}' in text
    assert "options_live_sockets 0.0" in text


@pytest.mark.parametrize(
    "origin", [{"REMOTE_ADDR": "10.0.0.9"}, {"HTTP_X_FORWARDED_FOR": "10.0.0.9"}]
)
def test_metrics_are_refused_to_strangers(origin, user):
    client = Client(**origin)
    assert client.get("/metrics").status_code == 403

    client.force_login(user)
    assert client.get("/metrics").status_code == 403

    user.is_staff = True
    user.save()
    assert client.get("/metrics").status_code == 200


def test_an_api_path_answers_with_and_without_a_trailing_slash(client):
    assert client.get("/options/schema").status_code == client.get("/options/schema/").status_code
    assert client.get("/options/nowhere/").status_code == 404


