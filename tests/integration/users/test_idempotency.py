from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connections
from django.urls import path
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from tests.factories import NOW, UserFactory
from users import services
from users.api.idempotency import idempotent
from users.errors import Refused
from users.models import IdempotencyKey, Notice

started, proceed = Event(), Event()


def _tell(request):
    n = Notice.objects.filter(user=request.user).count()
    notice = services.notify(
        user=request.user,
        kind="k",
        severity="info",
        title="t",
        body="b",
        dedupe_key=str(n),
        now=NOW,
    )
    body = request.data if isinstance(request.data, dict) else {}
    if body.get("refuse"):
        raise Refused("no", "No.", fix="Do not.")
    if body.get("wait"):
        started.set()
        assert proceed.wait(10)
    return Response({"id": notice.pk}, status=201, headers={"ETag": '"1"'})


class Tell(APIView):
    @idempotent()
    def post(self, request):
        return _tell(request)


class TellMaybe(APIView):
    @idempotent(required=False)
    def post(self, request):
        return _tell(request)


urlpatterns = [path("tell", Tell.as_view()), path("tell-maybe", TellMaybe.as_view())]
pytestmark = pytest.mark.urls(__name__)


def post(api, body=None, *, key="k1", to="/tell"):
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post(to, body or {}, format="json", headers=headers)


def test_the_same_key_and_body_replay_the_first_answer(api):
    first = post(api, {"lots": 1})
    again = post(api, {"lots": 1})

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert (again["ETag"], again["Idempotent-Replayed"]) == ('"1"', "true")
    assert Notice.objects.count() == 1


@pytest.mark.parametrize(("body", "to"), [({"lots": 2}, "/tell"), ({"lots": 1}, "/tell-maybe")])
def test_the_same_key_for_another_act_is_refused(api, body, to):
    post(api, {"lots": 1})

    answer = post(api, body, to=to)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert Notice.objects.count() == 1


@pytest.mark.parametrize(
    "body", ['{"n": 1180591620717411303424}', '{"n": "\\ud800"}', "[1]", "null"]
)
def test_any_json_can_be_the_body(api, body):
    answer = api.post(
        "/tell", body, content_type="application/json", headers={"Idempotency-Key": "k"}
    )

    assert answer.status_code in (201, 422)


def test_two_users_may_use_the_same_key(api, stranger):
    other = APIClient()
    other.force_login(stranger)

    assert post(api).json() != post(other).json()


@pytest.mark.parametrize("key", [None, "", "  ", "x" * 121])
def test_a_missing_or_unusable_key_is_refused_where_it_is_needed(api, key):
    assert post(api, key=key).status_code == 422
    assert not Notice.objects.exists()


def test_where_the_key_is_optional_every_request_without_it_acts(api):
    assert post(api, key=None, to="/tell-maybe").status_code == 201
    assert post(api, key=None, to="/tell-maybe").status_code == 201
    assert Notice.objects.count() == 2


def test_a_refused_act_saves_nothing_and_frees_its_key(api):
    assert post(api, {"refuse": True}).status_code == 422
    assert not Notice.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert post(api, {}).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_at_once_one_acts_and_the_other_is_told_to_wait():
    user = UserFactory()

    def send():
        client = APIClient()
        client.force_login(user)
        try:
            return post(client, {"wait": True})
        finally:
            connections.close_all()

    started.clear()
    proceed.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(send)
        assert started.wait(10)
        second = pool.submit(send).result(10)
        proceed.set()
        first = first.result(10)

    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json()["code"] == "idempotency_in_flight"
    assert second["Retry-After"] == "1"
    assert send().json() == first.json()
    assert Notice.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_ten_requests_at_once_act_once():
    user = UserFactory()
    client = APIClient()
    client.force_login(user)
    cookies = client.cookies

    def send(_):
        mine = APIClient()
        mine.cookies = cookies.copy()
        try:
            return post(mine).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(send, range(10)))

    assert set(answers) <= {201, 409}
    assert 201 in answers
    assert Notice.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_claim_whose_process_died_does_not_block_the_act():
    user = UserFactory()
    client = APIClient()
    client.force_login(user)
    post(client)
    Notice.objects.all().delete()
    IdempotencyKey.objects.update(
        status=None, answer=None
    )  # as a kill -9 inside the handler leaves it

    assert post(client).status_code == 201
    assert Notice.objects.count() == 1
